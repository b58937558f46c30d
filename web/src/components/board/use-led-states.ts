import { useEffect, useRef, useState } from 'react';
import type { BoardShown } from '../../board/simulation';

/** As long as is watched before something is said: slow blinking is blinking too. */
const WATCH_MS = 4_000;

type Led = { name: string; pin: number; isToPower: boolean };
export type LedState = { name: string; state: 'off' | 'on' | 'blinking' };

/** What LEDs do, said anew every few seconds at most, and only what is no longer as it was. */
export function useLedStates(shown: BoardShown, leds: readonly Led[]): readonly LedState[] {
  const [told, setTold] = useState<readonly LedState[]>([]);
  const watched = useRef({ leds, low: new Set<number>(), high: new Set<number>() });
  useEffect(() => {
    watched.current.leds = leds;
    for (const { pin, isToPower } of shown.state === 'running' ? leds : []) {
      const duty = shown.pins[pin]?.duty ?? 0;
      watched.current[(isToPower ? 1 - duty : duty) > 0.02 ? 'high' : 'low'].add(pin);
    }
  });
  useEffect(() => {
    const before = new Map<number, LedState['state']>();
    const timer = setInterval(() => {
      const { leds, low, high } = watched.current;
      const changed = leds.flatMap(({ name, pin }): LedState[] => {
        const state = !high.has(pin) ? 'off' : low.has(pin) ? 'blinking' : 'on';
        if ((before.get(pin) ?? 'off') === state) return [];
        before.set(pin, state);
        return [{ name, state }];
      });
      watched.current = { leds, low: new Set(), high: new Set() };
      if (changed.length > 0) setTold(changed);
    }, WATCH_MS);
    return () => { clearInterval(timer); };
  }, []);
  return told;
}
