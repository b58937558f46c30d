import type { notebookEn } from '../en/notebook';

/** 노트북의 글. */
export const notebookKo: Readonly<Record<keyof typeof notebookEn, string>> = {
  'notebook.tools': '노트북',
  'notebook.addCode': '코드',
  'notebook.addText': '글',
  'notebook.restart': '다시 시작',
  'notebook.clear': '출력 지우기',
  'notebook.run': '이 셀 실행',
  'notebook.runAll': '모두 실행',
  'notebook.above': '위에 넣기',
  'notebook.below': '아래에 넣기',
  'notebook.up': '위로 옮기기',
  'notebook.down': '아래로 옮기기',
  'notebook.become-code': '코드로 바꾸기',
  'notebook.become-markdown': '글로 바꾸기',
  'notebook.delete': '셀 삭제',
  'notebook.running': '실행 중',
  'notebook.queued': '차례를 기다리는 중',
  'notebook.empty': '빈 글입니다. Enter를 누르면 쓸 수 있습니다.',
  'notebook.keys': 'Shift+Enter는 실행하고 다음으로, Ctrl+Enter는 실행만, Esc는 편집에서 나가고 Enter는 다시 들어갑니다. A와 B는 넣기, D D는 삭제, Z는 되살리기, M과 Y는 글과 코드로 바꾸기.',
  'notebook.cell.code': '코드, 셀 {count, number}개 중 {number, number}번째',
  'notebook.cell.text': '글, 셀 {count, number}개 중 {number, number}번째',
  'notebook.source': '{cell}. Esc를 누르면 나갑니다.',
  'notebook.outputs': '결과: {cell}',
  'notebook.invalid': '형식 4의 노트북이 아니어서 글 그대로 보여 줍니다.',
  'notebook.refused': '셀은 인터프리터에서 실행되는데, 이 작업 공간의 언어에는 인터프리터가 없습니다.',
};
