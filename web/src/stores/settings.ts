import { useSyncExternalStore } from 'react';
import { keepSettings, readSettings, showSettings, type Settings } from './kept-settings';

const listeners = new Set<() => void>();
let settings = readSettings();

export function show(): void {
  showSettings(settings);
}

export function change(part: Partial<Settings>): void {
  settings = { ...settings, ...part };
  keepSettings(settings);
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
