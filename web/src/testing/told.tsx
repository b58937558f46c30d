import { act, render } from '@testing-library/react';
import type { ReactNode } from 'react';
import { TextProvider } from '../i18n/text';
import { change } from '../stores/settings';

/** What a page in a language says, and which parts of it are marked as English. */
export function told(what: ReactNode, locale: 'en' | 'ko'): { text: string | null; english: (string | null)[] } {
  act(() => { change({ locale }); });
  const { container, unmount } = render(<TextProvider>{what}</TextProvider>);
  const said = { text: container.textContent, english: [...container.querySelectorAll('[lang=en]')].map(({ textContent }) => textContent) };
  unmount();
  return said;
}
