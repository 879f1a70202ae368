// What the desk's pages need beyond htmx: swaps that keep what has not changed, drafts, keys.
(function () {
  "use strict";

  const $ = (selector, root) => (root || document).querySelector(selector);
  const $$ = (selector, root) => Array.from((root || document).querySelectorAll(selector));

  // ------------------------------------------------------------------ swaps that keep
  // Children are matched by id. One whose data-v is the same stays as it is, so that focus, an open
  // detail, a scroll place and a half-written reply survive; data-keyed means: look further inside.

  function carryOver(before, after) {
    $$("textarea[id]", before).forEach((old) => {
      const fresh = $("#" + CSS.escape(old.id), after);
      if (fresh && !fresh.value) fresh.value = old.value;
    });
    $$("details[open][id]", before).forEach((old) => {
      const fresh = $("#" + CSS.escape(old.id), after);
      if (fresh) fresh.open = true;
    });
  }

  function patch(target, source, added) {
    const focused = document.activeElement;
    const focusedId = focused && target.contains(focused) ? focused.id : "";
    const known = new Map(Array.from(target.children, (child) => [child.id, child]));
    let place = target.firstElementChild;
    Array.from(source.children).forEach((fresh) => {
      const old = fresh.id ? known.get(fresh.id) : null;
      let stays = fresh;
      if (old) {
        known.delete(fresh.id);
        if (fresh.dataset.v !== undefined && fresh.dataset.v === old.dataset.v) {
          stays = old;
        } else if (fresh.hasAttribute("data-keyed") && old.hasAttribute("data-keyed")) {
          patch(old, fresh, added);
          stays = old;
        } else {
          carryOver(old, fresh);
          if (place === old) place = old.nextElementSibling;
          old.remove();
          added.push(fresh);
        }
      } else {
        added.push(fresh);
      }
      if (stays === place) place = place.nextElementSibling;
      else target.insertBefore(stays, place);
    });
    known.forEach((old) => old.remove());
    if (focusedId && document.activeElement !== focused) {
      const again = document.getElementById(focusedId);
      if (again) again.focus({ preventScroll: true });
    }
  }

  htmx.defineExtension("keyed", {
    isInlineSwap: () => false,
    handleSwap: (style, target, fragment) => {
      if (style !== "keyed") return false;
      const source = $("#" + CSS.escape(target.id), fragment);
      if (!source) return [];
      const stick = atBottom();
      const added = [];
      patch(target, source, added);
      announce(added);
      if (stick) toBottom();
      tick();
      return added;
    },
  });

  // ------------------------------------------------------------------ the transcript

  const scroller = () => document.getElementById("scroller");

  const scrolls = (box) => getComputedStyle(box).overflowY !== "visible";
  const lastMessage = () => $("#messages > :last-child");

  // On a small screen the page scrolls, elsewhere the transcript does.
  function atBottom() {
    const box = scroller();
    if (!box) return false;
    if (scrolls(box)) return box.scrollHeight - box.scrollTop - box.clientHeight < 80;
    return lastMessage().getBoundingClientRect().top < window.innerHeight;
  }

  function toBottom() {
    const box = scroller();
    if (!box) return;
    if (scrolls(box)) box.scrollTop = box.scrollHeight;
    else lastMessage().scrollIntoView({ block: "end" });
  }

  // A picture takes its place only when it has come.
  document.addEventListener(
    "load",
    (event) => {
      const box = scroller();
      const image = event.target;
      if (image.tagName !== "IMG" || !box || !box.contains(image) || !scrolls(box)) return;
      if (box.scrollHeight - box.scrollTop - box.clientHeight < image.clientHeight + 120) toBottom();
    },
    true
  );

  function announce(added) {
    const words = added.filter((item) => item.dataset && item.dataset.author === "customer" && !item.dataset.seen);
    const place = document.getElementById("announcer");
    if (place && words.length) {
      const last = words[words.length - 1];
      place.textContent = $(".msg-head strong", last).textContent + ": " + ($(".bubble", last) || last).textContent;
    }
  }

  // ------------------------------------------------------------------ drafts
  // Kept in this tab only, so that a reload or signing in again loses nothing.

  const draftKey = () => "draft:" + location.pathname;
  const reply = () => document.getElementById("reply");

  document.addEventListener("input", (event) => {
    if (event.target.id === "reply") sessionStorage.setItem(draftKey(), event.target.value);
  });

  document.body.addEventListener("desk-sent", () => {
    sessionStorage.removeItem(draftKey());
    if (reply()) {
      reply().value = "";
      reply().focus();
    }
    toBottom();
  });

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

  // ------------------------------------------------------------------ the line to the server

  const net = document.getElementById("net");
  let lost = 0;

  function say(kind) {
    if (!net) return;
    net.hidden = !kind;
    net.textContent = kind ? net.dataset[kind] : "";
  }

  htmx.createEventSource = (address) => {
    const source = new EventSource(address);
    source.addEventListener("signed-out", () => {
      source.close();
      location.reload();
    });
    return source;
  };
  document.body.addEventListener("htmx:sseError", () => {
    clearTimeout(lost);
    lost = setTimeout(() => say("lost"), 3000);
  });
  document.body.addEventListener("htmx:sseOpen", () => {
    clearTimeout(lost);
    say("");
  });
  ["htmx:responseError", "htmx:sendError"].forEach((name) =>
    document.body.addEventListener(name, (event) => {
      if (event.detail.requestConfig && event.detail.requestConfig.verb === "post") say("failed");
    })
  );
  document.body.addEventListener("htmx:afterOnLoad", (event) => {
    if (event.detail.requestConfig.verb === "post") say("");
  });

  // ------------------------------------------------------------------ keys

  const help = document.getElementById("help");
  const keysOn = document.getElementById("keys-on");
  const shortcuts = () => localStorage.getItem("desk-keys") !== "off";

  if (keysOn) {
    keysOn.checked = shortcuts();
    keysOn.addEventListener("change", () => localStorage.setItem("desk-keys", keysOn.checked ? "on" : "off"));
  }
  $$("[data-help]").forEach((button) => button.addEventListener("click", () => help.showModal()));

  function move(step) {
    const rows = $$("a.open");
    if (!rows.length) return;
    const at = rows.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1);
    rows[next].focus();
    rows[next].scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.id === "reply") {
      event.preventDefault();
      if ($("#composer button")) event.target.form.requestSubmit();
      return;
    }
    const writing = event.target.closest("input, textarea, select, dialog");
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || writing || !shortcuts()) return;
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "r" && reply()) reply().focus();
    else if (event.key === "?" && help) help.showModal();
    else return;
    event.preventDefault();
  });

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

  // ------------------------------------------------------------------ at the start

  if (reply() && !reply().value) reply().value = sessionStorage.getItem(draftKey()) || "";
  toBottom();
  tick();
  setInterval(tick, 30000);
})();
