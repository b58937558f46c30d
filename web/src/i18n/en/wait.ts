/** Why a session waits, by the code that the server gives, and how long. */
export const waitEn = {
  'wait.dependency': 'It waits for other sessions, which must end first.',
  'wait.no-node': 'No node takes sessions now.',
  'wait.room': 'No node has as much free as it needs.',
  'wait.promised': 'There is room, but it has been promised to others.',
  'wait.preempting': 'Work of lower priority is ending to make room for it.',
  'wait.turn': 'It waits for its turn.',
  'wait.position': '{position, plural, =1 {It is next in the queue.} other {It is number # in the queue.}}',
  'wait.may': 'It may start at {at}, or earlier.',
} as const satisfies Record<string, string>;
