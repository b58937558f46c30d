import { useEffect } from 'react';

const NAME = 'Madang';

/** The heading of a page, which is also what the browser calls the page: in its tabs, its history, and to readers that arrive there. */
export function PageHeading({ children, className }: { children: string; className?: string | undefined }) {
  useEffect(() => {
    document.title = `${children} · ${NAME}`;
    return () => { document.title = NAME; };
  }, [children]);
  return <h1 className={className}>{children}</h1>;
}
