import { useEffect, useState } from 'react';

/**
 * What is loaded when it is needed; none until it is here. Not `lazy` in a `Suspense`: what React has once shown in its place stays for 300 ms,
 * however soon it comes. `load` is asked once.
 */
export function useLoaded<T>(load: () => Promise<T>): T | null {
  const [loaded, setLoaded] = useState<{ it: T } | null>(null);
  const [first] = useState(() => load);
  useEffect(() => {
    let gone = false;
    const fail = (error: unknown) => {
      if (!gone) setLoaded(() => { throw error; });
    };
    first().then((it) => { if (!gone) setLoaded({ it }); }, fail);
    return () => { gone = true; };
  }, [first]);
  return loaded && loaded.it;
}
