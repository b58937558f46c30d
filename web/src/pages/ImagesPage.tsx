import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { projectsQuery } from '../api/admin-queries';
import type { Schema } from '../api/client';
import { imagesQuery, languagesQuery, signinQuery } from '../api/queries';
import { Ago } from '../components/Ago';
import styles from '../components/console/console.module.css';
import { ImageMenu, type Made } from '../components/images/ImageMenu';
import { ProblemNotice } from '../components/ProblemNotice';
import { usePeople } from '../hooks/use-people';
import { useText } from '../i18n/console';
import { bytes } from '../ui/format';
import { Notice } from '../ui/Notice';
import { Table } from '../ui/Table';
import { PageHeading } from '../ui/PageHeading';

type Image = Schema['ImageView'];

const isMade = (image: Image): image is Made => Boolean(image.committed);

/** Images that sandboxes can be made from. */
export function ImagesPage() {
  const t = useText();
  const intl = useIntl();
  const images = useQuery(imagesQuery);
  const made = images.data?.filter(isMade) ?? [];
  const machines = images.data?.filter((image) => !isMade(image)) ?? [];
  return (
    <div className={styles['page']}>
      <PageHeading>{t('nav.images')}</PageHeading>
      <p className={styles['lead']}>{t('images.lead')}</p>
      <ProblemNotice error={images.error} />
      {images.isPending && <p className={styles['fine']}>{t('app.loading')}</p>}
      <h2>{t('images.made')}</h2>
      {images.data && made.length === 0 && <p className={styles['empty']}>{t('images.none.own')}</p>}
      {made.length > 0 && <MadeImages images={made} />}
      <h2>{t('images.machine')}</h2>
      <p className={styles['fine']}>{t('images.machine.text')}</p>
      {machines.length > 0 && (
        <Table<Image>
          label={t('images.machine')}
          rows={machines}
          rowKey={({ name }) => name}
          columns={[
            { id: 'name', title: t('images.name'), cell: ({ name }) => name },
            { id: 'languages', title: t('images.languages'), cell: ({ languages }) => <Languages ids={languages} /> },
            { id: 'size', title: t('images.size'), kind: 'number', cell: ({ size_bytes }) => (size_bytes > 0 ? bytes(intl, size_bytes) : '') },
            { id: 'digest', title: t('images.digest'), kind: 'wide', cell: ({ digest }) => <Digest digest={digest} /> },
            { id: 'uses', title: t('images.uses'), kind: 'wide', cell: ({ name }) => <Link to="/sessions" search={{ image: name }} aria-label={`${t('people.sessions.see')}: ${name}`}>{t('people.sessions.see')}</Link> },
          ]}
        />
      )}
    </div>
  );
}

function MadeImages({ images }: { images: readonly Made[] }) {
  const t = useText();
  const intl = useIntl();
  const { data: signin } = useQuery(signinQuery);
  const users = usePeople();
  const { data: projects = [] } = useQuery(projectsQuery);
  const [error, setError] = useState<Error | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  const ownerOf = ({ owner, project }: Schema['ImageCommitted']) => {
    const name = owner === signin?.user ? t('folders.whose.mine') : (users.find(({ id }) => id === owner)?.name ?? owner);
    return project ? `${name}, ${t('images.shared', { project: projects.find(({ id }) => id === project)?.name ?? project })}` : name;
  };
  return (
    <>
      <ProblemNotice error={error} />
      {said && <Notice>{said}</Notice>}
      <Table<Made>
        label={t('images.made')}
        rows={images}
        rowKey={({ committed }) => committed.id}
        columns={[
          { id: 'name', title: t('images.name'), cell: ({ name }) => name },
          { id: 'owner', title: t('images.owner'), cell: ({ committed }) => ownerOf(committed) },
          { id: 'base', title: t('images.base'), kind: 'widest', cell: ({ committed }) => committed.base },
          { id: 'size', title: t('images.size'), kind: 'number', cell: ({ size_bytes }) => bytes(intl, size_bytes) },
          { id: 'digest', title: t('images.digest'), kind: 'widest', cell: ({ digest }) => <Digest digest={digest} /> },
          { id: 'created', title: t('images.created'), kind: 'wide', cell: ({ committed }) => <Ago time={committed.created_at} /> },
          { id: 'nodes', title: t('images.nodes'), kind: 'wide-number', cell: ({ committed }) => committed.nodes ?? '' },
          { id: 'uses', title: t('images.uses'), kind: 'wide-number', cell: ({ committed: { id, sessions } }) => <Link to="/sessions" search={{ image: `commit/${id}` }}>{intl.formatNumber(sessions)}</Link> },
          { id: 'acts', title: '', kind: 'number', cell: (image) => <ImageMenu image={image} onError={setError} onSaid={setSaid} /> },
        ]}
      />
    </>
  );
}

function Digest({ digest }: { digest: string | null | undefined }) {
  return digest ? <code title={digest}>{`${digest.slice(0, 19)}…`}</code> : '';
}

function Languages({ ids }: { ids: readonly string[] }) {
  const { data: languages = [] } = useQuery(languagesQuery);
  return ids.map((id) => languages.find((language) => language.id === id)?.name ?? id).join(', ');
}
