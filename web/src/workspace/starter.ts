import type { Schema } from '../api/client';

/** The first program of a workspace: it runs, shows something, and asks to be changed. */
export function starter(language: Schema['LanguageView'], hint: string): string {
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
