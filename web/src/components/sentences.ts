/** One after another, each with an end. */
export function sentences(all: readonly (string | null)[]): string {
  const said = all.filter((one) => one !== null);
  return said.map((one, at) => (at < said.length - 1 && !/[.!?…]$/.test(one) ? `${one}.` : one)).join(' ');
}
