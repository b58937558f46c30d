import type { waitEn } from '../en/wait';

export const waitKo: Readonly<Record<keyof typeof waitEn, string>> = {
  'wait.dependency': '다른 세션이 먼저 끝나기를 기다립니다.',
  'wait.no-node': '지금 세션을 받는 노드가 없습니다.',
  'wait.room': '필요한 만큼 비어 있는 노드가 없습니다.',
  'wait.promised': '빈자리가 있지만 이미 다른 쪽에 약속되어 있습니다.',
  'wait.preempting': '자리를 내려고 우선순위가 낮은 작업을 끝내는 중입니다.',
  'wait.turn': '차례를 기다립니다.',
  'wait.position': '{position, plural, =1 {다음 차례입니다.} other {대기 순서는 #번째입니다.}}',
  'wait.may': '시작 가능 시각은 {at} 또는 그 이전입니다.',
};
