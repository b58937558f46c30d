import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { organizationsQuery, projectsQuery } from '../../api/admin-queries';
import type { Schema } from '../../api/client';
import { signinQuery } from '../../api/queries';
import { MembersDialog } from '../../components/admin/MembersDialog';
import { PlaceArchiveDialog, PlaceDialog, type Place } from '../../components/admin/PlaceDialog';
import { Table, type Column } from '../../ui/Table';
import styles from '../../components/console/console.module.css';
import { ProblemNotice } from '../../components/ProblemNotice';
import { isSystemAdministrator } from '../../components/roles';
import { useText } from '../../i18n/console';
import { Button, IconButton } from '../../ui/Button';
import { Menu } from '../../ui/Menu';
import { PageHeading } from '../../ui/PageHeading';

type Doing = { what: 'new' | 'change' | 'archive' | 'members'; place: Place } | null;

/** Organizations and the projects in them. */
export function ProjectsPage() {
  const t = useText();
  const { data: signin } = useQuery(signinQuery);
  const organizations = useQuery(organizationsQuery);
  const projects = useQuery(projectsQuery);
  const [doing, setDoing] = useState<Doing>(null);
  const isSystem = isSystemAdministrator(signin?.role ?? '');
  const close = () => { setDoing(null); };
  const names = new Map(organizations.data?.map(({ id, name }) => [id, name]));
  return (
    <div className={styles['page']}>
      <div className={styles['head']}>
        <PageHeading>{t('admin.projects')}</PageHeading>
        <Button look="primary" icon="add" onPress={() => { setDoing({ what: 'new', place: { kind: 'project' } }); }}>{t('projects.new')}</Button>
      </div>
      <p className={styles['lead']}>{t('projects.text')}</p>
      <ProblemNotice error={projects.error ?? organizations.error} />
      {projects.data && <Places kind="project" rows={projects.data} organizations={names} onDo={setDoing} />}
      <div className={styles['head']}>
        <h2>{t('projects.organizations')}</h2>
        {isSystem && <Button icon="add" onPress={() => { setDoing({ what: 'new', place: { kind: 'organization' } }); }}>{t('projects.newOrganization')}</Button>}
      </div>
      {organizations.data && <Places kind="organization" rows={organizations.data} organizations={names} {...(isSystem ? { onDo: setDoing } : {})} />}
      {(doing?.what === 'new' || doing?.what === 'change') && <PlaceDialog place={doing.place} onClose={close} />}
      {doing?.what === 'archive' && <PlaceArchiveDialog place={doing.place} onClose={close} />}
      {doing?.what === 'members' && doing.place.record && <MembersDialog project={doing.place.record} onClose={close} />}
    </div>
  );
}

type Row = Schema['OrganizationView'] & { organization?: string };
type Props = { kind: Place['kind']; rows: readonly Row[]; organizations: ReadonlyMap<string, string>; onDo?: (doing: Doing) => void };

function Places({ kind, rows, organizations, onDo }: Props) {
  const t = useText();
  const columns: Column<Row>[] = [
    { id: 'name', title: t('people.name'), cell: ({ name }) => name },
    { id: 'policy', title: t('people.policy'), cell: ({ policy }) => policy },
    { id: 'state', title: t('people.state'), kind: 'wide', cell: ({ archived_at }) => archived_at && t('people.state.archived') },
  ];
  if (kind === 'project') {
    columns.splice(1, 0, { id: 'organization', title: t('people.organization'), kind: 'wide', cell: ({ organization }) => organizations.get(organization ?? '') ?? organization });
    columns.push({ id: 'members', title: t('projects.members'), cell: (record) => onDo && <Button small onPress={() => { onDo({ what: 'members', place: { kind, record } }); }}>{t('people.sessions.see')}</Button> });
  }
  if (onDo) {
    columns.push({
      id: 'acts',
      title: '',
      kind: 'number',
      cell: (record) => {
        const label = t('admin.more', { name: record.name });
        if (record.archived_at) return null;
        return <Menu label={label} trigger={<IconButton icon="more" label={label} />} choices={[{ id: 'change', label: t('admin.change'), icon: 'pencil' }, { id: 'archive', label: t('admin.archive'), icon: 'trash', danger: true }]} onChoose={(what) => { onDo({ what, place: { kind, record } }); }} />;
      },
    });
  }
  return <Table label={t(kind === 'project' ? 'admin.projects' : 'projects.organizations')} rows={rows} rowKey={({ id }) => id} isGone={({ archived_at }) => Boolean(archived_at)} columns={columns} />;
}
