type Props = { own: string; english: string };

/** The page's own words, then what the server says of it in English, which readers are told. */
export function WithEnglish({ own, english }: Props) {
  return (
    <>
      {own}
      {own !== '' && english !== '' && ' '}
      {english !== '' && <span lang="en">{english}</span>}
    </>
  );
}
