import { useState } from 'react';
import type { Schema } from '../../api/client';
import { SESSION_ORDERS, SESSION_STATES, type SessionSearch } from '../../api/session-list';
import type { Person } from '../../hooks/use-people';
import { useText } from '../../i18n/console';
import { Button } from '../../ui/Button';
import { SelectField } from '../../ui/SelectField';
import { TextField } from '../../ui/TextField';
import styles from './console.module.css';

type Props = {
  search: SessionSearch;
  onChange: (search: SessionSearch) => void;
  people: readonly Person[];
  languages: readonly Schema['LanguageView'][];
  images: readonly Schema['ImageView'][];
  projects: readonly Schema['ProjectView'][];
};

/** Which sessions to show. All of it stands in the address, so that a list can be passed on. */
export function SessionFilters({ search, onChange, people, languages, images, projects }: Props) {
  const t = useText();
  const [name, setName] = useState(search.name ?? '');
  const any = { value: '', label: t('sessions.any') };
  const change = (part: Partial<SessionSearch>) => { onChange({ ...search, ...part }); };
  const states = [{ value: '', label: t('sessions.live') }, { value: 'all', label: t('sessions.all') }, ...SESSION_STATES.map((state) => ({ value: state, label: t(`session.state.${state}`) }))];
  const isFiltered = Object.values(search).some((value) => value !== undefined);
  return (
    <div className={styles['bar']} role="search">
      <TextField label={t('sessions.nameBegins')} value={name} onChange={(name) => { setName(name); change({ name: name || undefined }); }} />
      <SelectField label={t('home.col.state')} value={search.show ?? ''} options={states} onChange={(value) => { change({ show: ['all', ...SESSION_STATES].find((state) => state === value) as SessionSearch['show'] }); }} />
      {people.length > 1 && <SelectField label={t('sessions.owner')} value={search.owner ?? ''} options={[any, ...people.map(({ id, name }) => ({ value: id, label: name }))]} onChange={(owner) => { change({ owner: owner || undefined }); }} />}
      <SelectField label={t('home.col.language')} value={search.language ?? ''} options={[any, ...languages.map(({ id, name }) => ({ value: id, label: name }))]} onChange={(language) => { change({ language: language || undefined }); }} />
      {projects.length > 1 && <SelectField label={t('people.project')} value={search.project ?? ''} options={[any, ...projects.map(({ id, name }) => ({ value: id, label: name }))]} onChange={(project) => { change({ project: project || undefined }); }} />}
      {images.length > 1 && <SelectField label={t('sessions.image')} value={search.image ?? ''} options={[any, ...images.map(({ name, committed }) => ({ value: committed ? `commit/${committed.id}` : name, label: name }))]} onChange={(image) => { change({ image: image || undefined }); }} />}
      <SelectField label={t('sessions.order')} value={search.order ?? 'desc'} options={SESSION_ORDERS.map((value) => ({ value, label: t(`sessions.order.${value}`) }))} onChange={(value) => { const order = SESSION_ORDERS.find((order) => order === value); change({ order: order === 'desc' ? undefined : order }); }} />
      {isFiltered && <Button onPress={() => { setName(''); onChange({}); }}>{t('sessions.noFilter')}</Button>}
    </div>
  );
}
