import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { organizationsQuery, policiesQuery, projectsQuery } from '../../api/admin-queries';
import { body, client, type Schema } from '../../api/client';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { moment } from '../../ui/format';
import { SelectField } from '../../ui/SelectField';
import { TextField } from '../../ui/TextField';
import { FormDialog, typed } from '../console/FormDialog';
import { OnceDialog } from '../console/OnceDialog';
import styles from '../console/console.module.css';
import { isSystemAdministrator, ROLES } from '../roles';

/** Makes a user and the link with which they choose a password. */
export function InviteDialog({ role, onClose }: { role: string; onClose: () => void }) {
  const t = useText();
  const [made, setMade] = useState<{ name: string; link: Schema['LinkMade'] } | null>(null);
  const { data: organizations = [] } = useQuery(organizationsQuery);
  const [chosen, setChosen] = useState<string | null>(null);
  const organization = chosen ?? organizations[0]?.id;
  const { data: projects = [] } = useQuery(projectsQuery);
  const { data: policies = [] } = useQuery(policiesQuery);
  const invite = useAct(
    async (user: Schema['UserCreate']) => {
      const { id, name } = await body(client.POST('/api/v1/users', { body: user }));
      return { name, link: await body(client.POST('/api/v1/links', { body: { user: id, kind: 'invitation' } })) };
    },
    ['users'],
    setMade,
  );
  if (made) return <LinkDialog name={made.name} link={made.link} onClose={onClose} />;
  const ours = projects.filter((project) => !project.archived_at && project.organization === organization);
  const none = { value: '', label: t('admin.none') };
  const roles = ROLES.filter((known) => known !== 'system-administrator' || isSystemAdministrator(role));
  const submit = (given: FormData) => {
    const optional = Object.fromEntries(['email', 'role', 'organization', 'project', 'policy'].flatMap((name) => { const value = typed(given, name); return value ? [[name, value]] : []; }));
    invite.mutate({ name: typed(given, 'name') ?? '', ...optional });
  };
  return (
    <FormDialog title={t('people.invite')} submit={t('people.invite.submit')} act={invite} onSubmit={submit} onClose={onClose}>
      <p className={styles['fine']}>{t('people.invite.text')}</p>
      <TextField label={t('people.name')} name="name" isRequired autoComplete="off" />
      <TextField label={t('people.email')} name="email" type="email" autoComplete="off" />
      <div className={styles['pair']}>
        <SelectField label={t('people.role')} name="role" options={roles.map((role) => ({ value: role, label: t(`people.role.${role}`) }))} />
        <SelectField label={t('people.policy')} name="policy" options={[none, ...policies.map(({ name }) => ({ value: name, label: name }))]} />
        {organizations.length > 1 && <SelectField label={t('people.organization')} name="organization" options={organizations.map(({ id, name }) => ({ value: id, label: name }))} onChange={setChosen} />}
        {/* Whoever is in no project can start nothing, so one is chosen from the start. */}
        {ours.length > 0 && <SelectField key={organization} label={t('people.project')} name="project" options={[...ours.map(({ id, name }) => ({ value: id, label: name })), none]} />}
      </div>
    </FormDialog>
  );
}

export function LinkDialog({ name, link, onClose }: { name: string; link: Schema['LinkMade']; onClose: () => void }) {
  const t = useText();
  const intl = useIntl();
  return <OnceDialog title={t('people.link.title', { name })} text={t('people.link.text', { name, until: moment(intl, link.expires_at) })} secret={link.url} onClose={onClose} />;
}
