import { useCallback, useEffect, useRef, useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { listFiles, readText, writeOver, type Tag } from '../../api/files';
import { errorOf } from '../../api/problem';
import { parseDiagram, usualDiagram, writeDiagram, type Diagram } from '../../board/diagram';
import { DIAGRAM } from '../../board/sketch';
import { useTabs, useWorkspace } from '../../workspace/workspace';

type Read = { kind: 'loading' } | { kind: 'broken'; error: Error } | { kind: 'read'; diagram: Diagram; tag: Tag };
export type Trouble = { id: 'board.diagram.changed' } | { id: 'board.diagram.failed'; error: Error };

/** What stands around the board, as `diagram.json` says, and how it is changed. A file that cannot be read is never written. */
export function useDiagram() {
  const { session, tabs } = useWorkspace();
  const queries = useQueryClient();
  const open = useTabs().tabs.find(({ path }) => path === DIAGRAM);
  const [read, setRead] = useState<Read>({ kind: 'loading' });
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  // One after another: each is written over what the former has left.
  const last = useRef(Promise.resolve());
  const look = useCallback(async () => {
    setRead(await readDiagram(session.id));
  }, [session.id]);
  const saved = open?.state.kind === 'saved' || open === undefined;
  useEffect(() => {
    // What somebody writes in the editor is seen once it is saved.
    if (saved) last.current = last.current.then(look).catch((error: unknown) => { setRead({ kind: 'broken', error: errorOf(error) }); });
  }, [saved, look]);
  const change = (how: (diagram: Diagram) => Diagram) => {
    const act = async () => {
      const now = await readDiagram(session.id);
      setRead(now);
      if (now.kind !== 'read') return;
      const diagram = how(now.diagram);
      const done = await writeOver(session.id, DIAGRAM, writeDiagram(diagram), now.tag);
      setTrouble(done.kind === 'changed' ? { id: 'board.diagram.changed' } : null);
      if (done.kind === 'written') setRead({ kind: 'read', diagram, tag: done.tag });
      else await look();
      await tabs.look();
      if (now.tag === null) await queries.invalidateQueries({ queryKey: ['files', session.id] });
    };
    last.current = last.current.then(act).catch((error: unknown) => { setTrouble({ id: 'board.diagram.failed', error: errorOf(error) }); });
  };
  return { read, trouble, change };
}

async function readDiagram(session: string): Promise<Read> {
  // Asked for before it is read: where none is, a browser complains of the answer.
  const isThere = (await listFiles(session, '')).some(({ path }) => path === DIAGRAM);
  const file = isThere ? await readText(session, DIAGRAM) : ({ kind: 'gone' } as const);
  if (file.kind === 'gone') return { kind: 'read', diagram: usualDiagram(), tag: null };
  if (file.kind !== 'text') return { kind: 'broken', error: new Error(file.kind) };
  try {
    return { kind: 'read', diagram: parseDiagram(file.text), tag: file.tag };
  } catch (error) {
    return { kind: 'broken', error: errorOf(error) };
  }
}
