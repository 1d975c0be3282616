// A service worker as a social site registers it: keeps the shell of the page, answers nothing itself, reports home.
const SHELL = ['/manifest.json?n=900', '/shell/0?n=9000', '/shell/1?n=24000'];
addEventListener('install', event => {
  skipWaiting();
  event.waitUntil(caches.open('shell').then(cache => cache.addAll(SHELL)).catch(() => 0));
});
addEventListener('activate', event => event.waitUntil(clients.claim()));
addEventListener('fetch', () => {});
