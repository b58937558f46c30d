import type { Schema } from '../api/client';

/** The first program of a workspace: it runs, shows something, and asks to be changed. */
export function starter(language: Schema['LanguageView'], hint: string): string {
  if (language.id === 'arduino') return blink(hint);
  if (language.id !== 'python') return `${language.greeting}\n`;
  return `# ${hint}
import matplotlib.pyplot as plt

name = "Madang"
print(f"Hello, {name}!")

days = list(range(1, 15))
words = [day * day for day in days]

plt.plot(days, words, marker="o", color="seagreen")
plt.title("What I have learnt")
plt.xlabel("day")
plt.ylabel("new words")
plt.show()
`;
}

/** Lights the board's own LED and the one on pin 12 by turns, faster while the button on pin 2 is held. */
const blink = (hint: string): string => `// ${hint}
const int LED = 12;
const int BUTTON = 2;

void setup() {
  pinMode(LED_BUILTIN, OUTPUT);
  pinMode(LED, OUTPUT);
  pinMode(BUTTON, INPUT_PULLUP);
  Serial.begin(9600);
}

void loop() {
  int rest = digitalRead(BUTTON) == LOW ? 200 : 1000;

  digitalWrite(LED_BUILTIN, HIGH);
  digitalWrite(LED, LOW);
  delay(rest);

  digitalWrite(LED_BUILTIN, LOW);
  digitalWrite(LED, HIGH);
  Serial.print("A0: ");
  Serial.println(analogRead(A0));
  delay(rest);
}
`;
