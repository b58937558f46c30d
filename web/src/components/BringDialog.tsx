import { useText } from '../i18n/text';
import { Button } from '../ui/Button';
import { Dialog, DialogActions } from '../ui/Dialog';
import { BROUGHT_MAX, type Gathered, type Refusal } from '../workspace/brought';
import { shown } from '../workspace/names';

export type Bringing = { readonly gathered: Gathered; /** Paths of what is there already. */ readonly replaced: ReadonlySet<string>; readonly begin: () => void };

/** Whether somebody is asked before it begins. */
export const isAsked = ({ refused, isWhole }: Gathered, replaced: ReadonlySet<string>): boolean => replaced.size > 0 || refused.length > 0 || !isWhole;

const NAMED_MAX = 8;
const REASONS: readonly Refusal[] = ['name', 'long', 'deep', 'same', 'unreadable'];

/** Asks before anything is replaced, and says what stays out. */
export function BringDialog({ bringing, onClose }: { bringing: Bringing; onClose: () => void }) {
  const t = useText();
  const { gathered: { files, empty, refused, isWhole }, replaced, begin } = bringing;
  const isReplacing = replaced.size > 0;
  const named = (paths: readonly string[]) => ({ count: paths.length, names: `${paths.slice(0, NAMED_MAX).map(shown).join(', ')}${paths.length > NAMED_MAX ? ` ${t('bring.more', { count: paths.length - NAMED_MAX })}` : ''}` });
  const start = () => {
    onClose();
    begin();
  };
  return (
    <Dialog title={t(isReplacing ? 'bring.replace.title' : 'bring.title')} isOpen onClose={onClose}>
      {isReplacing && <p>{t('bring.replace.text', named([...replaced]))}</p>}
      {REASONS.map((reason) => {
        const paths = refused.flatMap(({ path, why }) => (why === reason ? [path] : []));
        return paths.length > 0 && <p key={reason}>{t(`bring.${reason}`, named(paths))}</p>;
      })}
      {!isWhole && <p>{t('bring.many', { count: BROUGHT_MAX })}</p>}
      <DialogActions>
        <Button onPress={onClose}>{t('app.cancel')}</Button>
        {files.length + empty.length > 0 && <Button look={isReplacing ? 'danger' : 'primary'} onPress={start}>{t(isReplacing ? 'bring.replace.submit' : 'bring.submit', { count: files.length })}</Button>}
      </DialogActions>
    </Dialog>
  );
}
