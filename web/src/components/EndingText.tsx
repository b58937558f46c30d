import type { IntlShape } from 'react-intl';
import type { Schema } from '../api/client';
import { en } from '../i18n/en';
import { useText, type MessageId } from '../i18n/text';
import { shown } from '../workspace/names';
import { joinedWhy, WhyText } from './WhyText';

type Ended = Pick<Schema['SessionView'], 'state' | 'outcome' | 'why'>;
type Text = ReturnType<typeof useText>;

/** How a session ended, or that it is ending, and why. */
export function EndingText({ session }: { session: Ended }) {
  const t = useText();
  return <WhyText own={endingOf(session, t)} why={session.why} />;
}

/** The same for where no language can be marked: the server's text only where the page has no words of its own. */
export function endingTip(session: Ended, t: Text, { locale }: IntlShape): string {
  const [own, why] = [endingOf(session, t), shown(session.why ?? '')];
  return locale === 'en' ? joinedWhy(own, why) : (own ?? why);
}

/** None for what lives, and for an outcome of a later server. */
function endingOf({ state, outcome }: Ended, t: Text): string | null {
  const id = `ending.${outcome ?? state}`;
  return id in en ? t(id as MessageId) : null;
}
