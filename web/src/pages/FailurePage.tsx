import { useQueryClient } from '@tanstack/react-query';
import { Link, useRouter, type ErrorComponentProps } from '@tanstack/react-router';
import { useEffect } from 'react';
import { errorOf } from '../api/problem';
import { Doorway } from '../components/Doorway';
import { ProblemText } from '../components/ProblemText';
import { useText } from '../i18n/text';
import { Button } from '../ui/Button';
import { PageHeading } from '../ui/PageHeading';
import styles from './FailurePage.module.css';

export function NotFoundPage() {
  const t = useText();
  return (
    <div className={styles['page']}>
      <PageHeading>{t('app.notFound.title')}</PageHeading>
      <p>{t('app.notFound.text')}</p>
      <Link to="/">{t('app.notFound.home')}</Link>
    </div>
  );
}

/** In the place of a page that failed: what stands around it is still there. */
export function FailurePage({ error, reset }: ErrorComponentProps) {
  const t = useText();
  const queries = useQueryClient();
  // What it stumbled over is asked for anew.
  useEffect(() => { queries.removeQueries({ type: 'inactive' }); }, [queries]);
  return (
    <div className={styles['page']}>
      <PageHeading>{t('app.failed.title')}</PageHeading>
      <p>
        <ProblemText error={errorOf(error)} />
      </p>
      <Again reset={reset} />
      <Link to="/">{t('app.notFound.home')}</Link>
    </div>
  );
}

/** Where it is not even known who asks. */
export function FailureDoorway({ error, reset }: ErrorComponentProps) {
  const t = useText();
  return (
    <Doorway title={t('app.failed.title')} lead={<ProblemText error={errorOf(error)} />}>
      <Again reset={reset} />
    </Doorway>
  );
}

function Again({ reset }: Pick<ErrorComponentProps, 'reset'>) {
  const t = useText();
  const router = useRouter();
  const again = async () => {
    await router.invalidate();
    reset();
  };
  return (
    <div>
      <Button look="primary" onPress={() => void again()}>
        {t('app.retry')}
      </Button>
    </div>
  );
}
