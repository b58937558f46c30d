import { FieldError, Input, Label, Text, TextField as AriaTextField, type InputProps, type TextFieldProps } from 'react-aria-components';
import styles from './TextField.module.css';

type Props = Omit<TextFieldProps, 'className' | 'style' | 'children'> & { label: string; hint?: string; input?: Pick<InputProps, 'placeholder' | 'step' | 'min'> };

export function TextField({ label, hint, input, ...rest }: Props) {
  return (
    <AriaTextField {...rest} className={styles['field'] ?? ''}>
      <Label className={styles['label'] ?? ''}>{label}</Label>
      <Input {...input} className={styles['input'] ?? ''} />
      {hint && (
        <Text slot="description" className={styles['hint'] ?? ''}>
          {hint}
        </Text>
      )}
      <FieldError className={styles['error'] ?? ''} />
    </AriaTextField>
  );
}
