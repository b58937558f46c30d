// An Arduino workspace: a sketch is compiled in the session and runs on a board in the page.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, shown } from './browser.mjs';
import { hindrances, lookedAt, named, signedIn } from './web.mjs';
import { browser, server } from './world.mjs';

/** The mean colour of the middle of what is seen of `place`. */
async function colour(page, place) {
  const png = (await place.screenshot()).toString('base64');
  return page.evaluate(async (png) => {
    const picture = new Image();
    picture.src = `data:image/png;base64,${png}`;
    await picture.decode();
    const canvas = new OffscreenCanvas(picture.width, picture.height).getContext('2d');
    canvas.drawImage(picture, 0, 0);
    const [width, height] = [picture.width, picture.height].map((size) => Math.max(1, Math.floor(size / 5)));
    const { data } = canvas.getImageData(width * 2, height * 2, width, height);
    const sums = [0, 0, 0];
    for (let at = 0; at < data.length; at += 4) for (const of of [0, 1, 2]) sums[of] += data[at + of];
    return sums.map((sum) => Math.round((sum * 4) / data.length));
  }, png);
}

/** Waits until the place has been seen shining and dark. */
async function blinks(page, place, channel) {
  const seen = [];
  await eventually('the LED is seen on and off', async () => {
    const [value] = [(await colour(page, place))[channel]];
    seen.push(value);
    if (Math.max(...seen) - Math.min(...seen) > 80) return true;
    throw new Error(`so far ${seen.slice(-10).join(' ')}`);
  });
}

async function write(page, text) {
  await page.locator('.cm-content').click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(text);
  await page.keyboard.press('Control+Enter');
}

const ANSWERS = `const int LED = 12;
void setup() { pinMode(LED, OUTPUT); pinMode(2, INPUT_PULLUP); Serial.begin(9600); Serial.println("<b>ready</b>"); show(0); }
void loop() {
  digitalWrite(LED, digitalRead(2) == LOW);
  if (Serial.available()) { String line = Serial.readStringUntil('\\n'); line.toUpperCase(); Serial.println("said " + line); }
  show(analogRead(A0));
}
void show(int value) {
  static int before = -1;
  if (value == before) return;
  before = value;
  Serial.print("A0 is ");
  Serial.println(value);
}
`;

const TURNS = '#include <Servo.h>\nServo servo;\nvoid setup() { servo.attach(9); servo.write(30); }\nvoid loop() {}\n';

test('a sketch blinks an LED, hears a button, a slider and a line, and says where it is wrong', async () => {
  const page = await signedIn(browser, server);
  const led = page.locator('[data-part-id=led1] svg');
  const log = page.getByRole('region', { name: 'Serial monitor' }).last();
  await shown(page, 'web-arduino', async () => {
    await page.getByRole('button', { name: /^Arduino/ }).first().click();
    await page.locator('.cm-content').getByText('pinMode(LED_BUILTIN, OUTPUT)').waitFor();
    await page.getByRole('img', { name: 'Arduino Uno. LED of the board: off' }).waitFor();
    const dark = await colour(page, led);
    await named(page, 'button', 'Run').click();
    await blinks(page, led, 0);
    await blinks(page, page.locator('[data-led=own]'), 0);
    await log.getByText(/A0: 512/).first().waitFor();
    await page.getByRole('status').getByText(/Red LED on pin 12: blinking/).waitFor();
    assert.deepEqual(await hindrances(page), []);
    await named(page, 'button', 'Stop').click();
    await page.getByText('Press Run: the sketch').waitFor();
    assert.deepEqual(await colour(page, led), dark);
  });
  await shown(page, 'web-arduino-answers', async () => {
    await write(page, ANSWERS);
    await log.getByText('<b>ready</b>').waitFor();
    const push = named(page, 'button', 'Button on pin 2');
    const dark = await colour(page, led);
    await push.focus();
    await page.keyboard.down(' ');
    await page.getByRole('img', { name: 'Red LED on pin 12: on' }).waitFor();
    assert.ok((await colour(page, led))[0] - dark[0] > 80, 'it is seen to shine');
    await page.keyboard.up(' ');
    await page.getByRole('img', { name: 'Red LED on pin 12: off' }).waitFor();
    await push.hover();
    await page.mouse.down();
    await page.getByRole('img', { name: 'Red LED on pin 12: on' }).waitFor();
    await page.mouse.up();
    await page.getByRole('img', { name: 'Red LED on pin 12: off' }).waitFor();
    await page.getByRole('textbox', { name: 'A line for the sketch' }).fill('hello 마당');
    await page.keyboard.press('Enter');
    await log.getByText('said HELLO 마당').waitFor();
    await named(page, 'slider', 'Potentiometer on pin A0').focus();
    await page.keyboard.press('Home');
    await log.getByText(/A0 is 0\n(?!A0)|A0 is 0$/).waitFor();
    await page.keyboard.press('End');
    await log.getByText('A0 is 1023').waitFor();
  });
  await shown(page, 'web-arduino-parts', async () => {
    await named(page, 'button', 'Change parts').click();
    const adding = page.getByRole('form', { name: 'Add a part' });
    await adding.getByLabel('Part').selectOption('servo');
    await adding.getByLabel('Pin').selectOption('9');
    await named(adding, 'button', 'Add').click();
    await page.getByRole('img', { name: 'Servo on pin 9: no signal' }).waitFor();
    await named(page, 'combobox', 'Colour of Red LED on pin 12').selectOption('blue');
    await named(page, 'combobox', 'Pin of Blue LED on pin 12').selectOption('13');
    await page.getByRole('img', { name: /Blue LED on pin 13/ }).waitFor();
    const id = new URL(page.url()).pathname.split('/').at(-1);
    const diagram = JSON.parse(await server.text(`/sessions/${id}/files/diagram.json`));
    assert.deepEqual(diagram.connections.filter(([from]) => /servo1:PWM|led1:A/.test(from)).map(([from, to]) => `${from} ${to}`).sort(), ['led1:A uno:13', 'servo1:PWM uno:9']);
    assert.deepEqual(await hindrances(page), []);
    await write(page, TURNS);
    await page.getByRole('img', { name: /^Servo on pin 9: 3[01]°/ }).waitFor();
    // While the diagram is looked at its sketch is what runs.
    await named(page, 'button', 'Stop').click();
    await named(page, 'row', 'diagram.json').click();
    await page.locator('.cm-content').filter({ hasText: '"parts"' }).waitFor();
    await page.getByText('Press Run: the sketch').waitFor();
    await named(page, 'button', 'Run').click();
    // The servo stays where it was turned to, so that it is there says nothing: that the board runs does.
    await named(page, 'button', 'Run again').waitFor();
    await named(page, 'row', 'sketch.ino').click();
    await page.locator('.cm-content').filter({ hasText: 'servo.write(30)' }).waitFor();
    await named(page, 'button', 'Done').click();
    await write(page, 'void setup() {\n  pinMode(13, OUTPUT)\n}\nvoid loop() {}\n');
    await page.getByRole('log').getByText(/sketch\.ino:3:1: error/).waitFor();
    await page.getByRole('log').getByText('Does not compile').waitFor();
    await server.write(id, 'diagram.json', '{"parts": [');
    await page.reload();
    await page.getByRole('alert').getByText(/diagram\.json cannot be read/).waitFor();
    assert.equal(await server.text(`/sessions/${id}/files/diagram.json`), '{"parts": [');
    await server.write(id, 'diagram.json', JSON.stringify(diagram));
    await server.write(id, 'sketch.ino', ANSWERS);
    await lookedAt(page, server, { 'web-arduino': new URL(page.url()).pathname }, async () => {
      await page.getByRole('button', { name: /^(Board|보드)$/ }).filter({ visible: true }).click();
      await page.getByRole('button', { name: /^(Run|실행)$/ }).click();
      await page.getByText('<b>ready</b>').filter({ visible: true }).first().waitFor();
    });
  });
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});
