'use strict';
// The page of /signin and /signin/link; the secret of a link stands behind `#`, which no server sees.
const byId = (id) => document.getElementById(id);
const say = (text) => { document.querySelector('[role=status]').textContent = text; };

async function send(path, body) {
  const answer = await fetch(path, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
  });
  if (answer.ok) return answer.status === 204 ? {} : answer.json();
  const problem = await answer.json().catch(() => ({ detail: 'the server does not answer as it should' }));
  throw new Error(problem.detail);
}

function on(form, act) {
  form.hidden = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    say('');
    try { await act(); } catch (error) { say(error.message); }
  });
}

if (location.pathname === '/signin/link') {
  on(byId('link'), async () => {
    const password = { secret: location.hash.slice(1), password: byId('new').value, revoke_all: byId('revoke').checked };
    await send('/api/v1/links/use', password);
    history.replaceState(null, '', '/signin');
    byId('link').hidden = true;
    say('The password is set. Reload this page to sign in.');
  });
} else {
  on(byId('signin'), async () => {
    const who = await send('/api/v1/signin', { name: byId('name').value, password: byId('password').value });
    byId('signin').hidden = true;
    say(`Signed in as ${who.name}.`);
  });
  fetch('/api/v1/signin/providers').then((answer) => answer.json()).then(({ items }) => {
    for (const provider of items) {
      const link = document.createElement('a');
      link.href = provider.url;
      link.textContent = `Sign in with ${provider.title}`;
      byId('providers').append(link);
    }
  }, () => say('The server does not answer.'));
}
