import { useMutation, useQuery } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { organizationsQuery, projectsQuery } from '../../api/admin-queries';
import { body, client } from '../../api/client';
import { meQuery } from '../../api/folders';
import { providersQuery, signinQuery } from '../../api/queries';
import { browsersQuery } from '../../api/settings-queries';
import { Card } from '../../components/console/Card';
import { Facts } from '../../components/console/Facts';
import styles from '../../components/console/console.module.css';
import { LANGUAGES } from '../../components/SettingsMenus';
import { ProblemNotice } from '../../components/ProblemNotice';
import { roleOf } from '../../components/roles';
import { useEnter } from '../../hooks/use-enter';
import { useText } from '../../i18n/console';
import { THEMES } from '../../stores/kept-settings';
import { change, useSettings } from '../../stores/settings';
import { Button } from '../../ui/Button';
import { CheckBox } from '../../ui/CheckBox';
import { Notice } from '../../ui/Notice';
import { SelectField } from '../../ui/SelectField';
import { TextField } from '../../ui/TextField';
import { PageHeading } from '../../ui/PageHeading';

const PASSWORD_CHARS_MIN = 10;

export function ProfilePage() {
  const t = useText();
  return (
    <div className={styles['page']}>
      <PageHeading>{t('settings.profile')}</PageHeading>
      <div className={styles['columns']}>
        <Who />
        <SignIn />
        <Look />
      </div>
    </div>
  );
}

function Who() {
  const t = useText();
  const { data: me, error } = useQuery(meQuery);
  const { data: projects = [] } = useQuery(projectsQuery);
  const { data: organizations = [] } = useQuery(organizationsQuery);
  const names = new Map(projects.map(({ id, name }) => [id, name]));
  const nameOf = (project: string) => names.get(project) ?? project;
  const projectText = (project: string) => (project === me?.project ? t('profile.project.home', { name: nameOf(project) }) : nameOf(project));
  return (
    <Card title={t('profile.who')}>
      <ProblemNotice error={error} />
      {me && (
        <Facts
          facts={[
            [t('people.name'), me.name],
            [t('people.email'), me.email],
            [t('people.role'), t(`people.role.${roleOf(me.role)}`)],
            [t('people.organization'), organizations.find(({ id }) => id === me.organization)?.name ?? me.organization],
            [t('profile.projects'), me.memberships.length === 0 ? t('profile.projects.none') : <ul key="projects">{me.memberships.map(({ project }) => <li key={project}>{projectText(project)}</li>)}</ul>],
            [t('people.policy'), me.policy],
            ['Id', <code key="id">{me.id}</code>],
          ]}
        />
      )}
      <p className={styles['fine']}>{t('profile.changed')}</p>
    </Card>
  );
}

function Look() {
  const t = useText();
  const { theme, locale } = useSettings();
  return (
    <Card title={t('settings.look')}>
      <div className={styles['pair']}>
        <SelectField label={t('settings.language')} value={locale} options={LANGUAGES.map(({ id, label }) => ({ value: id, label }))} onChange={(value) => { const chosen = LANGUAGES.find(({ id }) => id === value); if (chosen) change({ locale: chosen.id }); }} />
        <SelectField label={t('settings.theme')} value={theme} options={THEMES.map((value) => ({ value, label: t(`settings.theme.${value}`) }))} onChange={(value) => { const chosen = THEMES.find((theme) => theme === value); if (chosen) change({ theme: chosen }); }} />
      </div>
      <p className={styles['fine']}>{t('settings.look.text')}</p>
    </Card>
  );
}

/** By what one signs in: a password that can be changed, or a provider that has one's password. */
function SignIn() {
  const t = useText();
  const { data: me } = useQuery(meQuery);
  if (!me) return <Card title={t('password.title')}><p className={styles['fine']}>{t('app.loading')}</p></Card>;
  return me.has_password ? <Password /> : <NoPassword />;
}

function NoPassword() {
  const t = useText();
  const { data: browsers = [] } = useQuery(browsersQuery);
  const { data: providers = [] } = useQuery(providersQuery);
  const here = browsers.find(({ current }) => current)?.method;
  const provider = providers.find(({ name }) => name === here)?.title;
  return (
    <Card title={t('password.title')}>
      <p>{provider === undefined ? t('password.none.other') : t('password.none', { provider })}</p>
      <p className={styles['fine']}>{t('password.none.ask')}</p>
    </Card>
  );
}

/** Whoever changes the password is signed out everywhere; this browser signs in again at once. */
function Password() {
  const t = useText();
  const enter = useEnter();
  const { data: signin } = useQuery(signinQuery);
  const [isDone, setDone] = useState(false);
  const set = useMutation({
    mutationFn: async (given: { current: string; password: string; revoke_all: boolean }) => {
      await client.PUT('/api/v1/password', { body: given });
      return body(client.POST('/api/v1/signin', { body: { name: signin?.name ?? '', password: given.password } }));
    },
    onSuccess: async (signin) => {
      await enter(signin, '/settings/profile');
      setDone(true);
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setDone(false);
    const given = new FormData(event.currentTarget);
    set.mutate({ current: String(given.get('current')), password: String(given.get('password')), revoke_all: given.get('revoke') !== null });
    event.currentTarget.reset();
  };
  return (
    <Card title={t('password.title')}>
      <form className={styles['form']} onSubmit={submit}>
        <p className={styles['fine']}>{t('password.text')}</p>
        <input type="text" name="username" autoComplete="username" value={signin?.name ?? ''} readOnly hidden />
        <TextField label={t('password.current')} name="current" type="password" autoComplete="current-password" isRequired />
        <TextField label={t('password.new')} hint={t('link.hint')} name="password" type="password" autoComplete="new-password" minLength={PASSWORD_CHARS_MIN} isRequired />
        <CheckBox name="revoke">{t('password.revoke')}</CheckBox>
        <ProblemNotice error={set.error} />
        {isDone && <Notice>{t('password.done')}</Notice>}
        <div><Button type="submit" look="primary" isPending={set.isPending}>{t('password.submit')}</Button></div>
      </form>
    </Card>
  );
}
