import { expect, test } from 'vitest';
import { addPart, paintPart, parseDiagram, partsOf, pinName, removePart, usualDiagram, wirePart, writeDiagram } from './diagram';

test('parts are added, wired, painted and removed, and what is not ours stays', () => {
  const text = JSON.stringify({ version: 1, extra: { a: 1 }, parts: [{ type: 'wokwi-arduino-uno', id: 'mine' }, { type: 'wokwi-lcd1602', id: 'lcd', attrs: { x: 1 } }], connections: [['lcd:RS', 'mine:7', 'red', ['v1']]] });
  let diagram = addPart(parseDiagram(text), 'led', 5);
  diagram = paintPart(addPart(diagram, 'potentiometer', 16), 'led1', 'blue');
  expect(partsOf(diagram).map(({ id, pin, colour }) => [id, pin === null ? null : pinName(pin), colour])).toEqual([['led1', '5', 'blue'], ['potentiometer1', 'A2', 'red']]);
  diagram = removePart(wirePart(parseDiagram(writeDiagram(diagram)), 'led1', 6), 'potentiometer1');
  expect(partsOf(diagram)).toEqual([{ id: 'led1', kind: 'led', pin: 6, colour: 'blue', isToPower: false }]);
  const { extra, parts, connections } = JSON.parse(writeDiagram(removePart(diagram, 'led1'))) as Record<string, unknown>;
  expect({ extra, parts, connections }).toEqual({ extra: { a: 1 }, parts: (JSON.parse(text) as { parts: unknown }).parts, connections: [['lcd:RS', 'mine:7', 'red', ['v1']]] });
});

test('wires lead through resistors, and to power or to ground', () => {
  const parts = [{ type: 'wokwi-arduino-uno', id: 'uno' }, { type: 'wokwi-led', id: 'l' }, { type: 'wokwi-resistor', id: 'r' }, { type: 'wokwi-pushbutton', id: 'b' }];
  const connections = [['l:C', 'r:2', '', []], ['uno:9', 'r:1', '', []], ['l:A', 'uno:5V', '', []], ['uno:3', 'b:2.r', '', []], ['b:1.r', 'uno:GND.3', '', []], 'nonsense', [1, 2]];
  expect(partsOf(parseDiagram(JSON.stringify({ parts, connections })))).toEqual([
    { id: 'l', kind: 'led', pin: 9, colour: 'red', isToPower: true },
    { id: 'b', kind: 'button', pin: 3, colour: 'red', isToPower: false },
  ]);
});

test('what is no diagram says why', () => {
  const refused: [string, RegExp][] = [
    ['{', /JSON/],
    ['[]', /no object/],
    ['{}', /"parts"/],
    ['{"parts":[3]}', /"parts"/],
    ['{"parts":[{"id":"<b>"}]}', /"id"/],
    ['{"parts":[{"id":"a"},{"id":"a"}]}', /same "id"/],
    ['{"parts":[],"connections":{}}', /"connections"/],
    [JSON.stringify({ parts: Array.from({ length: 41 }, (_, at) => ({ id: `p${String(at)}` })) }), /more than 40 parts/],
    [' '.repeat(70_000), /64 KiB/],
  ];
  for (const [text, why] of refused) expect(() => parseDiagram(text), text.slice(0, 30)).toThrow(why);
  expect(partsOf(usualDiagram()).map(({ kind, pin }) => [kind, pin])).toEqual([['led', 12], ['button', 2], ['potentiometer', 14]]);
});
