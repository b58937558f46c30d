import { createContext, useContext, useSyncExternalStore } from 'react';
import type { Schema } from '../api/client';
import type { Runs, Run } from './runs';
import type { Tabs } from './tabs';

export type Workspace = { readonly session: Schema['SessionView']; readonly language: Schema['LanguageView'] | null; readonly tabs: Tabs; readonly runs: Runs };

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

export function useRuns(): readonly Run[] {
  const { runs } = useWorkspace();
  return useSyncExternalStore(runs.subscribe, runs.snapshot);
}
