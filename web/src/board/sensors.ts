import type { Kind } from './diagram';

/** What a slider of a sensor goes over, and where it stands at first. */
export const RANGES: Readonly<Record<'potentiometer' | 'light' | 'temperature', { from: number; to: number; step: number; usual: number }>> = {
  potentiometer: { from: 0, to: 100, step: 1, usual: 50 },
  /** Tenths of the exponent of lux: from moonlight to the sun. */
  light: { from: -10, to: 50, step: 1, usual: 27 },
  temperature: { from: -24, to: 80, step: 1, usual: 24 },
};

const BETA = 3950;
const WARM_K = 298.15;
const ZERO_K = 273.15;

export const luxOf = (value: number): number => 10 ** (value / 10);

/** What part of 5 V a sensor gives, as those of Wokwi do, whose sketches are about. */
export function partOf(kind: Kind, value: number): number {
  if (kind === 'light') {
    // A photoresistor of 50 kΩ at 10 lux under 2 kΩ.
    const ohm = (50_000 * 10 ** 0.7) / luxOf(value) ** 0.7;
    return ohm / (ohm + 2_000);
  }
  if (kind === 'temperature') {
    // A thermistor of 10 kΩ at 25 °C, over as much.
    const ratio = Math.exp(BETA * (1 / (value + ZERO_K) - 1 / WARM_K));
    return ratio / (1 + ratio);
  }
  return value / 100;
}

const NARROW_US = 544;
const WIDE_US = 2_400;

/** Where a pulse of this length turns a servo to, from 0 to 180 degrees. */
export function angleOf(pulseUs: number): number | null {
  // What is far from any servo's pulse is none.
  if (pulseUs < 400 || pulseUs > 2_600) return null;
  return Math.min(180, Math.max(0, ((pulseUs - NARROW_US) / (WIDE_US - NARROW_US)) * 180));
}
