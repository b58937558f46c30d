// JavaScript's conversation: node's own read-eval-print machinery without its terminal. Loaded by driver.js.
'use strict';
const { Writable, PassThrough } = require('stream');
const { createRequire } = require('module');
const path = require('path');
const repl = require('repl');

const CANDIDATES_MAX = 500;
const INTERRUPTED = 'ERR_SCRIPT_EXECUTION_INTERRUPTED';
// `import x, { y as z } from 'm'` and its shorter forms, at the start of a line.
const IMPORT = /^[ \t]*import\s+(?:([\w$]+)\s*,?\s*)?(?:\*\s*as\s+([\w$]+)\s+)?(?:\{([^}]*)\}\s*)?(?:from\s*)?(['"])([^'"\n]+)\4[ \t]*;?/gm;

/** Static imports as the dynamic ones that work outside a module. */
function withoutStaticImports(code) {
  return code.replace(IMPORT, (_all, name, space, names, quote, from) => {
    const parts = [];
    const load = `await import(${quote}${from}${quote})`;
    if (space) parts.push(`const ${space} = ${load};`);
    const picked = (names || '').split(',').map((one) => one.trim()).filter(Boolean).map((one) => one.replace(/\s+as\s+/, ': '));
    if (name) picked.unshift(`default: ${name}`);
    if (picked.length) parts.push(`const { ${picked.join(', ')} } = ${load};`);
    return parts.join(' ') || `${load};`;
  });
}

/** An error as the console tells it, without the frames of the console itself. */
function describe(error) {
  if (!(error && typeof error === 'object' && typeof error.stack === 'string')) return `Uncaught ${repl.writer(error)}`;
  const lines = error.stack.split('\n');
  const ours = lines.findIndex((line) => /^\s+at .*node:(vm|repl|domain|internal\/vm)/.test(line));
  const kept = (ours < 0 ? lines : lines.slice(0, ours)).join('\n');
  const rest = error.cause === undefined ? '' : `\n  [cause]: ${repl.writer(error.cause)}`;
  return `Uncaught ${kept}${rest}`;
}

/** Standard output and error as events, so that their order against each other is exact. */
function openStreams(send) {
  for (const [stream, verb] of [[process.stdout, 'out'], [process.stderr, 'err']]) {
    stream.write = (data, encoding, done) => {
      if (data.length) send(verb, typeof data === 'string' ? Buffer.from(data, typeof encoding === 'string' ? encoding : 'utf8') : Buffer.from(data));
      const called = typeof encoding === 'function' ? encoding : done;
      if (called) process.nextTick(called);
      return true;
    };
  }
}

/** Says so when the program starts to read its standard input. */
function announceInput(send, busy) {
  const stdin = Object.getOwnPropertyDescriptor(process, 'stdin');
  let opened = null;
  Object.defineProperty(process, 'stdin', {
    configurable: true,
    enumerable: true,
    get() {
      if (!opened) {
        opened = stdin.get.call(process);
        opened.on('resume', () => busy() && send('input', '', 'echo'));
      }
      return opened;
    },
  });
}

exports.open = (send) => {
  let running = null;
  let count = 0;
  openStreams(send);
  announceInput(send, () => running);
  const output = new Writable({ write(data, _encoding, done) { process.stderr.write(data); done(); } });
  const server = repl.start({
    prompt: '', input: new PassThrough(), output, terminal: false, useGlobal: true, breakEvalOnSigint: true, ignoreUndefined: true,
  });
  global.require = createRequire(path.join(process.cwd(), 'query.js'));
  process.argv = [process.execPath];

  const interrupt = () => running && server.emit('SIGINT');
  process.removeAllListeners('SIGINT');
  process.on('SIGINT', interrupt);

  // Errors of the code itself come here too; one that comes while nothing runs is from a timer or a promise left behind.
  const domain = server._domain;
  domain.removeAllListeners('error');
  domain.on('error', (error) => {
    if (running) running({ failed: true, error });
    else process.stderr.write(`${describe(error)}\n`);
  });

  function evaluate(code) {
    count += 1;
    return new Promise((resolve) => {
      running = resolve;
      // While code runs node's own watchdog has the signal, and our listener would take it away; while code awaits it is ours.
      process.removeListener('SIGINT', interrupt);
      server.eval(`${code}\n`, global, `query-${count}`, (error, value) => resolve({ failed: error !== null && error !== undefined, error, value }));
      process.on('SIGINT', interrupt);
    });
  }

  function show(value) {
    if (!server.underscoreAssigned) server.last = value;
    if (value !== undefined) process.stdout.write(`${server.writer(value)}\n`);
  }

  async function exec(code) {
    let { failed, error, value } = await evaluate(withoutStaticImports(code));
    if (error instanceof repl.Recoverable) error = error.err;
    running = null;
    let status = 'ok';
    if (!failed) {
      show(value);
    } else if (error && error.code === INTERRUPTED) {
      status = 'interrupted';
      process.stderr.write('Interrupted\n');
    } else {
      status = 'error';
      server.lastError = error;
      process.stderr.write(`${describe(error)}\n`);
    }
    send('done', '', status);
  }

  function complete(code, cursor) {
    const before = Buffer.from(code).subarray(0, Number(cursor === undefined ? Buffer.byteLength(code) : cursor)).toString();
    return new Promise((resolve) => {
      server.complete(before, (_error, answer) => {
        const [found, word] = answer || [[], ''];
        const names = found.filter((name) => name && !name.includes('\n')).slice(0, CANDIDATES_MAX);
        send('completions', names.join('\n'), Buffer.byteLength(before) - Buffer.byteLength(word));
        resolve();
      });
    });
  }
  return { exec, complete };
};
