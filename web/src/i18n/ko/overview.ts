import type { overviewEn } from '../en/overview';

export const overviewKo: Readonly<Record<keyof typeof overviewEn, string>> = {
  'overview.service': '서비스',
  'overview.organization': '내 조직',
  'overview.project': '프로젝트 {name}',
  'overview.health': '상태',
  'overview.failing': '실패하는 작업 {count}개: {tasks}',
  'overview.failing.none': '실패하는 작업 없음',
  'overview.nodes.closed': '{count}개는 세션을 받지 않음',
  'overview.nodes.answer': '응답하며 세션을 받음',
  'overview.queue.some': '자리를 기다림',
  'overview.sessions': '지금 살아 있음',
  'overview.people': '{count, plural, =0 {정지된 사람 없음} other {#명 정지됨}}',
  'overview.told': '지금 알리는 중',
  'overview.told.none': '지금 알리는 것 없음',
  'overview.active': '사용한 사람',
};
