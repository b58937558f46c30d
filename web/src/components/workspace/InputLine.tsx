import { useEffect, useLayoutEffect, useRef, type FormEvent, type KeyboardEvent } from 'react';
import { useText } from '../../i18n/text';
import { Button } from '../../ui/Button';
import type { Run } from '../../workspace/runs';
import styles from './OutputPane.module.css';

type Props = { waiting: Run['waiting']; onLine: (line: string) => Promise<void>; onEnd: () => Promise<void>; onFocusLost: () => void };

/** Where a person answers what a program asks. */
export function InputLine({ waiting, onLine, onEnd, onFocusLost }: Props) {
  const t = useText();
  const field = useRef<HTMLInputElement>(null);
  const form = useRef<HTMLFormElement>(null);
  const lost = useRef(onFocusLost);
  useEffect(() => { lost.current = onFocusLost; });
  useEffect(() => { if (waiting) field.current?.focus(); }, [waiting]);
  useLayoutEffect(() => {
    const place = form.current;
    return () => { if (place?.contains(document.activeElement)) lost.current(); };
  }, []);
  const send = (event: FormEvent) => {
    event.preventDefault();
    const line = field.current?.value ?? '';
    if (field.current) field.current.value = '';
    void onLine(line);
  };
  const end = (event: KeyboardEvent) => {
    if (event.ctrlKey && event.key === 'd') {
      event.preventDefault();
      void onEnd();
    }
  };
  return (
    <form ref={form} className={[styles['input'], waiting ? styles['asked'] : ''].join(' ')} onSubmit={send}>
      <input ref={field} type={waiting?.echo === false ? 'password' : 'text'} aria-label={waiting?.prompt.trim() ? waiting.prompt : t('input.label')} placeholder={t(waiting ? 'input.asked' : 'input.label')} autoComplete="off" autoCapitalize="off" spellCheck={false} onKeyDown={end} />
      <Button small type="submit">{t('input.send')}</Button>
      <Button small look="quiet" onPress={() => void onEnd()}>{t('input.end')}</Button>
    </form>
  );
}
