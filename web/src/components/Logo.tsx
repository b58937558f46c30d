/** A yard seen from above, with its gate; also ㅁ, the first letter of 마당. */
export function Logo({ size = 26 }: { size?: number }) {
  return (
    <svg aria-hidden="true" width={size} height={size} viewBox="0 0 32 32">
      <rect width="32" height="32" rx="8" fill="#2c6a50" />
      <path d="M13 22.5H9.500v-13h13v13H19" fill="none" stroke="#fffaf0" strokeWidth="2.8" strokeLinecap="round" strokeLinejoin="round" />
      <circle cx="16" cy="16" r="1.9" fill="#f2a65a" />
    </svg>
  );
}
