import { useQuery } from '@tanstack/react-query';
import type { Folder } from '../../api/folders';
import { languagesQuery } from '../../api/queries';
import { useNewWorkspace } from '../../hooks/use-new-workspace';
import { useText } from '../../i18n/console';
import { Dialog } from '../../ui/Dialog';
import { Notice } from '../../ui/Notice';
import { LanguageCards } from '../LanguageCards';
import { ProblemNotice } from '../ProblemNotice';

/** A workspace that has a folder from the start. */
export function MountDialog({ folder, onClose }: { folder: Folder; onClose: () => void }) {
  const t = useText();
  const { data: languages = [] } = useQuery(languagesQuery);
  const make = useNewWorkspace();
  return (
    <Dialog title={t('folder.use')} isOpen onClose={onClose} wide>
      <p>{t('folder.use.text', { at: `/home/work/${folder.name}` })}</p>
      <ProblemNotice error={make.error} />
      {make.isPending && <Notice>{t('home.starting')}</Notice>}
      <LanguageCards languages={languages.filter(({ available }) => available)} isDisabled={make.isPending} onChoose={(language) => { make.mutate({ language, folder: folder.id }); }} />
    </Dialog>
  );
}
