import { useQuery } from '@tanstack/react-query';
import { useIntl } from 'react-intl';
import type { Schema } from '../../api/client';
import { folderQuotasQuery } from '../../api/folders';
import { useText } from '../../i18n/console';
import { bytes } from '../../ui/format';
import { Meter } from '../../ui/Meter';
import { ProblemNotice } from '../ProblemNotice';
import { Card } from '../console/Card';
import styles from '../console/console.module.css';

/** How much room folders take, of whomever they belong to. */
export function FolderQuotas() {
  const t = useText();
  const { data = [], error } = useQuery(folderQuotasQuery);
  if (!error && data.length === 0) return null;
  return (
    <Card title={t('folders.quota')}>
      <ProblemNotice error={error} />
      <div className={styles['columns']}>{data.map((quota) => <Quota key={quota.user ?? quota.project ?? quota.name} quota={quota} />)}</div>
    </Card>
  );
}

function Quota({ quota }: { quota: Schema['FolderQuotaView'] }) {
  const t = useText();
  const intl = useIntl();
  const { name, used_bytes, used_files, max_bytes, max_files, folders, policy } = quota;
  const used = typeof used_bytes === 'number' ? t('folders.quota.of', { used: bytes(intl, used_bytes), max: bytes(intl, max_bytes) }) : t('folders.quota.unknown');
  return (
    <div>
      <Meter label={t('folders.quota.bytes', { name })} value={used_bytes ?? 0} max={max_bytes} text={used} />
      <p className={styles['fine']}>{t('folders.quota.counts', { folders, files: intl.formatNumber(used_files ?? 0), max: intl.formatNumber(max_files) })}{policy && ` ${t('folders.quota.policy', { name: policy })}`}</p>
    </div>
  );
}
