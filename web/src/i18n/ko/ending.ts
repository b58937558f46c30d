import type { endingEn } from '../en/ending';

export const endingKo: Readonly<Record<keyof typeof endingEn, string>> = {
  'ending.completed': '할 일을 마치고 끝났습니다.',
  'ending.terminated': '도중에 종료되었습니다.',
  'ending.timed-out': '시간이 다 되었거나 쓰지 않아서 끝났습니다.',
  'ending.failed': '문제가 생겨 끝났습니다.',
  'ending.draining': '끝나는 중입니다.',
  'ending.refused': '시작하지 못하고 거절되었습니다.',
};
