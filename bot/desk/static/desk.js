// What the other scripts share, and what every page has: the line to the server, menus, waiting times.
(function () {
  "use strict";

  const $ = (selector, root) => (root || document).querySelector(selector);
  const $$ = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const token = () => $("input[name=token]").value;

  // A small message to the server. It goes out even while the page is being left.
  function post(address, fields) {
    const body = new URLSearchParams(Object.assign({ token: token() }, fields));
    return fetch(address, { method: "POST", body: body, keepalive: body.toString().length < 60000, redirect: "manual" });
  }

  // ------------------------------------------------------------------ how long someone waits

  function tick() {
    const language = document.documentElement.lang;
    $$("time[data-since]").forEach((item) => {
      const minutes = Math.max(1, Math.floor((Date.now() - Date.parse(item.dataset.since)) / 60000));
      const [value, unit] =
        minutes < 60 ? [minutes, "minute"] : minutes < 1440 ? [Math.floor(minutes / 60), "hour"] : [Math.floor(minutes / 1440), "day"];
      const text = new Intl.NumberFormat(language, { style: "unit", unit: unit, unitDisplay: "short" }).format(value);
      if (item.textContent !== text) item.textContent = text;
    });
  }

  // ------------------------------------------------------------------ leaving, though somebody is typing

  // A session can end in the middle of a word: the page is left at the next pause, so that no letter of a
  // reply is typed into the page that asks for the password.
  const PAUSE_MS = 1200;
  const AT_LATEST_MS = 10000;
  let typed = -PAUSE_MS;
  let leaving = 0;
  let wished = 0;
  document.addEventListener("input", () => (typed = performance.now()), true);

  function leave(go) {
    clearTimeout(leaving);
    wished = wished || performance.now();
    const wait = Math.min(typed + PAUSE_MS, wished + AT_LATEST_MS) - performance.now();
    if (wait <= 0) go();
    else leaving = setTimeout(() => leave(go), wait);
  }
  document.body.addEventListener("htmx:beforeOnLoad", (event) => {
    const address = event.detail.xhr.getResponseHeader("HX-Redirect");
    if (event.detail.xhr.status !== 401 || !address) return;
    event.preventDefault();
    leave(() => location.assign(address));
  });

  // ------------------------------------------------------------------ the line to the server

  const net = document.getElementById("net");
  let lost = 0;

  function say(kind) {
    if (!net) return;
    net.hidden = !kind;
    net.textContent = kind ? net.dataset[kind] || kind : "";
  }

  htmx.createEventSource = (address) => {
    const source = new EventSource(address);
    source.addEventListener("signed-out", () => {
      source.close();
      leave(() => location.reload());
    });
    source.addEventListener("news", () => document.dispatchEvent(new Event("desk-news")));
    return source;
  };
  document.body.addEventListener("htmx:sseError", () => {
    clearTimeout(lost);
    lost = setTimeout(() => say("lost"), 3000);
  });
  let opened = false;
  document.body.addEventListener("htmx:sseOpen", () => {
    clearTimeout(lost);
    say("");
    // While the line was down the bell may have missed something. The stream tells of news from now on only, so
    // what came since the page was made is asked for.
    if (opened) htmx.trigger("#bell", "look");
    document.dispatchEvent(new Event("desk-news"));
    opened = true;
  });
  ["htmx:responseError", "htmx:sendError", "htmx:timeout"].forEach((name) =>
    document.body.addEventListener(name, (event) => {
      if (!event.detail.requestConfig || event.detail.requestConfig.verb !== "post") return;
      // Signed in anew meanwhile: this page's forms belong to a session that is over.
      const stale = event.detail.xhr && event.detail.xhr.status === 403;
      say(stale ? "stale" : event.target.matches("#composer, #noter") ? "unsure" : "failed");
    })
  );
  document.body.addEventListener("htmx:afterOnLoad", (event) => {
    if (event.detail.requestConfig.verb === "post") say("");
  });

  // ------------------------------------------------------------------ menus

  document.addEventListener("click", (event) => {
    $$("details.menu[open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });
  document.addEventListener("keydown", (event) => {
    const menu = $("details.menu[open]");
    if (event.key === "Escape" && menu) {
      menu.open = false;
      $("summary", menu).focus();
    }
  });

  // ------------------------------------------------------------------ pictures

  const viewer = document.getElementById("viewer");
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.picture");
    if (!link || !viewer || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    $("img", viewer).src = link.href;
    $("img", viewer).alt = $("img", link).alt;
    $("a", viewer).href = link.href;
    viewer.showModal();
  });
  if (viewer) {
    viewer.addEventListener("click", (event) => {
      if (event.target === viewer) viewer.close();
    });
  }

  window.desk = { $: $, $$: $$, post: post, say: say, tick: tick };
  tick();
  setInterval(tick, 30000);
})();
