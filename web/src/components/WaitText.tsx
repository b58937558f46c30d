import { useIntl, type IntlShape } from 'react-intl';
import type { Schema } from '../api/client';
import { en } from '../i18n/en';
import { useText, type MessageId } from '../i18n/text';
import { moment } from '../ui/format';
import { shown } from '../workspace/names';
import { sentences } from './sentences';
import { WithEnglish } from './WithEnglish';

type Queue = Schema['QueueView'];
type Text = ReturnType<typeof useText>;

type Props = { queue: Queue; /** Left out where it stands beside. */ place?: 'said' | 'left-out' };

/** Why a session waits, at which place, and when it may start. What the server says of it is English: elsewhere it comes after the page's own words. */
export function WaitText({ queue, place = 'said' }: Props) {
  const t = useText();
  const intl = useIntl();
  const english = shown(queue.waits_for);
  const [reason, standing] = [reasonOf(queue, t), standingOf(queue, place, t, intl)];
  if (intl.locale === 'en') return sentences([english === '' ? reason : english, ...standing]);
  return <WithEnglish own={sentences([reason, ...standing])} english={english} />;
}

/** The same for where no language can be marked: the server's text only where the page has no words of its own. */
export function waitTip(queue: Queue, t: Text, intl: IntlShape): string {
  const reason = intl.locale === 'en' ? null : reasonOf(queue, t);
  return sentences([reason ?? shown(queue.waits_for), ...standingOf(queue, 'said', t, intl)]);
}

/** None for a code of a later server. */
function reasonOf({ reason }: Queue, t: Text): string | null {
  const id = `wait.${reason}`;
  return id in en ? t(id as MessageId) : null;
}

function standingOf({ position, may_start_at: at }: Queue, place: 'said' | 'left-out', t: Text, intl: IntlShape): (string | null)[] {
  return [position && place === 'said' ? t('wait.position', { position }) : null, at ? t('wait.may', { at: moment(intl, at) }) : null];
}
