import type { ReactNode } from 'react';
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from 'react-aria-components';
import styles from './Dialog.module.css';

type Props = { title: string; isOpen: boolean; onClose: () => void; children: ReactNode; wide?: boolean };

/** Over everything until it is answered; Escape answers no. */
export function Dialog({ title, isOpen, onClose, children, wide }: Props) {
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

export function DialogActions({ children }: { children: ReactNode }) {
  return <div className={styles['actions']}>{children}</div>;
}
