import type { Schema } from '../api/client';
import { useNewWorkspace } from '../hooks/use-new-workspace';
import { useText } from '../i18n/text';
import { Dialog } from '../ui/Dialog';
import { Notice } from '../ui/Notice';
import { LanguageCards } from './LanguageCards';
import { ProblemNotice } from './ProblemNotice';

type Props = { languages: readonly Schema['LanguageView'][]; isOpen: boolean; onClose: () => void };

export function NewWorkspaceDialog({ languages, isOpen, onClose }: Props) {
  const t = useText();
  const make = useNewWorkspace();
  return (
    <Dialog title={t('home.new')} isOpen={isOpen} onClose={onClose} wide>
      {languages.length === 0 && <Notice tone="warm">{t('home.languages.none')}</Notice>}
      <ProblemNotice error={make.error} />
      {make.isPending && <Notice>{t('home.starting')}</Notice>}
      <LanguageCards languages={languages} isDisabled={make.isPending} onChoose={(language) => { make.mutate({ language }); }} />
    </Dialog>
  );
}
