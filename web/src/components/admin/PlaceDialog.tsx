import { useQuery } from '@tanstack/react-query';
import { organizationsQuery, policiesQuery } from '../../api/admin-queries';
import { client, type Schema } from '../../api/client';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { SelectField } from '../../ui/SelectField';
import { TextField } from '../../ui/TextField';
import { FormDialog, typed } from '../console/FormDialog';

/** A project or an organization; without a record one that is to be made. */
export type Place = { kind: 'project' | 'organization'; record?: Schema['OrganizationView'] };

const CHANGES = ['projects', 'organizations'];

export function PlaceDialog({ place: { kind, record }, onClose }: { place: Place; onClose: () => void }) {
  const t = useText();
  const { data: policies } = useQuery(policiesQuery);
  const { data: organizations = [] } = useQuery(organizationsQuery);
  const save = useAct((given: { name: string; policy?: string; organization?: string }) => saved({ kind, ...(record ? { record } : {}) }, given), CHANGES, onClose);
  if (!policies) return null;
  const submit = (given: FormData) => {
    const organization = typed(given, 'organization');
    save.mutate({ name: typed(given, 'name') ?? '', policy: typed(given, 'policy') ?? '', ...(organization ? { organization } : {}) });
  };
  return (
    <FormDialog title={record?.name ?? t(kind === 'project' ? 'projects.new' : 'projects.newOrganization')} submit={t('admin.save')} act={save} onSubmit={submit} onClose={onClose}>
      <TextField label={t('people.name')} name="name" defaultValue={record?.name ?? ''} isRequired autoComplete="off" />
      {kind === 'project' && !record && organizations.length > 1 && <SelectField label={t('people.organization')} name="organization" options={organizations.map(({ id, name }) => ({ value: id, label: name }))} />}
      <SelectField label={t('people.policy')} name="policy" defaultValue={record?.policy ?? ''} options={[{ value: '', label: t('admin.none') }, ...policies.map(({ name }) => ({ value: name, label: name }))]} />
    </FormDialog>
  );
}

function saved({ kind, record }: Place, { name, policy, organization }: { name: string; policy?: string; organization?: string }): Promise<unknown> {
  if (record) {
    const change = { params: { path: { id: record.id } }, body: { policy: policy ?? '', ...(name === record.name ? {} : { name }) } };
    return kind === 'project' ? client.PATCH('/api/v1/projects/{id}', change) : client.PATCH('/api/v1/organizations/{id}', change);
  }
  const body = { name, ...(policy ? { policy } : {}) };
  return kind === 'project' ? client.POST('/api/v1/projects', { body: { ...body, ...(organization ? { organization } : {}) } }) : client.POST('/api/v1/organizations', { body });
}

export function PlaceArchiveDialog({ place: { kind, record }, onClose }: { place: Place; onClose: () => void }) {
  const t = useText();
  const params = { path: { id: record?.id ?? '' } };
  const archive = useAct((): Promise<unknown> => (kind === 'project' ? client.DELETE('/api/v1/projects/{id}', { params }) : client.DELETE('/api/v1/organizations/{id}', { params })), CHANGES, onClose);
  return (
    <FormDialog title={t('projects.archive.title', { name: record?.name ?? '' })} submit={t('admin.archive')} look="danger" act={archive} onSubmit={() => { archive.mutate(); }} onClose={onClose}>
      <p>{t(`projects.archive.${kind}`)}</p>
    </FormDialog>
  );
}
