import type { offlineEn } from '../en/offline';

export const offlineKo: Readonly<Record<keyof typeof offlineEn, string>> = {
  'offline.title': '서버가 응답하지 않습니다',
  'offline.text': '서버가 다시 시작되는 중이거나 연결이 끊겼을 수 있습니다. 이 페이지가 자동으로 다시 물어보고, 응답이 오면 바로 가려던 곳으로 이동합니다. 작업 공간의 프로그램은 그동안에도 계속 실행됩니다.',
  'offline.network': '지금 이 기기는 네트워크에 연결되어 있지 않습니다.',
  'offline.asking': '물어보는 중…',
  'offline.waiting': '아직 응답이 없습니다. 몇 초마다 다시 물어봅니다.',
  'offline.again': '지금 물어보기',
  'offline.drafts': '아직 저장되지 않았지만 이 브라우저에 보관된 글',
  'offline.drafts.text': '작업 공간이 다시 열리면 서버에 자동으로 저장됩니다. 만일을 위해 복사해 둘 수 있습니다.',
  'offline.copy': '복사',
  'offline.copied': '복사됨',
};
