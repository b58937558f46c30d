export const THEMES = ['system', 'light', 'dark'] as const;
type Theme = (typeof THEMES)[number];
const LOCALES = ['en', 'ko'] as const;
export type Locale = (typeof LOCALES)[number];

export type Settings = { readonly theme: Theme; readonly locale: Locale };

const KEY = 'madang.settings';

export function readSettings(): Settings {
  const kept = parsed(localStorage.getItem(KEY));
  const theme = THEMES.find((theme) => theme === kept['theme']) ?? 'system';
  const locale = LOCALES.find((locale) => locale === kept['locale']) ?? spoken();
  return { theme, locale };
}

export function keepSettings(settings: Settings): void {
  localStorage.setItem(KEY, JSON.stringify(settings));
}

/** Puts the settings where the style sheet looks for them. */
export function showSettings({ theme, locale }: Settings): void {
  const root = document.documentElement;
  root.lang = locale;
  if (theme === 'system') delete root.dataset['theme'];
  else root.dataset['theme'] = theme;
}

function parsed(text: string | null): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function spoken(): Locale {
  const wanted = navigator.languages.map((tag) => tag.split('-')[0]);
  return wanted.map((tag) => LOCALES.find((locale) => locale === tag)).find((locale) => locale !== undefined) ?? 'en';
}
