import { useQuery } from '@tanstack/react-query';
import { sendTo } from '../api/client';
import { useText } from '../i18n/text';
import { Notice } from '../ui/Notice';
import styles from './Connection.module.css';

/** How often the server is asked whether it lives: seldom while it does, often while it does not. */
const ASK_MS = 20_000;
const ASK_AGAIN_MS = 2_000;

/** Says when the server does not answer, and until it does. */
export function Connection() {
  const t = useText();
  const { isError } = useQuery({
    queryKey: ['alive'],
    queryFn: async () => (await sendTo('/healthz')).ok,
    refetchInterval: (query) => (query.state.status === 'error' ? ASK_AGAIN_MS : ASK_MS),
    retry: false,
    networkMode: 'always',
  });
  return isError ? (
    <div className={styles['place']}>
      <Notice tone="warm">{t('app.offline')}</Notice>
    </div>
  ) : null;
}
