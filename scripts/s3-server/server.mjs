// A store that speaks S3, for tests: s3rver on loopback, with one bucket. Prints its address, the bucket, the keys and where the files are in one
// line, then serves. s3rver looks at no signature of version 4, so the requests that it sees are those whose signature is right.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const S3rver = require('s3rver');
const accounts = require('s3rver/lib/models/account');

const [directory] = process.argv.slice(2);
const bucket = 'madang-test';
const id = 'MADANGTEST';
const secret = randomBytes(20).toString('hex');
accounts.DUMMY_ACCOUNT.revokeAccessKey('S3RVER');
accounts.DUMMY_ACCOUNT.createKeyPair(id, secret);

const hmac = (key, text) => createHmac('sha256', key).update(text).digest();

// As in https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, but for the body, whose digest is signed.
function isSigned({ method, url, headers }) {
    const said = /^AWS4-HMAC-SHA256 Credential=([^,]+), *SignedHeaders=([^,]+), *Signature=([0-9a-f]{64})$/.exec(headers.authorization ?? '');
    if (!said) return false;
    const [, credential, names, signature] = said;
    const [who, ...scope] = credential.split('/');
    if (who !== id || !names.split(';').includes('host')) return false;
    const [path, query = ''] = url.split('?');
    const pairs = query.split('&').filter(Boolean).map((pair) => (pair.includes('=') ? pair : `${pair}=`));
    const lines = names.split(';').map((name) => `${name}:${(headers[name] ?? '').trim().replace(/ +/g, ' ')}\n`);
    const asked = [method, path, pairs.sort().join('&'), lines.join(''), names, headers['x-amz-content-sha256']].join('\n');
    const digest = createHash('sha256').update(asked).digest('hex');
    const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope.join('/'), digest].join('\n');
    const key = scope.reduce((key, part) => hmac(key, part), `AWS4${secret}`);
    return timingSafeEqual(hmac(key, text), Buffer.from(signature, 'hex'));
}

const store = new S3rver({ directory, silent: true, vhostBuckets: false, configureBuckets: [{ name: bucket }] });
await store.configureBuckets();
const answer = store.callback();
const server = createServer((request, response) => {
    if (isSigned(request)) return answer(request, response);
    request.resume();
    response.writeHead(403, { 'content-type': 'application/xml' });
    response.end('<Error><Code>SignatureDoesNotMatch</Code></Error>');
});
server.listen(0, '127.0.0.1', () => {
    console.log(`http://127.0.0.1:${server.address().port} ${bucket} ${id} ${secret} ${directory}`);
});
