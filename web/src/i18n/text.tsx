import { createIntl, createIntlCache, RawIntlProvider, useIntl, type IntlShape } from 'react-intl';
import { useMemo, type ReactNode } from 'react';
import { I18nProvider } from 'react-aria-components';
import { en } from './en';
import { ko } from './ko';
import type { Locale } from '../stores/kept-settings';
import { useSettings } from '../stores/settings';

export type MessageId = keyof typeof en;
export type Catalogue = Readonly<Record<MessageId, string>>;

/** Parts of the web that are loaded later add to these what only they say. */
export const CATALOGUES: Readonly<Record<Locale, Catalogue>> = { en: { ...en }, ko: { ...ko } };

export type Values = Record<string, string | number | Date>;

function intlFor(locale: Locale): IntlShape {
  return createIntl({ locale, messages: CATALOGUES[locale], onError: (error) => { throw error; } }, createIntlCache());
}

export function TextProvider({ children }: { children: ReactNode }) {
  const { locale } = useSettings();
  const intl = useMemo(() => intlFor(locale), [locale]);
  return (
    <RawIntlProvider value={intl}>
      <I18nProvider locale={locale}>{children}</I18nProvider>
    </RawIntlProvider>
  );
}

/** The text of a message in the chosen language. */
export function useText(): (id: MessageId, values?: Values) => string {
  const intl = useIntl();
  return (id, values) => intl.formatMessage({ id }, values);
}
