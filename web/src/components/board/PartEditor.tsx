import { useState, type FormEvent } from 'react';
import { addPart, COLOURS, KINDS, paintPart, PARTS_MAX, pinName, pinsFor, removePart, wirePart, type Colour, type Diagram, type Kind, type Part } from '../../board/diagram';
import { useText } from '../../i18n/board';
import { Button, IconButton } from '../../ui/Button';
import { SelectField } from '../../ui/SelectField';
import { usePartName } from './PartCard';
import styles from './Board.module.css';

type Change = (how: (diagram: Diagram) => Diagram) => void;

/** What can be changed of a part: its pin, its colour, that it is there. */
export function PartEditor({ part, onChange }: { part: Part; onChange: Change }) {
  const t = useText();
  const name = usePartName()(part);
  const pins = pinsFor(part.kind);
  const none = part.pin === null || !pins.includes(part.pin);
  return (
    <div className={styles['edit']}>
      <select aria-label={t('board.pin', { part: name })} value={none ? '' : part.pin ?? ''} onChange={(event) => { const pin = Number(event.target.value); onChange((diagram) => wirePart(diagram, part.id, pin)); }}>
        {none && <option value="" disabled>{part.pin === null ? t('board.unwired') : pinName(part.pin)}</option>}
        {pins.map((pin) => <option key={pin} value={pin}>{pinName(pin)}</option>)}
      </select>
      {part.kind === 'led' && (
        <select aria-label={t('board.colour', { part: name })} value={part.colour} onChange={(event) => { const colour = event.target.value as Colour; onChange((diagram) => paintPart(diagram, part.id, colour)); }}>
          {COLOURS.map((colour) => <option key={colour} value={colour}>{t(`board.colour.${colour}`)}</option>)}
        </select>
      )}
      <IconButton icon="trash" label={t('board.remove', { part: name })} onPress={() => { onChange((diagram) => removePart(diagram, part.id)); }} />
    </div>
  );
}

/** Puts one more part on a pin that nothing is on yet, where there is one. */
export function AddPart({ parts, count, onChange }: { parts: readonly Part[]; count: number; onChange: Change }) {
  const t = useText();
  const [kind, setKind] = useState<Kind>('led');
  const pins = pinsFor(kind);
  const free = pins.find((pin) => parts.every((part) => part.pin !== pin)) ?? pins[0] ?? 2;
  const [chosen, setChosen] = useState<number | null>(null);
  const pin = chosen !== null && pins.includes(chosen) ? chosen : free;
  const add = (event: FormEvent) => {
    event.preventDefault();
    onChange((diagram) => addPart(diagram, kind, pin));
    setChosen(null);
  };
  if (count >= PARTS_MAX) return <p className={styles['note']}>{t('board.full', { count: PARTS_MAX })}</p>;
  return (
    <form className={styles['add']} aria-label={t('board.add')} onSubmit={add}>
      <SelectField label={t('board.add.kind')} value={kind} options={KINDS.map((value) => ({ value, label: t(`board.kind.${value}`) }))} onChange={(value) => { setKind(value as Kind); }} />
      <SelectField label={t('board.add.pin')} value={String(pin)} options={pins.map((value) => ({ value: String(value), label: pinName(value) }))} onChange={(value) => { setChosen(Number(value)); }} />
      <Button type="submit" icon="add">{t('board.add.act')}</Button>
    </form>
  );
}
