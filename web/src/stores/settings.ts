import { useSyncExternalStore } from 'react';

export const THEMES = ['system', 'light', 'dark'] as const;
type Theme = (typeof THEMES)[number];
const LOCALES = ['en', 'ko'] as const;
export type Locale = (typeof LOCALES)[number];

type Settings = { readonly theme: Theme; readonly locale: Locale };

const KEY = 'madang.settings';
const listeners = new Set<() => void>();
let settings = read();

function read(): Settings {
  const kept = parsed(localStorage.getItem(KEY));
  const theme = THEMES.find((theme) => theme === kept['theme']) ?? 'system';
  const locale = LOCALES.find((locale) => locale === kept['locale']) ?? spoken();
  return { theme, locale };
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

/** Puts the settings where the style sheet looks for them. */
export function show(): void {
  const root = document.documentElement;
  root.lang = settings.locale;
  if (settings.theme === 'system') delete root.dataset['theme'];
  else root.dataset['theme'] = settings.theme;
}

export function change(part: Partial<Settings>): void {
  settings = { ...settings, ...part };
  localStorage.setItem(KEY, JSON.stringify(settings));
  show();
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useSettings(): Settings {
  return useSyncExternalStore(subscribe, () => settings);
}
