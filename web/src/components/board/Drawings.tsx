import type { Colour } from '../../board/diagram';
import styles from './Board.module.css';

/** What a diode looks like when it is off and when it shines. */
const LIGHTS: Readonly<Record<Colour, [string, string]>> = {
  red: ['#7a2a26', '#ff4438'],
  orange: ['#7d4a1c', '#ff9426'],
  yellow: ['#7a6a1e', '#ffe13c'],
  green: ['#245c33', '#38e860'],
  blue: ['#27407c', '#4b8dff'],
  white: ['#8b8b86', '#ffffff'],
};

/** Eyes see the half of a light's power as three quarters. */
const seenAs = (duty: number): number => duty ** 0.45;

export function LedDrawing({ colour, duty }: { colour: Colour; duty: number }) {
  const [off, on] = LIGHTS[colour];
  const seen = seenAs(duty);
  return (
    <svg className={styles['drawing']} viewBox="0 0 64 64" aria-hidden="true">
      <circle cx="32" cy="25" r="24" fill={on} opacity={seen * 0.35} />
      <path d="M26 42v18M38 42v14" stroke="var(--line-strong)" strokeWidth="2.5" fill="none" />
      <path d="M19 40v-15a13 13 0 0126 0v15z" fill={off} />
      <path d="M19 40v-15a13 13 0 0126 0v15z" fill={on} opacity={seen} />
      <rect x="16" y="38" width="32" height="6" rx="2" fill={off} />
      <rect x="16" y="38" width="32" height="6" rx="2" fill={on} opacity={seen * 0.7} />
      <path d="M24 26a8 8 0 017-8" stroke="#fff" strokeWidth="2.5" strokeLinecap="round" fill="none" opacity="0.5" />
    </svg>
  );
}

export function ServoDrawing({ degrees }: { degrees: number }) {
  return (
    <svg className={styles['drawing']} viewBox="0 0 64 64" aria-hidden="true">
      <rect x="6" y="26" width="52" height="24" rx="3" fill="#3c4a5e" />
      <rect x="2" y="32" width="60" height="5" rx="1.5" fill="#2d394a" />
      <circle cx="32" cy="34" r="9" fill="#566680" />
      {/* 0° to the right, 180° to the left. */}
      <g transform={`rotate(${String(-degrees)} 32 34)`}>
        <rect x="28" y="30.500" width="30" height="7" rx="3.500" fill="#f1efe9" stroke="#8d8677" />
        <circle cx="32" cy="34" r="3" fill="#8d8677" />
      </g>
    </svg>
  );
}

const HEADERS = { top: ['13', '12', '11', '10', '9', '8', '7', '6', '5', '4', '3', '2', '1', '0'], bottom: ['5V', 'GND', 'A0', 'A1', 'A2', 'A3', 'A4', 'A5'] } as const;

/** The board itself, with the LED that is on it and one for each direction of Serial. */
export function UnoDrawing({ duty, isOn }: { duty: number; isOn: boolean }) {
  return (
    <svg className={styles['uno']} viewBox="0 0 340 170" aria-hidden="true">
      <rect x="14" y="4" width="322" height="162" rx="8" fill="#0f6a73" />
      <rect x="0" y="24" width="52" height="42" rx="3" fill="#c3c6c9" stroke="#8a8e92" />
      <rect x="4" y="112" width="44" height="36" rx="4" fill="#1e2124" />
      <rect x="112" y="92" width="150" height="32" rx="3" fill="#1e2124" />
      <circle cx="122" cy="108" r="4" fill="#3a3f44" />
      <text x="190" y="112" className={styles['print']} textAnchor="middle" fill="#c8cdd1">ATmega328P</text>
      <text x="150" y="62" className={styles['name']} fill="#fff">ARDUINO</text>
      <text x="243" y="62" className={styles['name']} fill="#bfe3e2">UNO</text>
      <Header names={HEADERS.top} x={76} y={8} gap={18} textY={36} />
      <Header names={HEADERS.bottom} x={148} y={148} gap={22} textY={142} />
      <text x="86" y="66" className={styles['print']} fill="#fff" textAnchor="middle">L</text>
      <g data-led="own">
        <rect x="74" y="70" width="24" height="12" rx="2" fill="#7a6a1e" />
        <rect x="74" y="70" width="24" height="12" rx="2" fill="#ffd83c" opacity={seenAs(duty)} />
      </g>
      <text x="305" y="66" className={styles['print']} fill="#fff" textAnchor="middle">ON</text>
      <rect x="293" y="70" width="24" height="12" rx="2" fill={isOn ? '#46e06a' : '#245c33'} />
    </svg>
  );
}

function Header({ names, x, y, gap, textY }: { names: readonly string[]; x: number; y: number; gap: number; textY: number }) {
  return (
    <>
      <rect x={x - gap / 2} y={y} width={names.length * gap} height="14" rx="2" fill="#1e2124" />
      {names.map((name, at) => (
        <g key={name}>
          <rect x={x + at * gap - 3} y={y + 4} width="6" height="6" fill="#54595e" />
          <text x={x + at * gap} y={textY} className={styles['print']} fill="#fff" textAnchor="middle">{name}</text>
        </g>
      ))}
    </>
  );
}
