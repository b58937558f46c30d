/** Puts a text where it can be pasted from, and says whether it is there. Browsers give their interface for it to pages of HTTPS and of the machine itself alone; a school's server may be neither. */
export async function copyText(text: string): Promise<boolean> {
  // The types know of no browser without it.
  const clipboard = navigator.clipboard as Clipboard | undefined;
  return clipboard ? clipboard.writeText(text).then(() => true, () => false) : copySelected(text);
}

function copySelected(text: string): boolean {
  const { activeElement } = document;
  const area = Object.assign(document.createElement('textarea'), { value: text, readOnly: true, ariaHidden: 'true' });
  Object.assign(area.style, { position: 'fixed', opacity: '0' });
  // A dialog lets nothing outside of it have the focus.
  (activeElement?.closest('[role=dialog]') ?? document.body).append(area);
  area.select();
  // What is said against it holds where there is another way.
  const isCopied = document.execCommand('copy');
  area.remove();
  if (activeElement instanceof HTMLElement) activeElement.focus();
  return isCopied;
}
