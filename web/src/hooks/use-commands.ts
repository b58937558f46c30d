import { THEMES } from '../stores/kept-settings';
import { useSettings, change } from '../stores/settings';
import type { Command } from '../components/workspace/CommandPalette';
import type { RunState } from '../components/workspace/WorkspaceBar';
import { useText, type MessageId } from '../i18n/text';
import { SHORTCUTS } from '../workspace/shortcuts';
import { ways } from '../workspace/run-request';
import { shown } from '../workspace/names';
import { useTabs, useWorkspace } from '../workspace/workspace';
import type { IconName } from '../ui/Icon';

type Place<Pane extends string> = { id: Pane; icon: IconName; label: MessageId };
type Acts<Pane extends string> = { run: RunState; panes: readonly Place<Pane>[]; look: (pane: Pane) => void; sheet: () => void };

/** What the palette offers now. */
export function useCommands<Pane extends string>({ run, panes, look, sheet }: Acts<Pane>): Command[] {
  const t = useText();
  const { language, tabs, services } = useWorkspace();
  const open = useTabs();
  const { theme, locale } = useSettings();
  const runs: Command[] = run.isRunning
    ? [{ id: 'stop', label: t('run.stop'), icon: 'stop', act: run.stop }]
    : run.refused === null && language
      ? ways(language).map((way, at) => ({ id: `run-${way}`, label: t(`run.way.${way}`), icon: 'play' as const, ...(at === 0 ? { keys: SHORTCUTS.run.keys } : {}), act: () => { run.start(way); } }))
      : [];
  const inEditor = (act: 'definition' | 'explain' | 'problem') => () => void import('../language/commands').then(({ actInEditor }) => { actInEditor(act); });
  const asks: Command[] = open.active !== null && services.of(open.active)?.snapshot().state.kind === 'ready'
    ? (['definition', 'explain', 'problem'] as const).map((id) => ({ id, label: t(SHORTCUTS[id].label), icon: 'code', keys: SHORTCUTS[id].keys, act: inEditor(id) }))
    : [];
  return [
    ...runs,
    ...asks,
    { id: 'save', label: t('shortcut.save'), icon: 'check', keys: SHORTCUTS.save.keys, act: () => void tabs.flush() },
    ...panes.map(({ id, icon, label }): Command => ({ id: `pane-${id}`, label: t('palette.go', { place: t(label) }), icon, act: () => { look(id); } })),
    ...open.tabs.map(({ path }): Command => ({ id: `tab-${path}`, label: t('palette.go', { place: shown(path) }), icon: 'file', act: () => { tabs.open(path); look(panes[1]?.id as Pane); } })),
    ...THEMES.filter((one) => one !== theme).map((one): Command => ({ id: `theme-${one}`, label: `${t('settings.theme')}: ${t(`settings.theme.${one}`)}`, icon: one === 'dark' ? 'moon' : 'sun', act: () => { change({ theme: one }); } })),
    { id: 'locale', label: locale === 'ko' ? 'English' : '한국어', icon: 'globe', act: () => { change({ locale: locale === 'ko' ? 'en' : 'ko' }); } },
    { id: 'sheet', label: t('shortcut.sheet'), icon: 'menu', keys: SHORTCUTS.sheet.keys, act: sheet },
  ];
}
