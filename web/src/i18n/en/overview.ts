/** What whoever answers for others sees first. */
export const overviewEn = {
  'overview.service': 'The service',
  'overview.organization': 'Your organization',
  'overview.project': 'Project {name}',
  'overview.health': 'Health',
  'overview.failing': '{count, plural, one {# task fails: {tasks}} other {# tasks fail: {tasks}}}',
  'overview.failing.none': 'no task fails',
  'overview.nodes.closed': '{count, plural, one {# takes no sessions} other {# take no sessions}}',
  'overview.nodes.answer': 'answer and take sessions',
  'overview.queue.some': 'wait for room',
  'overview.sessions': 'alive now',
  'overview.people': '{count, plural, =0 {nobody is suspended} one {# is suspended} other {# are suspended}}',
  'overview.told': 'told now',
  'overview.told.none': 'nothing is told now',
  'overview.active': 'People who used something',
} as const satisfies Record<string, string>;
