import { useQuery } from '@tanstack/react-query';
import { useEffect, useState, type FormEvent, type ReactNode } from 'react';
import { appOffersQuery, appsQuery, portsQuery } from '../../api/apps';
import type { Schema } from '../../api/client';
import { useText } from '../../i18n/text';
import { Badge } from '../../ui/Badge';
import { Button } from '../../ui/Button';
import { TextField } from '../../ui/TextField';
import { useWorkspace } from '../../workspace/workspace';
import { ProblemNotice } from '../ProblemNotice';
import { OpenButtons, type Wanted } from './PreviewPane';
import styles from './PreviewPane.module.css';

const REFRESH_MS = 4_000;
/** Looking is a command in the session, which keeps it from being idle: what is not looked at again is not looked for for ever. */
const LOOKS_MAX = 15;
/** The app without a program: whatever listens. */
const PORT = 'port';

type Acts = { isBusy: boolean; onOpen: (wanted: Wanted) => void; onTab: (wanted: Wanted) => void };

/** What can be opened: ports that programs listen on, apps, and any other port. */
export function PreviewList({ isShown, ...acts }: Acts & { isShown: boolean }) {
  const t = useText();
  const { session } = useWorkspace();
  const [looks, setLooks] = useState(0);
  const isResting = looks >= LOOKS_MAX;
  // Looking costs the session a little, so it is done while somebody looks here.
  const watch = { enabled: isShown, refetchInterval: REFRESH_MS };
  const apps = useQuery({ ...appsQuery(session.id), ...watch });
  const ports = useQuery({ ...portsQuery(session.id), ...watch, refetchInterval: isResting ? false : REFRESH_MS, retry: false });
  const looked = ports.dataUpdatedAt;
  useEffect(() => {
    if (isShown && looked > 0) setLooks((looks) => looks + 1);
  }, [isShown, looked]);
  const offers = useQuery({ ...appOffersQuery, enabled: isShown });
  const running = (apps.data ?? []).filter(({ state, protocol }) => state === 'running' && protocol === 'http');
  const others = running.filter(({ name }) => name !== PORT);
  const known = new Set(others.map(({ port }) => port));
  const listed = [...new Set([...(ports.data ?? []), ...running.filter(({ name }) => name === PORT).map(({ port }) => port)])].filter((port) => !known.has(port));
  return (
    <>
      <p className={styles['lead']}>{t('preview.lead')}</p>
      <Part title={t('preview.ports')}>
        <ProblemNotice error={ports.error} tone="warm" />
        {ports.data && listed.length === 0 && <p className={styles['hint']}>{t('preview.ports.none')}</p>}
        <ul>
          {listed.sort((a, b) => a - b).map((port) => (
            <Row key={port} wanted={{ name: PORT, port, title: t('preview.port', { port: String(port) }) }} {...acts} />
          ))}
        </ul>
        {isResting && <Button small icon="refresh" isPending={ports.isFetching} onPress={() => { setLooks(0); void ports.refetch(); }}>{t('files.refresh')}</Button>}
        <OtherPort {...acts} />
      </Part>
      {offers.data && <Offers offers={offers.data.filter(({ name }) => name !== PORT)} running={new Set(others.map(({ name }) => name))} {...acts} />}
    </>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className={styles['part']} aria-label={title}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Row({ wanted, mark, ...acts }: Acts & { wanted: Wanted; mark?: string }) {
  return (
    <li className={styles['row']}>
      <span className={styles['name']}>{wanted.title}</span>
      {mark !== undefined && <Badge tone="good">{mark}</Badge>}
      <OpenButtons wanted={wanted} {...acts} />
    </li>
  );
}

function Offers({ offers, running, ...acts }: Acts & { offers: readonly Schema['AppOffer'][]; running: ReadonlySet<string> }) {
  const t = useText();
  const missing = offers.filter(({ available }) => !available);
  return (
    <Part title={t('preview.apps')}>
      <ul>
        {offers.filter(({ available, protocol }) => available && protocol === 'http').map(({ name, title }) => (
          <Row key={name} wanted={{ name, title }} {...acts} {...(running.has(name) ? { mark: t('preview.apps.running') } : {})} />
        ))}
      </ul>
      {missing.length > 0 && (
        <details className={styles['missing']}>
          <summary>{t('preview.apps.missing')}</summary>
          <ul>
            {missing.map(({ name, title, unavailable }) => <li key={name}><strong>{title}</strong> <span lang="en">{unavailable}</span></li>)}
          </ul>
        </details>
      )}
    </Part>
  );
}

function OtherPort({ isBusy, onOpen }: Acts) {
  const t = useText();
  const [text, setText] = useState('');
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  const isPort = port > 0 && port < 65_536;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isPort) onOpen({ name: PORT, port, title: t('preview.port', { port: text }) });
  };
  return (
    <form className={styles['other']} onSubmit={submit}>
      <TextField label={t('preview.otherPort')} value={text} onChange={setText} inputMode="numeric" input={{ placeholder: '8000' }} />
      <Button type="submit" isDisabled={!isPort || isBusy}>{t('preview.otherPort.open')}</Button>
    </form>
  );
}
