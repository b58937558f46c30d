import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { foldersQuery, meQuery, type Folder } from '../../api/folders';
import styles from '../../components/console/console.module.css';
import { FolderBadge } from '../../components/folders/FolderTable';
import { NewFolderDialog } from '../../components/folders/NewFolderDialog';
import { ProblemNotice } from '../../components/ProblemNotice';
import { useText } from '../../i18n/console';
import { Button } from '../../ui/Button';
import look from '../../ui/look.module.css';
import { Table } from '../../ui/Table';
import { PageHeading } from '../../ui/PageHeading';

const FIRST = '.config';

/** Folders of one's own that are at home in every session. */
export function DotfilesPage() {
  const t = useText();
  const navigate = useNavigate();
  const { data, error } = useQuery(foldersQuery(false));
  const { data: me } = useQuery(meQuery);
  const [isMaking, setMaking] = useState(false);
  const dots = data?.items.filter(({ name, user }) => name.startsWith('.') && user === me?.id) ?? [];
  return (
    <div className={styles['page']}>
      <div className={styles['head']}>
        <PageHeading>{t('settings.dotfiles')}</PageHeading>
        <Button look="primary" icon="add" onPress={() => { setMaking(true); }}>{t('dotfiles.new')}</Button>
      </div>
      <p className={styles['lead']}>{t('dotfiles.text')}</p>
      <ProblemNotice error={error} />
      {data && me && dots.length === 0 && <p className={styles['empty']}>{t('dotfiles.none')}</p>}
      {dots.length > 0 && (
        <>
          <Table<Folder>
            label={t('dotfiles.title')}
            rows={dots}
            rowKey={({ id }) => id}
            columns={[
              { id: 'name', title: t('folders.name'), cell: ({ id, name }) => <Link to="/folders/$folder" params={{ folder: id }} className={look['name'] ?? ''}>{name}</Link> },
              { id: 'at', title: t('dotfiles.at'), cell: ({ name }) => <code>{`/home/work/${name}`}</code> },
              { id: 'state', title: t('folders.state'), cell: ({ state }) => <FolderBadge state={state} /> },
            ]}
          />
          <p className={styles['fine']}>{t('dotfiles.sessions')}</p>
        </>
      )}
      {isMaking && <NewFolderDialog name={dots.some(({ name }) => name === FIRST) ? '.' : FIRST} onClose={() => { setMaking(false); }} onMade={({ id }) => void navigate({ to: '/folders/$folder', params: { folder: id } })} />}
    </div>
  );
}
