import { useIntl } from 'react-intl';
import { shown } from '../workspace/names';
import { WithEnglish } from './WithEnglish';

type Props = { /** What became of it, a whole sentence; none where the page has no words for it. */ own: string | null; /** As the server says it. */ why: string | null | undefined };

/** What became of something in the page's words, then why. The server says that in English, which readers are told elsewhere. */
export function WhyText({ own, why }: Props) {
  const { locale } = useIntl();
  const english = shown(why ?? '');
  if (locale === 'en') return joinedWhy(own, english);
  return <WithEnglish own={own ?? ''} english={english} />;
}

/** Both in English: `It was ended: asked for by a client`. */
export function joinedWhy(own: string | null, why: string): string {
  if (own === null || why === '') return own ?? why;
  return `${own.replace(/\.$/, '')}: ${why}`;
}
