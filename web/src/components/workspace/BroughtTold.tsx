import { useLayoutEffect, useRef, type ReactNode } from 'react';
import type { Brought } from '../../hooks/use-bringing';
import { useText } from '../../i18n/text';
import { Button } from '../../ui/Button';
import { Notice } from '../../ui/Notice';
import { shown } from '../../workspace/names';
import { ProblemText } from '../ProblemText';
import styles from './BroughtTold.module.css';

const NAMED_MAX = 8;

type Props = { brought: Brought; onStop: () => void; onAgain: () => void; onClose: () => void; /** Has the focus when what had it goes. */ home: () => HTMLElement | null };

/** How far files on their way have come, what stopped and what failed. */
export function BroughtTold({ brought, onStop, onAgain, onClose, home }: Props) {
  const t = useText();
  const { state, sent, of, failed, unknown } = brought;
  const names = unknown.map(({ to }) => shown(to)).join(', ');
  if (state === 'going') return <Going brought={brought} onStop={onStop} home={home} />;
  return (
    <Kept home={home}>
      {state === 'stopped' && (
        <Notice tone="warm" action={failed.length === 0 && <Button small onPress={onClose}>{t('app.close')}</Button>}>
          <p>{t('bring.stopped', { sent, of })}</p>
          {unknown.length > 0 && <p>{t('bring.unknown', { count: unknown.length, names })}</p>}
        </Notice>
      )}
      {state === 'over' && sent > 0 && <p className={styles['line']} role="status">{t('bring.done', { count: sent })}</p>}
      {failed.length > 0 && (
        <Notice tone="danger" action={<><Button small onPress={onAgain}>{t('app.retry')}</Button><Button small onPress={onClose}>{t('app.close')}</Button></>}>
          <p>{t('bring.failed', { count: failed.length })}</p>
          <ul>{failed.slice(0, NAMED_MAX).map(({ job, error }) => <li key={job.to}>{shown(job.to)}: <ProblemText error={error} next="left-out" /></li>)}</ul>
          {failed.length > NAMED_MAX && <p>{t('bring.more', { count: failed.length - NAMED_MAX })}</p>}
        </Notice>
      )}
    </Kept>
  );
}

function Going({ brought: { sent, of, failed }, onStop, home }: Pick<Props, 'brought' | 'onStop' | 'home'>) {
  const t = useText();
  const text = t('bring.progress', { sent, of });
  return (
    <Kept home={home}>
      <div className={styles['line']}>
        <span className={styles['text']}>{text}</span>
        <Button small onPress={onStop}>{t('bring.stop')}</Button>
        <progress aria-label={t('files.upload')} aria-valuetext={text} value={sent + failed.length} max={Math.max(1, of)} />
      </div>
    </Kept>
  );
}

/** Whoever has the focus on something that goes away is not thrown to the top of the page. */
function Kept({ home, children }: { home: () => HTMLElement | null; children: ReactNode }) {
  const own = useRef<HTMLDivElement>(null);
  const to = useRef(home);
  to.current = home;
  useLayoutEffect(() => {
    const node = own.current;
    return () => { if (node?.contains(document.activeElement)) to.current()?.focus(); };
  }, []);
  return <div ref={own}>{children}</div>;
}
