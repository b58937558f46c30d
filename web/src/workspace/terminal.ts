import '@xterm/xterm/css/xterm.css';
import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';

export type Screen = { focus: () => void; close: () => void };
export type Heard = { opened: () => void; closed: (why: string) => void; titled: (title: string) => void };

const THEME = { background: '#1b1916', foreground: '#ece8df', cursor: '#7fc9a4', selectionBackground: '#2d4a3c' };
const SCROLLBACK_LINES = 5_000;

/** A terminal in `parent` and the shell behind it. */
export function openScreen(parent: HTMLElement, session: string, label: string, heard: Heard): Screen {
  const nonced = withNonce();
  const terminal = new Terminal({ fontFamily: 'ui-monospace, "DejaVu Sans Mono", "Noto Sans Mono CJK KR", monospace', fontSize: 14, theme: THEME, scrollback: SCROLLBACK_LINES, screenReaderMode: true });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(parent);
  nonced();
  terminal.textarea?.setAttribute('aria-label', label);
  // F6 goes on to the next pane, as everywhere in the workspace; without it the keyboard could never leave.
  terminal.attachCustomKeyEventHandler((event) => event.key !== 'F6');
  terminal.onTitleChange(heard.titled);
  fit.fit();
  const socket = connect(session, terminal, heard);
  const watch = new ResizeObserver(() => { if (parent.clientHeight > 0) fit.fit(); });
  watch.observe(parent);
  return {
    focus: () => { terminal.focus(); },
    close: () => {
      watch.disconnect();
      socket.onclose = null;
      socket.close();
      terminal.dispose();
    },
  };
}

function connect(session: string, terminal: Terminal, heard: Heard): WebSocket {
  const url = new URL(`/api/v1/sessions/${encodeURIComponent(session)}/terminal`, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  url.search = new URLSearchParams({ rows: String(terminal.rows), cols: String(terminal.cols) }).toString();
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  const send = (what: string | Uint8Array<ArrayBuffer>) => { if (socket.readyState === WebSocket.OPEN) socket.send(what); };
  const encoder = new TextEncoder();
  socket.onopen = heard.opened;
  socket.onmessage = ({ data }: MessageEvent<unknown>) => { if (data instanceof ArrayBuffer) terminal.write(new Uint8Array(data)); };
  socket.onclose = ({ reason }) => { heard.closed(reason === 'the run is over' ? '' : reason); };
  terminal.onData((text) => { send(encoder.encode(text)); });
  terminal.onBinary((bytes) => { send(Uint8Array.from(bytes, (letter) => letter.charCodeAt(0))); });
  terminal.onResize(({ rows, cols }) => { send(JSON.stringify({ resize: { rows, cols } })); });
  return socket;
}

/** The terminal makes its style elements itself and knows no nonce, without which the page's policy refuses them. */
function withNonce(): () => void {
  const nonce = document.querySelector<HTMLMetaElement>('meta[property=csp-nonce]')?.nonce ?? '';
  const create = document.createElement.bind(document);
  document.createElement = ((tag: string, options?: ElementCreationOptions) => {
    const element = create(tag, options);
    if (element instanceof HTMLStyleElement) element.nonce = nonce;
    return element;
  }) as typeof document.createElement;
  return () => { document.createElement = create; };
}
