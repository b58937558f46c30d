import { useMutation } from '@tanstack/react-query';
import type { FormEvent } from 'react';
import { body, client } from '../api/client';
import { Doorway } from '../components/Doorway';
import { ProblemNotice } from '../components/ProblemNotice';
import { useEnter } from '../hooks/use-enter';
import { useText } from '../i18n/text';
import { Button } from '../ui/Button';
import { Notice } from '../ui/Notice';
import { TextField } from '../ui/TextField';
import styles from './form.module.css';

const PASSWORD_CHARS_MIN = 10;

/** Sets a password with a one-time link, whose secret stands behind `#`, which no server sees. */
export function LinkPage() {
  const t = useText();
  const enter = useEnter();
  const secret = location.hash.slice(1);
  const use = useMutation({
    mutationFn: async (given: { password: string; revoke_all: boolean }) => {
      const { name } = await body(client.POST('/api/v1/links/use', { body: { secret, ...given } }));
      return body(client.POST('/api/v1/signin', { body: { name, password: given.password } }));
    },
    onSuccess: (signin) => enter(signin, '/'),
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    use.mutate({ password: String(given.get('password')), revoke_all: given.get('revoke') !== null });
  };
  return (
    <Doorway title={t('link.title')} lead={t('link.lead')}>
      {secret === '' ? (
        <Notice tone="danger">{t('link.missing')}</Notice>
      ) : (
        <form className={styles['form']} onSubmit={submit}>
          {/* eslint-disable-next-line jsx-a11y/no-autofocus -- what the page is for, and the first thing in it */}
          <TextField autoFocus label={t('link.password')} hint={t('link.hint')} name="password" type="password" autoComplete="new-password" minLength={PASSWORD_CHARS_MIN} isRequired />
          <label className={styles['check']}>
            <input type="checkbox" name="revoke" />
            <span>{t('link.revoke')}</span>
          </label>
          <ProblemNotice error={use.error} />
          <Button type="submit" look="primary" isPending={use.isPending}>
            {t('link.submit')}
          </Button>
        </form>
      )}
    </Doorway>
  );
}
