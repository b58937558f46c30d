import { createContext, useContext, useSyncExternalStore } from 'react';
import type { Schema } from '../api/client';
import type { BoardShown, Simulation } from '../board/simulation';
import { extensionOf } from './names';
import type { LanguageServices } from './language-services';
import type { Notebook, Notebooks } from './notebook';
import type { Runs, Run } from './runs';
import type { Tab, Tabs } from './tabs';

export type Workspace = { readonly session: Schema['SessionView']; readonly language: Schema['LanguageView'] | null; readonly tabs: Tabs; readonly runs: Runs; readonly notebooks: Notebooks; readonly services: LanguageServices; /** What sketches run on, where the language has such a thing. */ readonly board: Simulation | null };

export const WorkspaceContext = createContext<Workspace | null>(null);

export function useWorkspace(): Workspace {
  const workspace = useContext(WorkspaceContext);
  if (!workspace) throw new Error('only inside a workspace');
  return workspace;
}

export function useTabs() {
  const { tabs } = useWorkspace();
  return useSyncExternalStore(tabs.subscribe, tabs.snapshot);
}

/** The notebook of a tab, where its file is one. */
export function useNotebook(tab: Tab | undefined): Notebook | null {
  const { notebooks, tabs } = useWorkspace();
  if (!tab || tab.text === null || extensionOf(tab.path) !== 'ipynb') return null;
  const { file, version, text } = tab;
  return notebooks.of(file, version, text, { edit: (latest) => tabs.edit(file, version, latest), look: () => tabs.look() });
}

const nothing = () => () => undefined;

/** Whether cells of it run or wait. */
export function useIsRunning(notebook: Notebook | null): boolean {
  return useSyncExternalStore(notebook?.subscribe ?? nothing, () => notebook?.isRunning ?? false);
}

export function useRuns(): readonly Run[] {
  const { runs } = useWorkspace();
  return useSyncExternalStore(runs.subscribe, runs.snapshot);
}

/** Whether the board runs a sketch. */
export function useBoardState(): BoardShown['state'] {
  const { board } = useWorkspace();
  return useSyncExternalStore(board?.subscribe ?? nothing, () => board?.snapshot().state ?? 'off');
}
