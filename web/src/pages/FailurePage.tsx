import { Link, useRouter, type ErrorComponentProps } from '@tanstack/react-router';
import { errorOf } from '../api/problem';
import { ProblemText } from '../components/ProblemText';
import { useText } from '../i18n/text';
import { Button } from '../ui/Button';
import { PageHeading } from '../ui/PageHeading';
import styles from './FailurePage.module.css';

export function NotFoundPage() {
  const t = useText();
  return (
    <main className={styles['page']}>
      <PageHeading>{t('app.notFound.title')}</PageHeading>
      <p>{t('app.notFound.text')}</p>
      <Link to="/">{t('app.notFound.home')}</Link>
    </main>
  );
}

export function FailurePage({ error, reset }: ErrorComponentProps) {
  const t = useText();
  const router = useRouter();
  const again = async () => {
    await router.invalidate();
    reset();
  };
  return (
    <main className={styles['page']}>
      <PageHeading>{t('app.failed.title')}</PageHeading>
      <p>
        <ProblemText error={errorOf(error)} />
      </p>
      <div>
        <Button look="primary" onPress={() => void again()}>
          {t('app.retry')}
        </Button>
      </div>
    </main>
  );
}
