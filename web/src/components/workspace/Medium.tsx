import { useMemo } from 'react';
import { useObjectUrl } from '../../hooks/use-object-url';
import { useText } from '../../i18n/text';
import { nonce } from '../../nonce';
import { frameHtml } from '../../workspace/frame-html';
import styles from './OutputPane.module.css';

const PICTURES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/svg+xml']);

/** Rich output. A picture is drawn as one, which runs no script; HTML stands in a frame that may do nothing. */
export function Medium({ mime, bytes, alt, onDrawn }: { mime: string; bytes: Uint8Array<ArrayBuffer>; alt?: string; onDrawn?: (picture: HTMLElement) => void }) {
  const t = useText();
  const isPicture = PICTURES.has(mime);
  const blob = useMemo(() => (isPicture ? new Blob([bytes], { type: mime }) : null), [bytes, mime, isPicture]);
  const url = useObjectUrl(blob);
  if (isPicture) return url ? <img className={styles['picture']} src={url} alt={alt ?? t('output.picture')} onLoad={(event) => { onDrawn?.(event.currentTarget); }} /> : null;
  const text = new TextDecoder().decode(bytes);
  if (mime === 'text/html') return <iframe className={styles['frame']} sandbox="" srcDoc={frameHtml(text, nonce)} title={t('output.html')} />;
  if (mime.startsWith('text/') || mime === 'application/json') return <pre className={styles['text']}>{text}</pre>;
  return <p className={styles['note']}>{t('output.unknown', { mime, bytes: bytes.length })}</p>;
}
