// Live updates: a notice from the server says that this page has changed, and its live parts are asked for again.
// Without this script everything works; what is shown is then as of the last load.
"use strict";

(() => {
  const footer = document.querySelector("[data-updates]");
  const state = document.getElementById("live-state");
  const announcer = document.getElementById("announcer");
  let source = null;
  let busy = false;
  let again = false;

  const say = (text) => { if (state && state.textContent !== text) state.textContent = text; };

  // For screen readers: what the page is about, and the word for its state.
  const status = () => {
    const heading = document.querySelector("[data-live] h1");
    const word = heading?.querySelector(".word")?.textContent;
    return word ? `${heading.firstChild.textContent} is ${word}` : "";
  };

  const replace = (fresh) => {
    const before = status();
    for (const part of document.querySelectorAll("[data-live]")) {
      const other = fresh.getElementById(part.id);
      if (!other || other.innerHTML === part.innerHTML) continue;
      const reachable = () => [...part.querySelectorAll("a, summary, button")];
      const focus = reachable().indexOf(document.activeElement);
      const open = [...part.querySelectorAll("details")].map((box) => box.open);
      part.replaceChildren(...document.adoptNode(other).childNodes);
      part.querySelectorAll("details").forEach((box, index) => { box.open = open[index] || false; });
      if (focus >= 0) reachable()[focus]?.focus({ preventScroll: true });
    }
    if (announcer && status() !== before) announcer.textContent = status();
  };

  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { "Goldsmith-Live": "1" } });
      if (answer.status === 401) { location.reload(); return; }
      if (!answer.ok) throw new Error(String(answer.status));
      replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      say("Live.");
    } catch {
      say("Live updates are interrupted.");
    } finally {
      busy = false;
      if (again) { again = false; refresh(); }
    }
  };

  const connect = () => {
    if (source || !footer) return;
    source = new EventSource(footer.dataset.updates);
    source.addEventListener("open", () => { say("Live."); refresh(); });
    source.addEventListener("changed", refresh);
    source.addEventListener("error", () => {
      const isOver = source?.readyState === EventSource.CLOSED;
      say(isOver ? "Live updates are off." : "Live updates are interrupted.");
      if (isOver) refresh();
    });
  };
  const disconnect = () => { source?.close(); source = null; };

  // A hidden page needs no updates, and a browser allows few connections.
  document.addEventListener("visibilitychange", () => { document.hidden ? disconnect() : connect(); });
  window.addEventListener("pagehide", disconnect);
  window.addEventListener("pageshow", () => { if (!document.hidden) connect(); });

  // A link with a token behind the # logs in by itself. That part of an address is never sent to a server.
  const followToken = () => {
    const token = /^#token=([0-9a-f]{32,64})$/.exec(location.hash);
    const form = document.getElementById("token-login");
    if (!token || !form) return;
    history.replaceState(null, "", location.pathname);
    form.querySelector("[name=token]").value = token[1];
    form.requestSubmit();
  };
  window.addEventListener("hashchange", followToken);
  followToken();
})();
