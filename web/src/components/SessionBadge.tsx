import type { Schema } from '../api/client';
import { useText } from '../i18n/text';
import { Badge, type BadgeTone } from '../ui/Badge';

const TONES: Readonly<Record<Schema['SessionState'], BadgeTone>> = {
  requested: 'busy',
  queued: 'busy',
  placed: 'busy',
  starting: 'busy',
  running: 'good',
  suspended: 'still',
  draining: 'busy',
  ended: 'still',
  refused: 'bad',
};

export function SessionBadge({ state }: { state: Schema['SessionState'] }) {
  const t = useText();
  return <Badge tone={TONES[state]}>{t(`session.state.${state}`)}</Badge>;
}
