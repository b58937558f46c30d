import { useEffect, useRef, type FormEvent, type ReactNode } from 'react';
import { useText } from '../../i18n/console';
import { Button } from '../../ui/Button';
import { Dialog, DialogActions } from '../../ui/Dialog';
import { ProblemNotice } from '../ProblemNotice';
import styles from './console.module.css';

type Act = { error: Error | null; isPending: boolean };
type Props = { title: string; submit: string; act: Act; onSubmit: (given: FormData) => void; onClose: () => void; children: ReactNode; look?: 'primary' | 'danger'; wide?: boolean };

/** Asks for something, or whether to do it, and says why it did not work. */
export function FormDialog({ title, submit, act, onSubmit, onClose, children, look = 'primary', wide }: Props) {
  const t = useText();
  const form = useRef<HTMLFormElement>(null);
  // What is asked for first is what is typed first.
  useEffect(() => { form.current?.querySelector<HTMLElement>('input:not([type=hidden]), select, textarea')?.focus(); }, []);
  const onSend = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onSubmit(new FormData(event.currentTarget));
  };
  return (
    <Dialog title={title} isOpen onClose={onClose} {...(wide ? { wide } : {})}>
      <form ref={form} className={styles['form']} onSubmit={onSend}>
        {children}
        <ProblemNotice error={act.error} />
        <DialogActions>
          <Button onPress={onClose}>{t('app.cancel')}</Button>
          <Button type="submit" look={look} isPending={act.isPending}>{submit}</Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}

/** What was typed; nothing where nothing was. */
export function typed(given: FormData, name: string): string | undefined {
  const value = given.get(name);
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}
