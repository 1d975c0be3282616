// Keeps the Today page as new as the store: an event says that something came, and the page's parts are fetched anew.
"use strict";

(() => {
  const main = document.querySelector("[data-live]");
  if (!main) return;
  const told = document.getElementById("told");
  let busy = false, again = false;

  async function renew() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.redirected || answer.status === 401 || answer.status === 403) return location.reload();
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const parts = [...document.querySelectorAll("[data-part]")];
      const found = parts.map(part => fresh.querySelector(`[data-part="${part.dataset.part}"]`));
      if (!parts.length || found.includes(null)) return location.reload();
      parts.forEach((part, i) => {
        const at = part.contains(document.activeElement) ? focusable(part).indexOf(document.activeElement) : -1;
        part.replaceChildren(...found[i].childNodes);
        if (at >= 0) focusable(part)[at]?.focus();
      });
      document.dispatchEvent(new Event("renewed"));
      const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: main.dataset.zone });
      told.textContent = told.dataset.text.replace("{time}", clock.format(new Date()));
    } catch {
      // The machine cannot be reached just now; the next event or minute tries again.
    } finally {
      busy = false;
      if (again) {
        again = false;
        renew();
      }
    }
  }

  const focusable = part => [...part.querySelectorAll("a[href], button, summary, [tabindex]")];
  const source = new EventSource(main.dataset.live);
  let timer = 0;
  source.addEventListener("day", renew);
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED && !timer) timer = setInterval(renew, 60_000);
  });
  addEventListener("pagehide", () => source.close());
})();
