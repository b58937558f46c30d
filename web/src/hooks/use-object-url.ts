import { useEffect, useState } from 'react';

/** An address of bytes in memory, as long as they are shown. */
export function useObjectUrl(blob: Blob | null): string | null {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    if (!blob) return undefined;
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => { URL.revokeObjectURL(made); };
  }, [blob]);
  return blob ? url : null;
}
