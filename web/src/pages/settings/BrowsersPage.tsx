import { useQuery } from '@tanstack/react-query';
import { client, type Schema } from '../../api/client';
import { browsersQuery } from '../../api/settings-queries';
import { Ago } from '../../components/Ago';
import styles from '../../components/console/console.module.css';
import { ProblemNotice } from '../../components/ProblemNotice';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { Badge } from '../../ui/Badge';
import { Button } from '../../ui/Button';
import { Table } from '../../ui/Table';
import { PageHeading } from '../../ui/PageHeading';

type Browser = Schema['BrowserView'];

/** Where somebody is signed in. */
export function BrowsersPage() {
  const t = useText();
  const { data, error } = useQuery(browsersQuery);
  const end = useAct((id: string) => client.DELETE('/api/v1/signins/{id}', { params: { path: { id } } }), ['signins']);
  const how = (method: string) => (method === 'password' || method === 'link' ? t(`browsers.how.${method}`) : method);
  return (
    <div className={styles['page']}>
      <PageHeading>{t('settings.browsers')}</PageHeading>
      <p className={styles['lead']}>{t('browsers.text')}</p>
      <ProblemNotice error={error ?? end.error} />
      {data && (
        <Table<Browser>
          label={t('settings.browsers')}
          rows={data}
          rowKey={({ id }) => id}
          columns={[
            { id: 'what', title: t('browsers.what'), cell: ({ agent }) => <span title={agent}>{agentName(agent)}</span> },
            { id: 'from', title: t('browsers.from'), kind: 'wide', cell: ({ address }) => address },
            { id: 'how', title: t('browsers.how'), kind: 'wide', cell: ({ method }) => how(method) },
            { id: 'seen', title: t('browsers.seen'), cell: ({ seen_at }) => <Ago time={seen_at} /> },
            { id: 'acts', title: '', kind: 'number', cell: ({ id, agent, current }) => (current ? <Badge tone="good">{t('browsers.this')}</Badge> : <Button small isPending={end.isPending && end.variables === id} aria-label={t('browsers.out.label', { name: agentName(agent) })} onPress={() => { end.mutate(id); }}>{t('browsers.out')}</Button>) },
          ]}
        />
      )}
    </div>
  );
}

/** What people call it, as far as browsers say; all claim to be several others, so the order matters. */
function agentName(agent: string): string {
  const browser = [['Edg/', 'Edge'], ['OPR/', 'Opera'], ['SamsungBrowser/', 'Samsung Internet'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari']].find(([mark]) => mark && agent.includes(mark))?.[1];
  const system = [['Android', 'Android'], ['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Windows', 'Windows'], ['Mac OS X', 'macOS'], ['CrOS', 'ChromeOS'], ['Linux', 'Linux']].find(([mark]) => mark && agent.includes(mark))?.[1];
  return browser ? [browser, system].filter(Boolean).join(', ') : agent.slice(0, 60) || '?';
}
