/** What the page says that is shown in place of every other while the server does not answer. It is a page of its own: it comes with none of the others. */
export const offlineEn = {
  'offline.title': 'The server does not answer',
  'offline.text': 'It may be starting again, or the way to it may be broken. This page asks again by itself and goes on where you wanted to go as soon as there is an answer. Programs in your workspaces go on meanwhile.',
  'offline.network': 'This device has no network now.',
  'offline.asking': 'Asking…',
  'offline.waiting': 'No answer yet. It is asked again every few seconds.',
  'offline.again': 'Ask now',
  'offline.drafts': 'Not saved yet, but kept in this browser',
  'offline.drafts.text': 'The server gets these by itself once their workspace is open again. To be on the safe side you can copy them.',
  'offline.copy': 'Copy',
  'offline.copied': 'Copied',
} as const;
