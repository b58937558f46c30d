import { useEffect, useRef, type FormEvent } from 'react';
import type { Simulation } from '../../board/simulation';
import { useText } from '../../i18n/board';
import { Button, IconButton } from '../../ui/Button';
import { plain } from '../../workspace/runs';
import styles from './Board.module.css';

/** What the sketch writes to Serial, as text and nothing else, and a line for it. */
export function SerialMonitor({ board, text, isRunning }: { board: Simulation; text: string; isRunning: boolean }) {
  const t = useText();
  const log = useRef<HTMLPreElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const isAtEnd = useRef(true);
  useEffect(() => {
    if (log.current && isAtEnd.current) log.current.scrollTop = log.current.scrollHeight;
  }, [text]);
  const scrolled = () => {
    const place = log.current;
    if (place) isAtEnd.current = place.scrollHeight - place.scrollTop - place.clientHeight < 40;
  };
  const send = (event: FormEvent) => {
    event.preventDefault();
    board.type(field.current?.value ?? '');
    if (field.current) field.current.value = '';
  };
  return (
    <section className={styles['serial']} aria-labelledby="serial-title">
      <header className={styles['bar']}>
        <h2 id="serial-title">{t('board.serial')}</h2>
        <IconButton icon="trash" label={t('board.serial.clear')} isDisabled={text === ''} onPress={() => { board.clear(); }} />
      </header>
      {/* A sketch can write a hundred lines a second: it is read by whoever goes there. Scrolls, so the keyboard must reach it. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre ref={log} className={styles['log']} role="region" aria-label={t('board.serial')} tabIndex={0} onScroll={scrolled}>{text === '' ? <span className={styles['note']}>{t('board.serial.none')}</span> : plain(text)}</pre>
      <form className={styles['line']} onSubmit={send}>
        <input ref={field} aria-label={t('board.serial.line')} placeholder={t('board.serial.line')} maxLength={500} autoComplete="off" autoCapitalize="off" spellCheck={false} />
        <Button small type="submit" isDisabled={!isRunning}>{t('board.serial.send')}</Button>
      </form>
    </section>
  );
}
