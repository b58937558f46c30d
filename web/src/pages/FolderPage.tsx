import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { Fragment, useMemo } from 'react';
import { useIntl } from 'react-intl';
import { FolderFiles } from '../api/folder-files';
import { folderQuery, meQuery, type Folder } from '../api/folders';
import { sessionsQuery } from '../api/queries';
import { Card } from '../components/console/Card';
import { Facts } from '../components/console/Facts';
import styles from '../components/console/console.module.css';
import { FileBrowser } from '../components/folders/FileBrowser';
import { FolderActs } from '../components/folders/FolderActs';
import { FolderBadge, useWhose } from '../components/folders/FolderTable';
import { mayManage } from '../components/folders/folder-rights';
import { Sharing } from '../components/folders/Sharing';
import { ProblemNotice } from '../components/ProblemNotice';
import { WhyText } from '../components/WhyText';
import { useText } from '../i18n/console';
import { bytes, moment } from '../ui/format';
import { Notice } from '../ui/Notice';
import { PageHeading } from '../ui/PageHeading';

/** A folder: what is in it, who may reach it, and what can be done with it. */
export function FolderPage() {
  const t = useText();
  const { folder: id } = useParams({ from: '/signed-in/folders/$folder' });
  const { data: folder, error, isPending } = useQuery(folderQuery(id));
  if (folder) return <FolderDetail key={id} folder={folder} />;
  return (
    <div className={styles['page']}>
      {isPending ? <p>{t('app.loading')}</p> : <PageHeading>{t('folder.gone')}</PageHeading>}
      <ProblemNotice error={error} />
      <Link to="/folders">{t('folder.back')}</Link>
    </div>
  );
}

function FolderDetail({ folder }: { folder: Folder }) {
  const t = useText();
  const { path = '' } = useSearch({ from: '/signed-in/folders/$folder' });
  const navigate = useNavigate();
  const { data: me } = useQuery(meQuery);
  const { id, may, state } = folder;
  const files = useMemo(() => (may ? new FolderFiles(id, may) : null), [id, may]);
  return (
    <div className={styles['page']}>
      <p className={styles['fine']}><Link to="/folders">{t('folder.back')}</Link></p>
      <div className={styles['title']}>
        <PageHeading>{folder.name}</PageHeading>
        <FolderBadge state={state} />
      </div>
      <FolderActs folder={folder} />
      {folder.why && <Notice tone="danger"><WhyText own={state === 'failed' ? t('folder.failed') : null} why={folder.why} /></Notice>}
      {state === 'ready' && !files && <Notice>{t('browse.closed')}</Notice>}
      {state === 'ready' && files && <FileBrowser files={files} path={path} onPath={(path) => void navigate({ to: '/folders/$folder', params: { folder: id }, search: path === '' ? {} : { path } })} />}
      <div className={styles['columns']}>
        <Card title={t('folder.about')}><About folder={folder} me={me?.id ?? ''} /></Card>
        {state === 'ready' && mayManage(folder, me) && <Sharing folder={folder} />}
      </div>
    </div>
  );
}

function About({ folder, me }: { folder: Folder; me: string }) {
  const t = useText();
  const intl = useIntl();
  const whose = useWhose(me);
  const { data: sessions } = useQuery(sessionsQuery);
  const mounted = sessions?.items.filter(({ mounts }) => mounts?.some((mount) => mount.folder === folder.id)) ?? [];
  const { used_bytes, used_files, mode, may, created_at, permission } = folder;
  return (
    <Facts
      facts={[
        [t('folders.whose'), whose(folder)],
        [t('folders.may'), t(`folders.may.${may ?? 'none'}`)],
        [t('folders.create.members'), folder.project && t(`folders.may.${permission}`)],
        [t('folders.mode'), t(`folders.mode.${mode}`)],
        [t('folder.holds'), typeof used_bytes === 'number' ? t('folder.holds.value', { bytes: bytes(intl, used_bytes), files: used_files ?? 0 }) : null],
        [t('folder.mounted'), mounted.length === 0 ? t('folder.mounted.none') : mounted.map(({ id, name }, index) => <Fragment key={id}>{index > 0 && ', '}<Link to="/sessions/$session" params={{ session: id }}>{name}</Link></Fragment>)],
        [t('folders.created'), moment(intl, created_at)],
        ['Id', <code key="id">{folder.id}</code>],
      ]}
    />
  );
}
