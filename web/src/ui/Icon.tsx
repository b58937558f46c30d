const PATHS = {
  add: 'M12 5v14M5 12h14',
  back: 'M15 6l-6 6 6 6',
  board: 'M5 6.500h14v11H5zM9 10.500h6v3H9zM8 3.500v3M12 3.500v3M16 3.500v3M8 17.500v3M12 17.500v3M16 17.500v3',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  chevron: 'M9 6l6 6-6 6',
  close: 'M6 6l12 12M18 6L6 18',
  code: 'M9 7l-5 5 5 5M15 7l5 5-5 5',
  download: 'M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14',
  external: 'M14 4.500h5.500V10M19 5l-8 8M10 6H5v13h13v-5',
  file: 'M7 3.5h7l4 4v13H7zM13.5 3.5v4.5H18',
  folder: 'M3.5 18.5v-12h6l2 2.5h9v9.5z',
  globe: 'M12 3.5a8.5 8.5 0 100 17 8.5 8.5 0 000-17zM3.5 12h17M12 3.5c5 5 5 12 0 17c-5-5-5-12 0-17',
  history: 'M4.500 12a7.500 7.500 0 107.500-7.500 8 8 0 00-6 3M5 4v4h4M12 8v4.500l3 2',
  menu: 'M4 7h16M4 12h16M4 17h16',
  moon: 'M19.5 14.5A8 8 0 119.5 4.500a6.500 6.500 0 0010 10z',
  more: 'M5.500 12h.01M12 12h.01M18.500 12h.01',
  output: 'M4 5h16v14H4zM8 10h8M8 14h5',
  pencil: 'M5 19l1-4L16.500 4.500l3 3L9 18zM14.500 6.500l3 3',
  person: 'M12 4a4 4 0 100 8 4 4 0 000-8zM4.500 20c1-4 4-5.500 7.500-5.500s6.500 1.500 7.500 5.500',
  play: 'M8 5.500v13l10.500-6.500z',
  preview: 'M3.500 5h17v14h-17zM3.500 9.500h17M6 7.200h.1M8.500 7.200h.1',
  refresh: 'M19 12a7 7 0 11-2.200-5.100M19 4v4h-4',
  search: 'M10.500 4.500a6 6 0 100 12 6 6 0 000-12zM15 15l5 5',
  stop: 'M7 7h10v10H7z',
  sun: 'M12 8a4 4 0 100 8 4 4 0 000-8zM12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400',
  terminal: 'M4 5h16v14H4zM7.500 9.500l3 2.500-3 2.500M12.500 15h4',
  trash: 'M5 7h14M9.500 7V4.500h5V7M7 7l1 13h8l1-13',
  upload: 'M12 16V5M7.500 9L12 4.500 16.500 9M5 20h14',
  warning: 'M12 4l9 16H3zM12 10v4.500M12 17.200v.1',
} as const;

export type IconName = keyof typeof PATHS;

/** A drawing that says nothing by itself: what it stands beside, or the button around it, is what is read out. */
export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg aria-hidden="true" width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth={name === 'more' ? 3 : 1.8} strokeLinecap="round" strokeLinejoin="round">
      <path d={PATHS[name]} fill={name === 'play' || name === 'stop' ? 'currentColor' : 'none'} />
    </svg>
  );
}
