// JavaScript's driver: waits for requests on descriptor 3, answers on 4 (docs/design/0002-driver-protocol.md).
//
// Until the first request it has loaded nothing a bare node has not, and blocks in a plain read. `exec` lives in
// console.js and keeps the event loop turning between requests, so that timers and promises of the program go on.
'use strict';
const fs = require('fs');

const HEADER_BYTES_MAX = 4096;
const chunk = Buffer.allocUnsafe(65536);
let ahead = Buffer.alloc(0);

/** One event, whole. */
function send(verb, payload = '', ...args) {
  const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload);
  let left = Buffer.concat([Buffer.from([verb, bytes.length, ...args].join(' ') + '\n'), bytes]);
  while (left.length) {
    try {
      left = left.subarray(fs.writeSync(4, left));
    } catch (error) {
      if (error.code !== 'EAGAIN') process.exit(70);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** The first whole request in what was read ahead, or null. */
function next() {
  const end = ahead.indexOf(10);
  if (end < 0) {
    if (ahead.length > HEADER_BYTES_MAX) process.exit(70);
    return null;
  }
  const [verb, length, ...args] = ahead.toString('latin1', 0, end).split(' ');
  const stop = end + 1 + Number(length);
  if (ahead.length < stop) return null;
  const payload = Buffer.from(ahead.subarray(end + 1, stop));
  ahead = ahead.subarray(stop);
  return { verb, payload, args };
}

function setEnvironment(payload) {
  for (const entry of payload.toString().split('\0')) {
    const equals = entry.indexOf('=');
    if (equals > 0) process.env[entry.slice(0, equals)] = entry.slice(equals + 1);
  }
}

/** Everything as `node path arg…` has it when the first line runs. */
function runScript(payload) {
  const path = require('path');
  const { runMain } = require('module');
  const [main, ...args] = payload.toString().split('\0');
  fs.closeSync(3);
  fs.closeSync(4);
  process.argv = [process.execPath, path.resolve(main), ...args];
  process.removeAllListeners('SIGINT');
  process.mainModule = undefined;
  delete require.cache[__filename];
  // From the event loop, so that this file is not in the program's stack traces.
  setImmediate(runMain);
}

let talk = null;

/** Serves one request; answers whether more may be read. */
async function serve({ verb, payload, args }) {
  if (verb === 'env') setEnvironment(payload);
  if (verb === 'script') {
    runScript(payload);
    return false;
  }
  if (verb === 'exec' || verb === 'complete') {
    talk = talk || require('./console.js').open(send);
    await talk[verb](payload.toString(), ...args);
  }
  return true;
}

function take(count) {
  if (count === 0) process.exit(0);
  ahead = Buffer.concat([ahead, chunk.subarray(0, count)]);
}

/** From the first `exec` on: requests come through the event loop. */
async function turn() {
  for (;;) {
    const request = next();
    if (request) {
      if (!(await serve(request))) return;
    } else {
      take(await new Promise((resolve) => fs.read(3, chunk, 0, chunk.length, null, (error, count) => resolve(error ? 0 : count))));
    }
  }
}

/** Until then: a plain read, which needs no thread of its own. */
function wait() {
  for (;;) {
    const request = next();
    if (!request) {
      take(fs.readSync(3, chunk, 0, chunk.length, null));
    } else if (request.verb === 'env') {
      setEnvironment(request.payload);
    } else if (request.verb === 'script') {
      return runScript(request.payload);
    } else {
      return void serve(request).then((more) => more && turn());
    }
  }
}

process.on('SIGINT', () => {}); // between two requests an interrupt is for nobody
send('ready');
wait();
