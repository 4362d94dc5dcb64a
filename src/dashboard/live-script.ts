const everyMs = 3_000;

/**
 * Keeps a page fresh: loads it again and exchanges the parts that have changed. A part is left alone while somebody is
 * at one of its buttons or links, so that nothing moves under a finger, or has text of it selected.
 */
export const liveScript = `'use strict';
const parts = () => [...document.querySelectorAll('[data-live]')];

function inUse(part) {
  const selection = getSelection();
  const selected = selection !== null && !selection.isCollapsed && part.contains(selection.anchorNode);
  return selected || part.contains(document.activeElement) || part.querySelector('button:hover, a:hover') !== null;
}

function tellOutage(message) {
  document.querySelector('#outage')?.remove();
  if (message === undefined) return;
  const notice = document.createElement('p');
  notice.id = 'outage';
  notice.className = 'notice failed';
  notice.setAttribute('role', 'status');
  notice.textContent = message;
  document.querySelector('main').prepend(notice);
}

async function refresh() {
  if (document.hidden) return;
  const answer = await fetch(location.href, { redirect: 'manual', headers: { accept: 'text/html', 'x-live': '1' } });
  // The session is over: the login is where the page leads to now.
  if (answer.type === 'opaqueredirect') return location.reload();
  if (!answer.ok) throw new Error(String(answer.status));
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
  for (const part of parts()) {
    const other = fresh.getElementById(part.id);
    if (other !== null && other.innerHTML !== part.innerHTML && !inUse(part)) part.replaceWith(other);
  }
  tellOutage(undefined);
}

async function loop() {
  try {
    await refresh();
  } catch {
    tellOutage('The worker does not answer. What stands here is how it was.');
  }
  setTimeout(loop, ${everyMs});
}
setTimeout(loop, ${everyMs});
`;
