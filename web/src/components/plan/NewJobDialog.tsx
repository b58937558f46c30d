import { useQuery } from '@tanstack/react-query';
import { body, client, type Schema } from '../../api/client';
import { foldersQuery } from '../../api/folders';
import { imagesQuery, languagesQuery } from '../../api/queries';
import { sessionListKey } from '../../api/session-list';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { SelectField } from '../../ui/SelectField';
import { TextField } from '../../ui/TextField';
import { FormDialog, typed } from '../console/FormDialog';
import styles from '../console/console.module.css';

const HOUR_MS = 3_600_000;
const HOURS = [1, 6, 24] as const;
const FIRST = 'python';

/** A command, with what it needs. */
export function NewJobDialog({ onClose, onMade }: { onClose: () => void; onMade: (id: string) => void }) {
  const t = useText();
  const { data: languages = [] } = useQuery(languagesQuery);
  const { data: images = [] } = useQuery(imagesQuery);
  const { data: folders } = useQuery(foldersQuery(false));
  const make = useAct((asked: Schema['SessionCreate']) => body(client.POST('/api/v1/sessions', { body: asked })), [sessionListKey, 'sessions'], (made) => { if ('id' in made) onMade(made.id); });
  const submit = (given: FormData) => {
    const [name, language, image, folder] = ['name', 'language', 'image', 'folder'].map((field) => typed(given, field));
    const hours = HOURS.find((hours) => String(hours) === typed(given, 'hours')) ?? 1;
    make.mutate({ kind: 'batch', startup_command: typed(given, 'command') ?? '', timeout_ms: hours * HOUR_MS, ...(name ? { name } : {}), ...(language ? { language } : {}), ...(image ? { image } : {}), ...(folder ? { mounts: [{ folder }] } : {}) });
  };
  const available = languages.filter(({ available }) => available);
  const usable = folders?.items.filter(({ may, state }) => may && state === 'ready') ?? [];
  return (
    <FormDialog wide title={t('jobs.new')} submit={t('jobs.submit')} act={make} onSubmit={submit} onClose={onClose}>
      <TextField label={t('jobs.command')} name="command" hint={t('jobs.command.hint')} input={{ placeholder: 'python3 train.py' }} isRequired autoComplete="off" spellCheck="false" />
      <div className={styles['pair']}>
        {available.length > 0 && <SelectField key={available.length} label={t('home.col.language')} name="language" defaultValue={available.some(({ id }) => id === FIRST) ? FIRST : (available[0]?.id ?? '')} options={available.map(({ id, name }) => ({ value: id, label: name }))} />}
        {images.length > 1 && <SelectField label={t('sessions.image')} name="image" options={[{ value: '', label: 'host' }, ...images.filter(({ name }) => name !== 'host').map(({ name }) => ({ value: name, label: name }))]} />}
        <SelectField label={t('jobs.folder')} name="folder" hint={t('jobs.folder.hint')} options={[{ value: '', label: t('jobs.folder.none') }, ...usable.map(({ id, name }) => ({ value: id, label: name }))]} />
        <SelectField label={t('jobs.limit')} name="hours" options={HOURS.map((hours) => ({ value: String(hours), label: t('jobs.hours', { hours }) }))} />
      </div>
      <TextField label={t('jobs.name')} name="name" autoComplete="off" />
    </FormDialog>
  );
}
