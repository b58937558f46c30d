import { GFM, parser } from '@lezer/markdown';
import type { SyntaxNode } from '@lezer/common';
import { createElement, Fragment, memo, type ReactNode } from 'react';
import styles from './Markdown.module.css';

type Props = { text: string; /** How a picture that is not in the text is drawn; by its address. */ picture: (address: string, alt: string) => ReactNode };
type Draw = { text: string; picture: Props['picture']; /** How deep the node lies. */ depth: number };

const markdown = parser.configure(GFM);
/** What says how something is to be drawn, and is not drawn itself. */
const MARKS = /Mark$|^(?:LinkTitle|CodeInfo|TableDelimiter|LinkReference)$/;
/** What lies deeper is shown as it is written: a text must not be able to break the page by how it is nested. */
const DEPTH_MAX = 40;
const SAFE_LINK = /^(?:https?:|mailto:)/i;

/** Markdown as elements, never as HTML: tags that stand in it are shown as the text that they are, so nothing of it can become a script. */
export const Markdown = memo(function Markdown({ text, picture }: Props) {
  return <div className={styles['markdown']}>{children(markdown.parse(text).topNode, { text, picture, depth: 0 })}</div>;
});

function kids(node: SyntaxNode): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  for (let child = node.firstChild; child; child = child.nextSibling) found.push(child);
  return found;
}

/** The blocks of a node. */
function children(node: SyntaxNode, above: Draw): ReactNode[] {
  if (above.depth >= DEPTH_MAX) return [above.text.slice(node.from, node.to)];
  const draw = { ...above, depth: above.depth + 1 };
  return kids(node).filter(({ name }) => !MARKS.test(name)).map((child) => <Fragment key={child.from}>{block(child, draw)}</Fragment>);
}

/** The words of a node, with what stands between its parts. */
function inline(node: SyntaxNode, above: Draw): ReactNode[] {
  if (above.depth >= DEPTH_MAX) return [above.text.slice(node.from, node.to)];
  const draw = { ...above, depth: above.depth + 1 };
  const parts: ReactNode[] = [];
  let at = node.from;
  for (const child of kids(node)) {
    parts.push(draw.text.slice(at, child.from));
    if (!MARKS.test(child.name)) parts.push(<Fragment key={child.from}>{word(child, draw)}</Fragment>);
    at = child.to;
    // The marks of headings and quotes take their blank with them.
    if (child.name === 'HeaderMark' || child.name === 'QuoteMark') while (draw.text[at] === ' ') at += 1;
  }
  parts.push(draw.text.slice(at, node.to));
  return parts;
}

const FRAMES: Readonly<Record<string, string>> = { BulletList: 'ul', OrderedList: 'ol', ListItem: 'li', Blockquote: 'blockquote' };

function block(node: SyntaxNode, draw: Draw): ReactNode {
  const heading = /^(?:ATX|Setext)Heading([1-6])$/.exec(node.name)?.[1];
  // The page has its own first heading.
  if (heading) return createElement(`h${String(Math.min(6, Number(heading) + 1))}`, { className: styles[`h${heading}`] }, inline(node, draw));
  const frame = FRAMES[node.name];
  if (frame) return createElement(frame, null, children(node, draw));
  switch (node.name) {
    case 'Paragraph':
      return <p>{inline(node, draw)}</p>;
    case 'Task':
      return <p>{inline(node, draw)}</p>;
    case 'FencedCode':
    case 'CodeBlock':
      return <pre>{kids(node).filter(({ name }) => name === 'CodeText').map(({ from, to }) => draw.text.slice(from, to)).join('')}</pre>;
    case 'HorizontalRule':
      return <hr />;
    case 'Table':
      return <Table node={node} draw={draw} />;
    default:
      return <p>{draw.text.slice(node.from, node.to)}</p>;
  }
}

function Table({ node, draw }: { node: SyntaxNode; draw: Draw }) {
  const row = (node: SyntaxNode, Cell: 'th' | 'td') => kids(node).filter(({ name }) => name === 'TableCell').map((cell) => <Cell key={cell.from}>{inline(cell, draw)}</Cell>);
  const rows = kids(node);
  return (
    <div className={styles['table']}>
      <table>
        <thead>{rows.filter(({ name }) => name === 'TableHeader').map((one) => <tr key={one.from}>{row(one, 'th')}</tr>)}</thead>
        <tbody>{rows.filter(({ name }) => name === 'TableRow').map((one) => <tr key={one.from}>{row(one, 'td')}</tr>)}</tbody>
      </table>
    </div>
  );
}

function word(node: SyntaxNode, draw: Draw): ReactNode {
  const said = draw.text.slice(node.from, node.to);
  switch (node.name) {
    case 'Emphasis':
      return <em>{inline(node, draw)}</em>;
    case 'StrongEmphasis':
      return <strong>{inline(node, draw)}</strong>;
    case 'Strikethrough':
      return <del>{inline(node, draw)}</del>;
    case 'InlineCode':
      return <code>{said.replace(/^`+|`+$/g, '')}</code>;
    case 'HardBreak':
      return <br />;
    case 'Escape':
      return said.slice(1);
    case 'TaskMarker':
      return <input type="checkbox" checked={/x/i.test(said)} disabled aria-label={said} />;
    case 'URL':
      return link(said, said);
    case 'Autolink':
      return link(said.slice(1, -1), said.slice(1, -1));
    case 'Link':
      return link(addressOf(node, draw), shownOf(node, draw));
    case 'Image':
      return draw.picture(addressOf(node, draw), altOf(node, draw));
    default:
      return said;
  }
}

function link(address: string, shown: ReactNode): ReactNode {
  return SAFE_LINK.test(address) ? <a href={address} target="_blank" rel="noopener noreferrer">{shown}</a> : shown;
}

function addressOf(node: SyntaxNode, { text }: Draw): string {
  const url = node.getChild('URL');
  return url ? text.slice(url.from, url.to) : '';
}

/** What stands between the brackets of a link. */
function shownOf(node: SyntaxNode, above: Draw): ReactNode[] {
  const [open, close] = node.getChildren('LinkMark');
  if (!open || !close || above.depth >= DEPTH_MAX) return [above.text.slice(node.from, node.to)];
  const draw = { ...above, depth: above.depth + 1 };
  const parts: ReactNode[] = [];
  let at = open.to;
  for (const child of kids(node).filter(({ from, to }) => from >= open.to && to <= close.from)) {
    parts.push(draw.text.slice(at, child.from), <Fragment key={child.from}>{word(child, draw)}</Fragment>);
    at = child.to;
  }
  return [...parts, draw.text.slice(at, close.from)];
}

function altOf(node: SyntaxNode, { text }: Draw): string {
  const [open, close] = node.getChildren('LinkMark');
  return open && close ? text.slice(open.to, close.from) : '';
}
