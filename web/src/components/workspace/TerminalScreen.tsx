import { useEffect, useRef, useState } from 'react';
import { useText } from '../../i18n/text';
import { Button } from '../../ui/Button';
import { useWorkspace } from '../../workspace/workspace';
import type { Screen } from '../../workspace/terminal';
import styles from './TerminalPane.module.css';

type Life = { kind: 'connecting' } | { kind: 'open' } | { kind: 'closed'; why: string };

/** A shell in the workspace. It begins when it is first looked at and ends with what shows it. */
export function TerminalScreen({ isShown, onTitle }: { isShown: boolean; onTitle: (title: string) => void }) {
  const t = useText();
  const { session } = useWorkspace();
  const place = useRef<HTMLDivElement>(null);
  const screen = useRef<Screen | null>(null);
  const [life, setLife] = useState<Life>({ kind: 'connecting' });
  const [attempt, setAttempt] = useState(0);
  const [wasShown, setWasShown] = useState(isShown);
  if (isShown && !wasShown) setWasShown(true);
  const label = t('terminal.label');
  const titled = useRef(onTitle);
  useEffect(() => { titled.current = onTitle; });
  useEffect(() => {
    if (!wasShown || !place.current) return undefined;
    const parent = place.current;
    let gone = false;
    setLife({ kind: 'connecting' });
    void import('../../workspace/terminal').then(({ openScreen }) => {
      if (gone) return;
      screen.current = openScreen(parent, session.id, label, {
        opened: () => { setLife({ kind: 'open' }); },
        closed: (why) => { setLife({ kind: 'closed', why }); },
        titled: (title) => { titled.current(title); },
      });
    });
    return () => {
      gone = true;
      screen.current?.close();
      screen.current = null;
    };
  }, [session.id, attempt, wasShown, label]);
  useEffect(() => { if (isShown) screen.current?.focus(); }, [isShown, life]);
  return (
    <div className={styles['shell']}>
      <div ref={place} className={styles['screen']} />
      {life.kind === 'connecting' && <p className={styles['note']} role="status">{t('terminal.connecting')}</p>}
      {life.kind === 'closed' && (
        <div className={styles['note']} role="status">
          {life.why === '' ? <span>{t('terminal.closed')}</span> : <span lang="en">{life.why}</span>}
          <Button small onPress={() => { setAttempt(attempt + 1); }}>{t('terminal.again')}</Button>
        </div>
      )}
    </div>
  );
}
