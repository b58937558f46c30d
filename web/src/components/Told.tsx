import { useQuery } from '@tanstack/react-query';
import { toldQuery } from '../api/queries';
import { useText } from '../i18n/text';
import { useSettings } from '../stores/settings';
import { Notice, type Tone } from '../ui/Notice';

const TONES: Readonly<Record<string, Tone>> = { notice: 'plain', warning: 'warm', critical: 'danger' };

/** What administrators tell everybody now. */
export function Told() {
  const t = useText();
  const { locale } = useSettings();
  const { data = [] } = useQuery(toldQuery);
  if (data.length === 0) return null;
  return (
    <section aria-label={t('home.announcements')}>
      {data.map(({ id, level, texts }) => <Notice key={id} tone={TONES[level] ?? 'plain'}>{texts[locale] ?? texts['en'] ?? Object.values(texts)[0] ?? ''}</Notice>)}
    </section>
  );
}
