/** Characters that move, hide or turn around what stands beside them: guests choose names, and must not fake ours. */
// eslint-disable-next-line no-control-regex -- they are what is looked for
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

export const shown = (name: string): string => name.replace(UNSEEN, '\ufffd');

export const baseOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

export const folderOf = (path: string): string => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '');

export const joined = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);

export const extensionOf = (path: string): string => {
  const name = baseOf(path);
  return name.includes('.') ? name.slice(name.lastIndexOf('.') + 1).toLowerCase() : '';
};

/** Whether somebody may call a new file so. */
export const isName = (name: string): boolean => name !== '' && name !== '.' && name !== '..' && !name.includes('/') && !name.includes('\0') && name.length <= 255;
