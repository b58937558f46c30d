/** How a session ended, by the outcome or state that the server gives. */
export const endingEn = {
  'ending.completed': 'It has done what it was for.',
  'ending.terminated': 'It was ended.',
  'ending.timed-out': 'Its time was over, or nobody used it.',
  'ending.failed': 'It failed.',
  'ending.draining': 'It is ending.',
  'ending.refused': 'It was refused before it started.',
} as const satisfies Record<string, string>;
