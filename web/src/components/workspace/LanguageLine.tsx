import { useSyncExternalStore } from 'react';
import { useText } from '../../i18n/text';
import { Button } from '../../ui/Button';
import type { LanguageService, ServiceSnapshot } from '../../workspace/language-services';
import { shown } from '../../workspace/names';
import styles from './LanguageLine.module.css';

/** How the language server of a file does, and what it has against the file. */
export function LanguageLine({ service, path }: { service: LanguageService; path: string }) {
  const t = useText();
  const now = useSyncExternalStore(service.subscribe, service.snapshot);
  const problems = now.state.kind === 'ready' ? (now.problems.get(path) ?? 0) : 0;
  const next = () => void import('../../language/commands').then(({ actInEditor }) => { actInEditor('problem'); });
  return (
    <div className={styles['line']} data-service={now.state.kind}>
      <span className={styles['dot']} aria-hidden="true" />
      <span className={styles['text']} role="status">{textOf(now, problems, t)}</span>
      {problems > 0 && now.note === null && <Button small look="quiet" onPress={next} aria-keyshortcuts="F8">{t('service.next')}</Button>}
      {now.state.kind === 'stopped' && <Button small icon="refresh" onPress={() => { service.restart(); }}>{t('service.restart')}</Button>}
    </div>
  );
}

function textOf({ name, state, note }: ServiceSnapshot, problems: number, t: ReturnType<typeof useText>): string {
  if (note) return note.kind === 'outside' ? t('service.outside', { file: shown(note.file) }) : t('service.nowhere');
  switch (state.kind) {
    case 'idle':
      return '';
    case 'ready':
      return t('service.ready', { name, count: problems });
    case 'missing':
    case 'stopped':
      return [t(`service.${state.kind}`, { name }), shown(state.why)].filter((part) => part !== '').join(' ');
    default:
      return t(`service.${state.kind}`, { name });
  }
}
