import type { MessageId } from '../i18n/text';

/** On Apple's keyboards Command stands where Control does on others. */
const CTRL = /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘' : 'Ctrl';

export const SHORTCUTS = {
  run: { keys: `${CTRL}+Enter`, label: 'shortcut.run' },
  save: { keys: `${CTRL}+S`, label: 'shortcut.save' },
  palette: { keys: `${CTRL}+Shift+P, F1`, label: 'shortcut.palette' },
  pane: { keys: 'F6', label: 'shortcut.pane' },
  paneBack: { keys: 'Shift+F6', label: 'shortcut.paneBack' },
  leave: { keys: 'Esc Tab', label: 'shortcut.leave' },
  find: { keys: `${CTRL}+F`, label: 'shortcut.find' },
  comment: { keys: `${CTRL}+/`, label: 'shortcut.comment' },
  definition: { keys: 'F12', label: 'shortcut.definition' },
  explain: { keys: 'Ctrl+K, Ctrl+I', label: 'shortcut.explain' },
  problem: { keys: 'F8', label: 'shortcut.problem' },
  input: { keys: 'Ctrl+D', label: 'shortcut.input' },
  sheet: { keys: '?', label: 'shortcut.sheet' },
} as const satisfies Record<string, { keys: string; label: MessageId }>;
