import { Link } from '@tanstack/react-router';
import { useIntl } from 'react-intl';
import type { Folder } from '../../api/folders';
import { useText, type MessageId } from '../../i18n/console';
import { Badge, type BadgeTone } from '../../ui/Badge';
import { moment } from '../../ui/format';
import look from '../../ui/look.module.css';
import { Table, type Column } from '../../ui/Table';
import { ServerTip } from '../ServerTip';

const STATES: Readonly<Record<string, { tone: BadgeTone; text: MessageId }>> = {
  making: { tone: 'busy', text: 'folders.state.making' },
  cloning: { tone: 'busy', text: 'folders.state.cloning' },
  ready: { tone: 'good', text: 'folders.state.ready' },
  moving: { tone: 'busy', text: 'folders.state.moving' },
  trashed: { tone: 'still', text: 'folders.state.trashed' },
  purging: { tone: 'busy', text: 'folders.state.purging' },
  failed: { tone: 'bad', text: 'folders.state.failed' },
};

export function FolderBadge({ state }: { state: string }) {
  const t = useText();
  const known = STATES[state];
  return known ? <Badge tone={known.tone}>{t(known.text)}</Badge> : <Badge tone="still">{state}</Badge>;
}

/** Whose a folder is, for whoever asks. */
export function useWhose(me: string): (folder: Folder) => string {
  const t = useText();
  return ({ user, owner_name }) => {
    if (user === me) return t('folders.whose.mine');
    return user ? t('folders.whose.shared', { name: owner_name }) : t('folders.whose.project', { name: owner_name });
  };
}

type Props = { folders: readonly Folder[]; me: string; acts?: (folder: Folder) => React.ReactNode };

export function FolderTable({ folders, me, acts }: Props) {
  const t = useText();
  const intl = useIntl();
  const whose = useWhose(me);
  const columns: Column<Folder>[] = [
    { id: 'name', title: t('folders.name'), cell: ({ id, name }) => (acts ? name : <Link to="/folders/$folder" params={{ folder: id }} className={look['name'] ?? ''}>{name}</Link>) },
    { id: 'whose', title: t('folders.whose'), cell: whose },
    { id: 'may', title: t('folders.may'), kind: 'wide', cell: ({ may }) => t(`folders.may.${may ?? 'none'}`) },
    { id: 'state', title: t('folders.state'), ...(acts ? { kind: 'wide' as const } : {}), cell: ({ state, why }) => <ServerTip tip={why}><FolderBadge state={state} /></ServerTip> },
  ];
  if (acts) columns.push({ id: 'since', title: t('folders.trashedAt'), kind: 'wide', cell: ({ trashed_at }) => trashed_at && moment(intl, trashed_at) }, { id: 'acts', title: '', kind: 'number', cell: acts });
  else columns.splice(3, 0, { id: 'mode', title: t('folders.mode'), kind: 'wide', cell: ({ mode }) => t(`folders.mode.${mode}`) });
  return <Table<Folder> label={t('folders.list')} rows={folders} rowKey={({ id }) => id} columns={columns} />;
}
