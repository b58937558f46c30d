import { memo, useMemo } from 'react';
import { useText } from '../../i18n/text';
import { bytesOfBase64, textOf, type Output } from '../../workspace/nbformat';
import { plain } from '../../workspace/runs';
import { Markdown } from './Markdown';
import { Medium } from './Medium';
import styles from './OutputPane.module.css';

/** Of what an output offers, what says most. */
const BEST = ['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/svg+xml', 'text/html', 'text/markdown', 'text/plain', 'application/json'];
const BINARY = /^image\/(?!svg)/;

export function CellOutputs({ outputs }: { outputs: readonly Output[] }) {
  return outputs.map((output, at) => <OutputView key={at} output={output} />);
}

/** One output, as hostile as whatever wrote the file. */
const OutputView = memo(function OutputView({ output }: { output: Output }) {
  const { output_type: kind } = output;
  if (kind === 'stream') return <Words text={textOf(output['text'])} isError={output['name'] === 'stderr'} />;
  if (kind === 'error') return <Words text={linesOfError(output)} isError />;
  return <Shown data={output['data']} />;
});

function Words({ text, isError }: { text: string; isError?: boolean }) {
  return <pre className={[styles['text'], isError ? styles['stderr'] : ''].join(' ')}>{plain(text)}</pre>;
}

function linesOfError(output: Output): string {
  const { traceback, ename, evalue } = output;
  const lines = Array.isArray(traceback) ? traceback.filter((line): line is string => typeof line === 'string') : [];
  return lines.length > 0 ? lines.join('\n') : `${textOf(ename)}: ${textOf(evalue)}`;
}

function Shown({ data }: { data: unknown }) {
  const t = useText();
  const offered = useMemo(() => new Map(typeof data === 'object' && data !== null ? Object.entries(data) : []), [data]);
  const mime = BEST.find((mime) => offered.has(mime));
  const bytes = useMemo(() => (mime === undefined ? null : bytesOf(mime, offered.get(mime))), [mime, offered]);
  if (mime === undefined || bytes === null) {
    const [first = ''] = offered.keys();
    return <p className={styles['note']}>{t('output.unknown', { mime: plain(first), bytes: textOf(offered.get(first)).length })}</p>;
  }
  if (mime === 'text/markdown') return <Markdown text={new TextDecoder().decode(bytes)} picture={(_, alt) => alt} />;
  if (mime === 'text/plain') return <Words text={new TextDecoder().decode(bytes)} />;
  return <Medium mime={mime} bytes={bytes} />;
}

function bytesOf(mime: string, content: unknown): Uint8Array<ArrayBuffer> | null {
  if (BINARY.test(mime)) return bytesOfBase64(textOf(content));
  const text = mime === 'application/json' && typeof content !== 'string' ? JSON.stringify(content, null, 2) : textOf(content);
  return new TextEncoder().encode(text);
}
