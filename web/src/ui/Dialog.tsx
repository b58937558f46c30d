import { useEffect, type ReactNode } from 'react';
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from 'react-aria-components';
import styles from './Dialog.module.css';

type Props = { title: string; isOpen: boolean; onClose: () => void; children: ReactNode; wide?: boolean };

/** By then it has been given back. */
const GIVEN_BACK_MS = 50;

/** Over everything until it is answered; Escape answers no. */
export function Dialog({ title, isOpen, onClose, children, wide }: Props) {
  useFocusGivenBack(isOpen);
  return (
    <ModalOverlay isOpen={isOpen} onOpenChange={(open) => { if (!open) onClose(); }} isDismissable className={styles['overlay'] ?? ''}>
      <Modal className={[styles['modal'], wide ? styles['wide'] : ''].join(' ')}>
        <AriaDialog className={styles['dialog'] ?? ''}>
          <Heading slot="title" className={styles['title'] ?? ''}>
            {title}
          </Heading>
          {children}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

let before: HTMLElement | null = null;
document.addEventListener('focusin', ({ target }) => {
  if (target instanceof HTMLElement && target.closest('[role=dialog], [role=menu]') === null) before = target;
});

/**
 * React Aria gives the focus back to what had it. Where that is gone meanwhile it goes to what had it before all dialogs, as after one that was
 * opened by another; and where that is gone too, as a row that was deleted, to the page.
 */
function useFocusGivenBack(isOpen: boolean): void {
  useEffect(() => {
    if (!isOpen) return undefined;
    return () => {
      setTimeout(() => { if (document.activeElement === document.body) (before?.isConnected ? before : document.querySelector('main'))?.focus({ preventScroll: true }); }, GIVEN_BACK_MS);
    };
  }, [isOpen]);
}

export function DialogActions({ children }: { children: ReactNode }) {
  return <div className={styles['actions']}>{children}</div>;
}
