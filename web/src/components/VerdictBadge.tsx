import type { Schema } from '../api/client';
import { useText } from '../i18n/text';
import { Badge } from '../ui/Badge';

/** How something ended, or that it has not yet. */
export function VerdictBadge({ verdict }: { verdict: Schema['Verdict'] | null | undefined }) {
  const t = useText();
  if (!verdict) return <Badge tone="busy">{t('run.running')}</Badge>;
  return <Badge tone={verdict === 'ok' ? 'good' : verdict === 'cancelled' ? 'still' : 'bad'}>{t(`verdict.${verdict}`)}</Badge>;
}
