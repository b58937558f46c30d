import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { frameAddress, openApp, tabAddress, type App, type AppAsked } from '../../api/apps';
import { useText } from '../../i18n/text';
import { Button, IconButton } from '../../ui/Button';
import { Notice } from '../../ui/Notice';
import { useWorkspace } from '../../workspace/workspace';
import { ProblemNotice } from '../ProblemNotice';
import { PreviewList } from './PreviewList';
import styles from './PreviewPane.module.css';

export type Wanted = AppAsked & { title: string };

/**
 * What the page of a guest may do in its frame. It has an origin, which is never ours; it cannot lead this page away, ask or answer for it, or
 * bring files in its name.
 */
const MAY = 'allow-scripts allow-same-origin allow-forms allow-popups';

/** Apps and ports of the workspace: which there are, and one of them in a frame. */
export function PreviewPane({ isShown }: { isShown: boolean }) {
  const t = useText();
  const opening = useOpening();
  const { opened } = opening;
  if (opened) return <Framed key={opened.app.id} app={opened.app} title={opened.title} onClose={opening.close} />;
  return (
    <div className={styles['pane']}>
      {opening.error && <ProblemNotice error={opening.error} />}
      {opening.note && <Notice tone="warm">{t(opening.note)}</Notice>}
      {opening.pending !== null && <Notice>{t('preview.starting', { title: opening.pending })}</Notice>}
      <PreviewList isShown={isShown} isBusy={opening.pending !== null} onOpen={opening.here} onTab={opening.tab} />
    </div>
  );
}

type Note = 'preview.noAddress' | 'preview.noFrame' | 'preview.blocked';

function useOpening() {
  const { session } = useWorkspace();
  const queries = useQueryClient();
  const [opened, setOpened] = useState<{ app: App; title: string } | null>(null);
  const [note, setNote] = useState<Note | null>(null);
  const act = useMutation({
    mutationFn: (wanted: Wanted) => openApp(session.id, wanted.port === undefined ? { name: wanted.name } : { name: wanted.name, port: wanted.port }),
    onMutate: () => { setNote(null); },
    onSettled: () => queries.invalidateQueries({ queryKey: ['apps', session.id] }),
  });
  const here = (wanted: Wanted) => {
    act.mutate(wanted, {
      onSuccess: (app) => {
        if (frameAddress(app) !== null) setOpened({ app, title: wanted.title });
        else setNote(tabAddress(app) === null ? 'preview.noAddress' : 'preview.noFrame');
      },
    });
  };
  const tab = (wanted: Wanted) => {
    // Before anything is waited for: browsers open tabs only for whoever has just pressed something.
    const tab = window.open('about:blank', '_blank');
    if (!tab) {
      setNote('preview.blocked');
      return;
    }
    tab.opener = null;
    act.mutate(wanted, {
      onSuccess: (app) => {
        const address = tabAddress(app);
        if (address === null) setNote('preview.noAddress');
        if (address === null) tab.close();
        else tab.location.replace(address);
      },
      onError: () => { tab.close(); },
    });
  };
  return { opened, note, error: act.error, pending: act.isPending ? act.variables.title : null, here, tab, close: () => { setOpened(null); } };
}

function Framed({ app, title, onClose }: { app: App; title: string; onClose: () => void }) {
  const t = useText();
  const [loads, setLoads] = useState(0);
  const address = frameAddress(app);
  if (address === null) return null;
  return (
    <div className={styles['framed']}>
      <header className={styles['bar']}>
        <span className={styles['title']} title={t('preview.stranger')}>{title}</span>
        <IconButton icon="refresh" label={t('preview.reload')} onPress={() => { setLoads(loads + 1); }} />
        <a className={styles['tab']} href={address} target="_blank" rel="noopener noreferrer">{t('preview.tab')}</a>
        <IconButton icon="close" label={t('preview.close')} onPress={onClose} />
      </header>
      <iframe key={loads} className={styles['frame']} src={address} sandbox={MAY} referrerPolicy="no-referrer" title={t('preview.frame', { title })} />
      <p className={styles['foot']}>{t('preview.stranger')}</p>
    </div>
  );
}

export function OpenButtons({ wanted, isBusy, onOpen, onTab }: { wanted: Wanted; isBusy: boolean; onOpen: (wanted: Wanted) => void; onTab: (wanted: Wanted) => void }) {
  const t = useText();
  const { title } = wanted;
  return (
    <span className={styles['acts']}>
      <Button small isDisabled={isBusy} aria-label={t('preview.open.of', { title })} onPress={() => { onOpen(wanted); }}>{t('preview.open')}</Button>
      <IconButton icon="external" isDisabled={isBusy} label={t('preview.tab.of', { title })} onPress={() => { onTab(wanted); }} />
    </span>
  );
}
