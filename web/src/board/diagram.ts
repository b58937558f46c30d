import { FIRST_ANALOG, PINS } from './uno';

/** Where the parts of a board stand, in the format of Wokwi's files of this name. */
const DIAGRAM_CHARS_MAX = 65_536;
export const PARTS_MAX = 40;
const CONNECTIONS_MAX = 400;
const NAME = /^[\w.-]{1,40}$/;

export const KINDS = ['led', 'button', 'servo', 'potentiometer', 'light', 'temperature'] as const;
export type Kind = (typeof KINDS)[number];

type Wiring = { type: string; /** What goes to the pin. */ pin: string; /** What goes elsewhere when the part is made here. */ rest: readonly (readonly [string, string])[] };

const WIRINGS: Readonly<Record<Kind, Wiring>> = {
  led: { type: 'wokwi-led', pin: 'A', rest: [['C', 'GND.1']] },
  button: { type: 'wokwi-pushbutton', pin: '1.l', rest: [['2.l', 'GND.1']] },
  servo: { type: 'wokwi-servo', pin: 'PWM', rest: [['V+', '5V'], ['GND', 'GND.2']] },
  potentiometer: { type: 'wokwi-potentiometer', pin: 'SIG', rest: [['VCC', '5V'], ['GND', 'GND.2']] },
  light: { type: 'wokwi-photoresistor-sensor', pin: 'AO', rest: [['VCC', '5V'], ['GND', 'GND.2']] },
  temperature: { type: 'wokwi-ntc-temperature-sensor', pin: 'OUT', rest: [['VCC', '5V'], ['GND', 'GND.2']] },
};

export const COLOURS = ['red', 'orange', 'yellow', 'green', 'blue', 'white'] as const;
export type Colour = (typeof COLOURS)[number];

export type Part = {
  id: string;
  kind: Kind;
  /** None where it is not wired to a pin. */
  pin: number | null;
  colour: Colour;
  /** Wired to what is on: an LED that lights where its pin is low, a button that makes its pin high. */
  isToPower: boolean;
};

type Json = Record<string, unknown>;
/** The whole file, with all that is not ours. */
export type Diagram = Json & { parts: Json[]; connections: unknown[] };

export const isAnalog = (kind: Kind): boolean => kind === 'potentiometer' || kind === 'light' || kind === 'temperature';
export const pinName = (pin: number): string => (pin < FIRST_ANALOG ? String(pin) : `A${String(pin - FIRST_ANALOG)}`);
/** The pins that such a part may have. 0 and 1 are those of Serial. */
export const pinsFor = (kind: Kind): number[] => Array.from({ length: PINS }, (_, pin) => pin).filter((pin) => (isAnalog(kind) ? pin >= FIRST_ANALOG : pin > 1));

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads the file; throws, saying what is wrong, where it is not one. */
export function parseDiagram(text: string): Diagram {
  if (text.length > DIAGRAM_CHARS_MAX) throw new Error('more than 64 KiB');
  const read: unknown = JSON.parse(text);
  if (!isObject(read)) throw new Error('no object');
  const { parts, connections = [] } = read;
  if (!Array.isArray(parts) || !parts.every(isObject)) throw new Error('"parts" is no list of objects');
  if (parts.length > PARTS_MAX) throw new Error(`more than ${String(PARTS_MAX)} parts`);
  if (!Array.isArray(connections) || connections.length > CONNECTIONS_MAX) throw new Error(`"connections" is no list of at most ${String(CONNECTIONS_MAX)}`);
  const ids = parts.map(({ id }) => id);
  for (const id of ids) if (typeof id !== 'string' || !NAME.test(id)) throw new Error('a part has no "id" of letters and digits');
  if (new Set(ids).size !== ids.length) throw new Error('two parts have the same "id"');
  return { ...read, parts, connections: connections as unknown[] };
}

export const writeDiagram = (diagram: Diagram): string => `${JSON.stringify(diagram, null, 2)}\n`;

/** What stands around a board of which nobody has said anything. */
export function usualDiagram(): Diagram {
  const board: Diagram = { version: 1, author: '', editor: 'madang', parts: [{ type: 'wokwi-arduino-uno', id: 'uno', top: 0, left: 0, attrs: {} }], connections: [] };
  return [['led', 12], ['button', 2], ['potentiometer', FIRST_ANALOG]].reduce((diagram, [kind, pin]) => addPart(diagram, kind as Kind, pin as number), board);
}

/** The parts that can be drawn, with their pins. Others stay in the file and are left alone. */
export function partsOf(diagram: Diagram): Part[] {
  const board = boardOf(diagram);
  const wires = wiresOf(diagram);
  return diagram.parts.flatMap((part) => {
    const kind = KINDS.find((kind) => WIRINGS[kind].type === part['type']);
    if (!kind) return [];
    const id = String(part['id']);
    const ends = kind === 'led' ? [['A'], ['C']] : kind === 'button' ? [['1.l', '1.r'], ['2.l', '2.r']] : [[WIRINGS[kind].pin], []];
    const [near, far] = ends.map((names) => names.flatMap((name) => [...reached(diagram, wires, `${id}:${name}`)].filter((end) => end.startsWith(`${board}:`)).map((end) => end.slice(board.length + 1))));
    const pin = pinIn(near) ?? pinIn(far);
    const isToPower = [...(near ?? []), ...(far ?? [])].some((end) => /^(5V|3\.3V)/.test(end));
    const attrs = isObject(part['attrs']) ? part['attrs'] : {};
    return [{ id, kind, pin, colour: COLOURS.find((colour) => colour === attrs['color']) ?? 'red', isToPower: isToPower && (kind === 'led' || kind === 'button') }];
  });
}

function pinIn(ends: readonly string[] | undefined): number | null {
  const pins = Array.from({ length: PINS }, (_, pin) => pin);
  return pins.find((pin) => ends?.includes(pinName(pin))) ?? null;
}

const boardOf = ({ parts }: Diagram): string => String(parts.find(({ type }) => type === 'wokwi-arduino-uno')?.['id'] ?? 'uno');

function wiresOf({ connections }: Diagram): [string, string][] {
  return connections.flatMap((wire) => (Array.isArray(wire) && typeof wire[0] === 'string' && typeof wire[1] === 'string' ? [[wire[0], wire[1]] as [string, string]] : []));
}

/** All that a place is wired to, through resistors too. */
function reached(diagram: Diagram, wires: readonly [string, string][], from: string): Set<string> {
  const resistors = diagram.parts.filter(({ type }) => type === 'wokwi-resistor').map(({ id }) => String(id));
  const through = resistors.map((id) => [`${id}:1`, `${id}:2`] as [string, string]);
  const found = new Set([from]);
  // The board itself joins nothing.
  const board = `${boardOf(diagram)}:`;
  for (const place of found) {
    if (place.startsWith(board)) continue;
    for (const [a, b] of [...wires, ...through]) {
      if (a === place) found.add(b);
      if (b === place) found.add(a);
    }
  }
  return found;
}

/** With one more part, wired to a pin. */
export function addPart(diagram: Diagram, kind: Kind, pin: number): Diagram {
  if (diagram.parts.length >= PARTS_MAX) return diagram;
  const taken = new Set(diagram.parts.map(({ id }) => id));
  let number = 1;
  while (taken.has(`${kind}${String(number)}`)) number += 1;
  const id = `${kind}${String(number)}`;
  const part = { type: WIRINGS[kind].type, id, top: 0, left: 0, attrs: kind === 'led' ? { color: 'red' } : {} };
  return wirePart({ ...diagram, parts: [...diagram.parts, part] }, id, pin);
}

/** Wired to that pin and no other. */
export function wirePart(diagram: Diagram, id: string, pin: number): Diagram {
  const kind = partsOf(diagram).find((part) => part.id === id)?.kind;
  if (!kind) return diagram;
  const board = boardOf(diagram);
  const wiring = WIRINGS[kind];
  const wires = [[`${id}:${wiring.pin}`, `${board}:${pinName(pin)}`, 'green', []], ...wiring.rest.map(([own, other]) => [`${id}:${own}`, `${board}:${other}`, 'black', []])];
  return { ...diagram, connections: [...without(diagram, id), ...wires] };
}

export function paintPart(diagram: Diagram, id: string, colour: Colour): Diagram {
  return { ...diagram, parts: diagram.parts.map((part) => (part['id'] === id ? { ...part, attrs: { ...(isObject(part['attrs']) ? part['attrs'] : {}), color: colour } } : part)) };
}

export function removePart(diagram: Diagram, id: string): Diagram {
  return { ...diagram, parts: diagram.parts.filter((part) => part['id'] !== id), connections: without(diagram, id) };
}

/** The connections that are not of this part. */
function without({ connections }: Diagram, id: string): unknown[] {
  return connections.filter((wire) => !(Array.isArray(wire) && wire.slice(0, 2).some((end) => typeof end === 'string' && end.startsWith(`${id}:`))));
}
