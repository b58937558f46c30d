import { useQuery } from '@tanstack/react-query';
import { languagesQuery } from '../../api/queries';
import { useNewWorkspace } from '../../hooks/use-new-workspace';
import { useText } from '../../i18n/console';
import { Dialog } from '../../ui/Dialog';
import { Notice } from '../../ui/Notice';
import { LanguageCards } from '../LanguageCards';
import { ProblemNotice } from '../ProblemNotice';

type Props = { text: string; folder?: string; image?: string; languages?: readonly string[]; onClose: () => void };

/** A workspace that has a folder from the start, or is made of an image. */
export function BeginDialog({ text, folder, image, languages: only, onClose }: Props) {
  const t = useText();
  const { data: languages = [] } = useQuery(languagesQuery);
  const make = useNewWorkspace();
  const usable = languages.filter(({ id, available }) => available && (only?.includes(id) ?? true));
  return (
    <Dialog title={t('folder.use')} isOpen onClose={onClose} wide>
      <p>{text}</p>
      <ProblemNotice error={make.error} />
      {make.isPending && <Notice>{t('home.starting')}</Notice>}
      <LanguageCards languages={usable} isDisabled={make.isPending} onChoose={(language) => { make.mutate({ language, ...(folder ? { folder } : {}), ...(image ? { image } : {}) }); }} />
    </Dialog>
  );
}
