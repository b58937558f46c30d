import { useMemo, type ReactNode } from 'react';
import type { Schema } from '../api/client';
import { useText } from '../i18n/text';
import { shown } from '../workspace/names';
import { bytesOf, textOf } from '../workspace/blob-text';
import { plain } from '../workspace/runs';
import styles from './RunTold.module.css';
import { VerdictBadge } from './VerdictBadge';
import { Medium } from './workspace/Medium';

type Result = Pick<Schema['RunView'], 'stdout' | 'stderr' | 'media' | 'verdict' | 'detail' | 'exit_code' | 'usage' | 'build' | 'outputs' | 'truncated'>;

/** What a run was given beside what came of it. All of it is text of somebody's program, and shown as nothing else. */
export function RunTold({ given, result }: { given: Schema['RunGiven'] | null; result: Result }) {
  const t = useText();
  return (
    <div className={styles['told']}>
      <section aria-label={t('history.given')} className={styles['part']}>
        <h3>{t('history.given')}</h3>
        {given ? <Given given={given} /> : <p className={styles['fine']}>{t('history.given.none')}</p>}
      </section>
      <section aria-label={t('history.came')} className={styles['part']}>
        <h3>{t('history.came')}</h3>
        <p className={styles['ending']}>
          <VerdictBadge verdict={result.verdict} />
          {result.usage && result.verdict && <span className={styles['fine']}>{usageText(result.usage, t)}</span>}
        </p>
        {result.detail != null && <p className={styles['fine']}>{plain(result.detail)}</p>}
        {result.build && result.build.verdict !== 'ok' && <Output part={result.build} />}
        <Output part={result} />
        {result.outputs && <PerInput inputs={given?.inputs ?? []} outputs={result.outputs} />}
        {result.truncated && <p className={styles['fine']}>{t('history.truncated')}</p>}
      </section>
    </div>
  );
}

function usageText(usage: Schema['Usage'], t: ReturnType<typeof useText>): string {
  const cpu = (usage.cpu_user_us + usage.cpu_system_us) / 1_000;
  return t('run.usage', { wall: Math.round(usage.wall_us / 1_000), cpu: Math.round(cpu), memory: Math.ceil(usage.memory_peak_bytes / 1_048_576) });
}

function Given({ given }: { given: Schema['RunGiven'] }) {
  const t = useText();
  const { code, files = [], args = [], argv = [], stdin, inputs = [], cut } = given;
  return (
    <>
      {code != null && <Text label={t('history.code')}>{code}</Text>}
      {files.map(({ path, content }) => <Text key={path} label={shown(path)}>{textOf(content)}</Text>)}
      {argv.length > 0 && <Text label={t('history.command')}>{argv.join(' ')}</Text>}
      {args.length > 0 && <Text label={t('history.arguments')}>{args.join(' ')}</Text>}
      {stdin != null && <Text label={t('history.stdin')}>{textOf(stdin)}</Text>}
      {inputs.length > 0 && <p className={styles['fine']}>{t('history.inputs', { count: inputs.length })}</p>}
      {cut && <p className={styles['fine']}>{t('history.cut')}</p>}
    </>
  );
}

type Part = Pick<Schema['PartView'], 'stdout' | 'stderr' | 'media'>;

function Output({ part }: { part: Part }) {
  const t = useText();
  const [out, err] = [plain(textOf(part.stdout)), plain(textOf(part.stderr))];
  return (
    <>
      {out !== '' && <Text label={t('history.stdout')}>{out}</Text>}
      {err !== '' && <Text label={t('history.stderr')} look="error">{err}</Text>}
      {part.media?.map((medium, at) => <Rich key={at} {...medium} />)}
    </>
  );
}

/** One row for each input: what went in, what came out, how it ended. */
function PerInput({ inputs, outputs }: { inputs: readonly Schema['Blob'][]; outputs: readonly Schema['PartView'][] }) {
  const t = useText();
  return (
    <div className={styles['table']} role="region" aria-label={t('history.perInput')}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t('history.input')}</th>
            <th scope="col">{t('history.stdout')}</th>
            <th scope="col">{t('history.verdict')}</th>
          </tr>
        </thead>
        <tbody>
          {outputs.map((output, at) => {
            const input = inputs[at];
            return (
              <tr key={at}>
                <td><pre>{input === undefined ? t('history.given.none') : plain(textOf(input))}</pre></td>
                <td><pre>{plain(textOf(output.stdout))}{plain(textOf(output.stderr))}</pre></td>
                <td><VerdictBadge verdict={output.verdict} /></td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Text({ label, look, children }: { label: string; look?: 'error'; children: ReactNode }) {
  return (
    <figure className={styles['text']}>
      <figcaption>{label}</figcaption>
      {/* Scrolls, so the keyboard must reach it. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0} role="group" aria-label={label} className={look === 'error' ? styles['error'] : undefined}>{children}</pre>
    </figure>
  );
}

function Rich({ mime, data }: Schema['Media']) {
  // The same bytes are drawn once.
  const bytes = useMemo(() => bytesOf(data), [data]);
  return <Medium mime={shown(mime)} bytes={bytes} />;
}
