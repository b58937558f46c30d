import { useMutation, useQuery } from '@tanstack/react-query';
import { useSearch } from '@tanstack/react-router';
import type { FormEvent } from 'react';
import { body, client } from '../api/client';
import { Problem } from '../api/problem';
import { announcementsQuery, providersQuery } from '../api/queries';
import { Doorway } from '../components/Doorway';
import { ProblemNotice } from '../components/ProblemNotice';
import { useEnter } from '../hooks/use-enter';
import { useText } from '../i18n/text';
import { useSettings } from '../stores/settings';
import { Button } from '../ui/Button';
import { Notice } from '../ui/Notice';
import { TextField } from '../ui/TextField';
import styles from './form.module.css';

export function SigninPage() {
  const t = useText();
  const { locale } = useSettings();
  const announcements = useQuery(announcementsQuery);
  return (
    <Doorway title={t('signin.title')} lead={t('signin.lead')}>
      {announcements.data?.map(({ id, texts }) => (
        <Notice key={id} tone="warm">
          {texts[locale] ?? texts['en'] ?? Object.values(texts)[0] ?? ''}
        </Notice>
      ))}
      <SigninForm />
      <Providers />
      <p className={styles['fine']}>{t('signin.forgotten')}</p>
    </Doorway>
  );
}

function SigninForm() {
  const t = useText();
  const enter = useEnter();
  const { to } = useSearch({ from: '/signin' });
  const signIn = useMutation({
    mutationFn: (given: { name: string; password: string }) => body(client.POST('/api/v1/signin', { body: given })),
    onSuccess: (signin) => enter(signin, to ?? '/'),
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    signIn.mutate({ name: String(given.get('name')), password: String(given.get('password')) });
  };
  return (
    <form className={styles['form']} onSubmit={submit}>
      {/* eslint-disable-next-line jsx-a11y/no-autofocus -- what the page is for, and the first thing in it */}
      <TextField autoFocus label={t('signin.name')} name="name" autoComplete="username" isRequired />
      <TextField label={t('signin.password')} name="password" type="password" autoComplete="current-password" isRequired />
      {signIn.error && <Refused error={signIn.error} />}
      <Button type="submit" look="primary" isPending={signIn.isPending}>
        {t('signin.submit')}
      </Button>
    </form>
  );
}

function Refused({ error }: { error: Error }) {
  const t = useText();
  const { status, retryAfterMs } = error instanceof Problem ? error : { status: 0, retryAfterMs: null };
  if (status === 401) return <Notice tone="danger">{t('signin.wrong')}</Notice>;
  if (status === 429) return <Notice tone="danger">{t('signin.slow', { seconds: Math.ceil((retryAfterMs ?? 1_000) / 1_000) })}</Notice>;
  return <ProblemNotice error={error} />;
}

function Providers() {
  const t = useText();
  const { data: providers } = useQuery(providersQuery);
  if (!providers || providers.length === 0) return null;
  return (
    <>
      <p className={styles['or']}>{t('signin.or')}</p>
      <div className={styles['providers']}>
        {providers.map(({ name, title, url }) => (
          <a key={name} href={url}>
            {t('signin.with', { provider: title })}
          </a>
        ))}
      </div>
    </>
  );
}
