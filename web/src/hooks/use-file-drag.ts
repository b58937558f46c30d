import { useDragAndDrop, type DropItem, type Key } from 'react-aria-components';
import type { FileEntry } from '../api/files';
import type { Source } from '../workspace/brought';
import { folderOf } from '../workspace/names';

/** What is dragged is a path of this workspace. */
const PATH = 'x-madang-path';

type Acts = {
  onMove: (path: string, folder: string) => void;
  onBring: (sources: readonly Source[], folder: string) => void;
};

/** Files and folders of the tree can be dragged into folders, and files and directories of the computer brought. */
export function useFileDrag(find: (key: Key) => FileEntry | undefined, { onMove, onBring }: Acts) {
  const drop = async (items: readonly DropItem[], folder: string) => {
    const brought = items.filter((item) => item.kind !== 'text');
    if (brought.length > 0) onBring(brought, folder);
    for (const item of items) {
      if (item.kind !== 'text' || !item.types.has(PATH)) continue;
      const path = await item.getText(PATH);
      // A folder does not go into itself, and nothing to where it is.
      if (folderOf(path) !== folder && folder !== path && !folder.startsWith(`${path}/`)) onMove(path, folder);
    }
  };
  const folder = (key: Key) => {
    const entry = find(key);
    return entry && (entry.kind === 'directory' ? entry.path : folderOf(entry.path));
  };
  const { dragAndDropHooks } = useDragAndDrop({
    getItems: (keys) => [...keys].map((key) => ({ [PATH]: String(key), 'text/plain': String(key) })),
    getAllowedDropOperations: () => ['move'],
    getDropOperation: (_target, types) => (types.has(PATH) ? 'move' : 'copy'),
    onItemDrop: ({ items, target }) => void drop(items, folder(target.key) ?? ''),
    onRootDrop: ({ items }) => void drop(items, ''),
  });
  return dragAndDropHooks;
}
