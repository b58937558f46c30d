import type { ReactNode } from 'react';
import { useIntl } from 'react-intl';
import { shown } from '../workspace/names';

/** What the server says of something, for who points at it: English, whatever the page is in. */
export function ServerTip({ tip, children }: { tip: string | null | undefined; children: ReactNode }) {
  const { locale } = useIntl();
  if (!tip) return children;
  return <span lang="en" title={shown(tip)}><span lang={locale}>{children}</span></span>;
}
