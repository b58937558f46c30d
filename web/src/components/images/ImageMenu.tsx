import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { body, client, type Schema } from '../../api/client';
import { meQuery } from '../../api/folders';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { IconButton } from '../../ui/Button';
import { Menu, type Choice } from '../../ui/Menu';
import { TextField } from '../../ui/TextField';
import { BeginDialog } from '../console/BeginDialog';
import { FormDialog, typed } from '../console/FormDialog';
import { isAdministrator, isSystemAdministrator } from '../roles';

type Act = 'use' | 'rename' | 'share' | 'unshare' | 'export' | 'prefetch' | 'remove';
export type Made = Schema['ImageView'] & { committed: Schema['ImageCommitted'] };
type Props = { image: Made; onError: (error: Error | null) => void; onSaid: (text: string) => void };

/** What may be done with an image that was made of a session. */
export function ImageMenu({ image, onError, onSaid }: Props) {
  const t = useText();
  const { data: me } = useQuery(meQuery);
  const [doing, setDoing] = useState<'use' | 'rename' | 'remove' | null>(null);
  const { id, owner, project } = image.committed;
  const params = { path: { id } };
  const share = useAct((shared: boolean) => client.PATCH('/api/v1/images/{id}', { params, body: { shared } }), ['images']);
  const prefetch = useAct(() => body(client.POST('/api/v1/images/{id}/prefetch', { params, body: {} })), ['images'], ({ nodes }) => {
    const failed = nodes.flatMap(({ name, problem }) => (problem ? [t('images.prefetch.failed', { node: name, why: problem })] : []));
    onSaid([t('images.prefetched', { count: nodes.length - failed.length }), ...failed].join(' '));
  });
  const choose = (act: Act) => {
    onError(null);
    if (act === 'use' || act === 'rename' || act === 'remove') setDoing(act);
    else if (act === 'export') location.assign(`/api/v1/images/${encodeURIComponent(id)}/export`);
    else if (act === 'prefetch') prefetch.mutate(undefined, { onError });
    else share.mutate(act === 'share', { onError });
  };
  const isMine = me?.id === owner;
  const choices: Choice<Act>[] = [{ id: 'use', label: t('folder.use'), icon: 'play' }];
  if (isMine) choices.push({ id: 'rename', label: t('images.rename'), icon: 'pencil' }, project ? { id: 'unshare', label: t('images.unshare') } : { id: 'share', label: t('images.share') });
  choices.push({ id: 'export', label: t('images.export'), icon: 'download' });
  if (me && isSystemAdministrator(me.role)) choices.push({ id: 'prefetch', label: t('images.prefetch'), icon: 'upload' });
  if (isMine || (me && isAdministrator(me.role))) choices.push({ id: 'remove', label: t('admin.remove'), icon: 'trash', danger: true });
  const label = t('admin.more', { name: image.name });
  return (
    <>
      <Menu label={label} trigger={<IconButton icon="more" label={label} />} choices={choices} onChoose={choose} />
      {doing === 'use' && <BeginDialog text={t('images.use.text', { name: image.name })} image={id} languages={image.languages} onClose={() => { setDoing(null); }} />}
      {doing === 'rename' && <RenameDialog image={image} onClose={() => { setDoing(null); }} />}
      {doing === 'remove' && <RemoveDialog image={image} onClose={() => { setDoing(null); }} />}
    </>
  );
}

function RenameDialog({ image, onClose }: { image: Made; onClose: () => void }) {
  const t = useText();
  const rename = useAct((name: string) => client.PATCH('/api/v1/images/{id}', { params: { path: { id: image.committed.id } }, body: { name } }), ['images'], onClose);
  return (
    <FormDialog title={t('images.rename.title', { name: image.name })} submit={t('files.rename')} act={rename} onSubmit={(given) => { rename.mutate(typed(given, 'name') ?? ''); }} onClose={onClose}>
      <TextField label={t('images.name')} name="name" hint={t('tokens.name.hint')} defaultValue={image.name} isRequired autoComplete="off" />
    </FormDialog>
  );
}

function RemoveDialog({ image, onClose }: { image: Made; onClose: () => void }) {
  const t = useText();
  const { id, sessions } = image.committed;
  const remove = useAct(() => client.DELETE('/api/v1/images/{id}', { params: { path: { id } } }), ['images'], onClose);
  return (
    <FormDialog title={t('images.remove.title', { name: image.name })} submit={t('images.remove.submit')} look="danger" act={remove} onSubmit={() => { remove.mutate(); }} onClose={onClose}>
      <p>{t('images.remove.text')}</p>
      {sessions > 0 && <p>{t('images.remove.uses', { count: sessions })} <Link to="/sessions" search={{ image: `commit/${id}` }}>{t('images.remove.see')}</Link></p>}
    </FormDialog>
  );
}
