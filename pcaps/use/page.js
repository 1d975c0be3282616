// Turns a page's description (see pages.py) into requests. One script for every page; PAGE is set before it.
'use strict';
const between = (low, high) => low + Math.random() * (high - low);
const size = ([low, high]) => Math.round(Math.exp(between(Math.log(low + 1), Math.log(high + 1)))) - 1;
const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const filler = n => Array.from(crypto.getRandomValues(new Uint8Array(Math.max(0, n))), b => LETTERS[b % 62]).join('');
const sleep = seconds => new Promise(done => setTimeout(done, seconds * 1000));

function ask(group) {
  const host = group.host.replace('{n}', 1 + Math.floor(Math.random() * 2));
  const url = `https://${host}${group.path}?n=${size(group.down)}&x=${filler(group.query)}`;
  if (group.how === 'img') {
    new Image().src = url;
  } else if (group.how === 'beacon') {
    navigator.sendBeacon(url, filler(size(group.up)));
  } else {
    const body = group.up ? filler(size(group.up)) : undefined;
    return fetch(url, {method: body === undefined ? 'GET' : 'POST', body, mode: 'no-cors', credentials: 'include'})
      .then(answer => answer.blob()).catch(() => 0);
  }
}

function all(groups) {
  for (const group of groups || []) {
    if (Math.random() > group.p) continue;
    const n = Math.round(between(...group.n));
    for (let i = 0; i < n; i++) ask(group);
  }
}

async function again(timer, goes) {
  for (;;) {
    await sleep(between(timer.low, timer.high) * (document.hidden ? timer.slower : 1));
    if (!goes()) return;
    if (timer.when !== 'visible' || !document.hidden) all(timer.groups);
  }
}

function keepOpen(socket) {
  const connection = new WebSocket(`${socket.url}?${socket.query}`);
  connection.onopen = () => setInterval(() => connection.readyState === 1 && connection.send(filler(12)),
    socket.ping * 1000);
  connection.onclose = () => setTimeout(() => keepOpen(socket), between(2000, 9000));
}

async function hold(group) {  // long poll: the server answers when it has something, or after most of a minute
  for (;;) {
    const url = `https://${group.host}${group.path}?n=${size(group.down)}&w=${Math.round(between(12000, 50000))}`;
    await fetch(url, {mode: 'no-cors', credentials: 'include'}).then(answer => answer.blob()).catch(() => sleep(10));
  }
}

let playing = 0;
async function play(kilobits, seconds) {  // as a player does: fill a buffer, then a chunk each time one has run out
  const video = PAGE.video, me = ++playing, goes = () => playing === me;
  const server = 1 + Math.floor(Math.random() * 4);
  const group = length => ({host: video.host.replace('{n}', server), path: video.path, query: video.query, p: 1,
    n: [1, 1], up: [60, 300], how: 'fetch', down: [kilobits * 115 * length, kilobits * 135 * length]});
  for (const timer of video.beacons) again(timer, goes);
  let buffered = 0;
  const began = performance.now(), shown = () => (performance.now() - began) / 1000;
  while (goes() && shown() < seconds) {
    const length = between(...video.chunk);
    if (buffered - shown() < 18 && buffered < seconds) {
      await ask(group(length));
      buffered += length;
    } else {
      await sleep(Math.min(length, 2.5));
    }
  }
  if (goes()) playing++;
}
function pause() { playing++; }

function act(name) {
  if (name === 'scroll') {
    scrollBy(0, 700);
    for (const frame of document.querySelectorAll('iframe')) frame.contentWindow.postMessage('scrolled', '*');
    for (const embed of PAGE.embeds || []) all(embed.scrolled);
  }
  all(PAGE.acts && PAGE.acts[name]);
}
addEventListener('message', said => { if (said.data === 'scrolled') all(PAGE.scrolled); });

for (const part of [PAGE, ...(PAGE.embeds || [])]) {
  all(part.boot);
  for (const [low, high, group] of part.later || []) sleep(between(low, high)).then(() => all([group]));
}
for (const timer of PAGE.idle || []) again(timer, () => true);
for (const socket of PAGE.sockets || []) keepOpen(socket);
for (const group of PAGE.hold || []) hold(group);
if (PAGE.worker) navigator.serviceWorker.register('/sw.js').catch(() => 0);
if (PAGE.autoplay) play(500, 20 + 20 * PAGE.autoplay);
