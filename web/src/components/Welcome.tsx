import type { Schema } from '../api/client';
import { useNewWorkspace } from '../hooks/use-new-workspace';
import { useText } from '../i18n/text';
import { Button } from '../ui/Button';
import { Notice } from '../ui/Notice';
import { PageHeading } from '../ui/PageHeading';
import { LanguageCards } from './LanguageCards';
import { Logo } from './Logo';
import { ProblemNotice } from './ProblemNotice';
import styles from './Welcome.module.css';

type Language = Schema['LanguageView'];

/** The first page of somebody who has no workspace. */
export function Welcome({ languages }: { languages: readonly Language[] }) {
  const t = useText();
  const make = useNewWorkspace();
  const first = languages.find(({ id }) => id === 'python') ?? languages[0];
  const others = languages.filter((language) => language !== first);
  return (
    <section className={styles['welcome']}>
      <Logo size={56} />
      <PageHeading className={styles['title']}>{t('home.welcome.title')}</PageHeading>
      <p className={styles['text']}>{t('home.welcome.text')}</p>
      <ProblemNotice error={make.error} />
      {first ? (
        <Button look="primary" icon="play" isPending={make.isPending} onPress={() => { make.mutate({ language: first.id }); }}>
          {make.isPending ? t('home.starting') : t('home.welcome.start', { language: first.name })}
        </Button>
      ) : (
        <Notice tone="warm">{t('home.languages.none')}</Notice>
      )}
      {others.length > 0 && (
        <div className={styles['others']}>
          <p>{t('home.welcome.more')}</p>
          <LanguageCards languages={others} isDisabled={make.isPending} onChoose={(language) => { make.mutate({ language }); }} />
        </div>
      )}
    </section>
  );
}
