// The chat page. Whatever a customer writes is kept until the server has committed it and is sent
// again under the same id until then; whatever the server has committed arrives in order of its id.

import { draw, element, page, words } from "./draw.js";
import { forget, freshId, keep, kept } from "./store.js";

const $ = (id) => document.getElementById(id);
const [scroll, log, typing, text, form, status, banner, newer, greeting] =
  ["scroll", "log", "typing", "text", "composer", "status", "banner", "newer", "greeting"].map($);
const embedded = window.parent !== window;
const SEND_SECONDS = 20;
const UPLOAD_SECONDS = 180;
const SILENCE_SECONDS = 45;
const TYPING_SECONDS = 60;
const LIMIT_SECONDS = 30;
const REASONS = new Set(["too_long", "too_large", "bad_type", "empty", "no_session"]);

// ---------------------------------------------------------------- messages and their choices

let choices = [];

function add(shown) {
  const box = draw(shown, ready);
  if (shown.buttons && shown.buttons.length) drawChoices(box, shown);
  greeting.hidden = true;
  return box;
}

function drawChoices(box, shown) {
  const group = element("div", "choices");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", words.choices);
  group.dir = "auto";
  for (const button of shown.buttons) {
    const made = element("button", "", button.title);
    made.type = "button";
    made.dir = "auto";
    made.addEventListener("click", (event) => {
      say(button.title, button.payload);
      // A key press goes on in the text field; a touch must not bring up the keyboard.
      if (event.detail === 0) text.focus();
    });
    group.append(made);
  }
  box.querySelector(".meta").before(group);
  choices.push({ group, id: shown.id, survey: shown.author === "survey", buttons: shown.buttons });
}

// Once the customer has answered, the choices above are gone; a survey's stay until it is answered.
function useChoices(said, before) {
  choices = choices.filter((choice) => {
    const answered = choice.buttons.some((button) =>
      said.payload ? button.payload === said.payload : button.title === said.text.trim());
    const used = choice.id < before && (!choice.survey || answered);
    if (used) choice.group.remove();
    return !used;
  });
}

// ---------------------------------------------------------------- scrolling

let down = true;
let top = 0;
scroll.addEventListener("scroll", () => {
  // Only scrolling up means to stay there: what is added below moves nothing by itself.
  if (scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80) down = true;
  else if (scroll.scrollTop < top) down = false;
  top = scroll.scrollTop;
  if (down) newer.hidden = true;
});

function keepDown() {
  if (down) scroll.scrollTop = scroll.scrollHeight;
}

function goDown() {
  down = true;
  newer.hidden = true;
  keepDown();
}

newer.addEventListener("click", () => {
  goDown();
  text.focus();
});
const resized = new ResizeObserver(keepDown);
resized.observe(scroll);
resized.observe(log);

// ---------------------------------------------------------------- what the customer sends

const mine = new Map(); // by the page's own id
const queue = [];
let ready = false;
let sending = false;
let failures = 0;
let retryTimer = 0;

function mark(item, state, reason) {
  item.box.classList.toggle("pending", state === "sending" || state === "waiting");
  item.box.classList.toggle("failed", state === "failed");
  item.box.dataset.state = state;
  const meta = item.box.querySelector(".meta");
  const shown = meta.querySelector(".state") || element("span", "state");
  shown.textContent = reason || words[state];
  meta.append(shown);
  const old = meta.querySelector(".retry");
  if (state === "failed" && queue.includes(item)) {
    if (old) return;
    const again = element("button", "retry", words.retry);
    again.type = "button";
    again.addEventListener("click", pumpNow);
    meta.append(again);
  } else if (old) {
    const focused = document.activeElement === old;
    old.remove();
    if (focused) text.focus();
  }
}

function enqueue(item) {
  mine.set(item.id, item);
  const files = item.file ? [{ name: item.file.name, mime: item.file.type, url: URL.createObjectURL(item.file) }] : [];
  item.box = add({ author: "customer", text: item.text, files, at: item.at });
  queue.push(item);
  keep(item);
  mark(item, failures ? "waiting" : "sending");
  useChoices(item, Infinity);
  goDown();
  pump();
}

function say(said, payload) {
  enqueue({ id: freshId(), text: said, payload: payload || "", at: new Date().toISOString() });
}

async function post(item) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), 1000 * (item.file ? UPLOAD_SECONDS : SEND_SECONDS));
  try {
    if (item.file) {
      const body = new FormData();
      body.append("id", item.id);
      body.append("file", item.file, item.file.name);
      return await fetch("/chat/files", { method: "POST", body, signal: stop.signal });
    }
    return await fetch("/chat/messages", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ id: item.id, text: item.text, payload: item.payload, locale: page.locale }),
      signal: stop.signal,
    });
  } finally {
    clearTimeout(timer);
  }
}

// Sends one after another, so that messages arrive in the order they were written.
async function pump() {
  if (sending || !ready || retryTimer) return;
  sending = true;
  while (queue.length) {
    const item = queue[0];
    mark(item, "sending");
    let response = null;
    try {
      response = await post(item);
    } catch {
      // No connection: try again below.
    }
    if (queue[0] !== item) continue; // The stream has told meanwhile that it arrived.
    if (response && response.ok) {
      failures = 0;
      done(item);
      continue;
    }
    const problem = response ? await response.json().catch(() => ({})) : {};
    const code = response ? response.status : 0;
    if (code === 401) {
      mark(item, "failed");
      ended();
      break;
    }
    if (code >= 400 && code < 500 && code !== 408 && code !== 429) {
      queue.shift();
      forget(item);
      mark(item, "failed", REASONS.has(problem.error) ? words[problem.error] : words.failed);
      continue;
    }
    tryLater(item, response);
    break;
  }
  sending = false;
  showTyping();
}

function done(item) {
  const place = queue.indexOf(item);
  if (place >= 0) queue.splice(place, 1);
  forget(item);
  item.acknowledged = Date.now();
  mark(item, "sent");
  showTyping();
}

function tryLater(item, response) {
  failures += 1;
  const asked = response ? Number(response.headers.get("Retry-After")) : 0;
  const seconds = Math.max(asked || 0, Math.min(LIMIT_SECONDS, 2 ** (failures - 1))) * (0.9 + Math.random() / 5);
  mark(item, "failed");
  for (const later of queue.slice(1)) mark(later, "waiting");
  retryTimer = setTimeout(pumpNow, seconds * 1000);
}

function pumpNow() {
  clearTimeout(retryTimer);
  retryTimer = 0;
  pump();
}

// ---------------------------------------------------------------- waiting for an answer

let owner = "bot";
let typingTimer = 0;

function showTyping() {
  const since = Date.now() - TYPING_SECONDS * 1000;
  const waiting = owner === "bot" && [...mine.values()].some((item) => item.acknowledged > since && !item.handled);
  clearTimeout(typingTimer);
  typing.hidden = !waiting;
  if (waiting) typingTimer = setTimeout(showTyping, TYPING_SECONDS * 1000);
  keepDown();
}

function showOwner(connected) {
  const state = connected ? owner : "connecting";
  if (status.dataset.owner === state) return;
  status.dataset.owner = state;
  status.textContent = connected ? words[`owner_${owner}`] : words.connecting;
}

// ---------------------------------------------------------------- what the server tells

let last = null;
let source = null;
let heard = Date.now();
let lost = 0;
let reconnectTimer = 0;
let over = false;

function connect() {
  clearTimeout(reconnectTimer);
  reconnectTimer = 0;
  if (source) source.close();
  if (over) return;
  heard = Date.now();
  let opened = false;
  const stream = new EventSource(last === null ? "/chat/events" : `/chat/events?after=${last}`);
  source = stream;
  const listen = (name, act) => stream.addEventListener(name, (event) => {
    heard = Date.now();
    if (source === stream) act(event);
  });
  listen("open", () => {
    opened = true;
    lost = 0;
    showBanner("");
    showOwner(true);
    if (failures) pumpNow();
  });
  listen("message", (event) => arrived(JSON.parse(event.data)));
  listen("pending", (event) => stillOpen(JSON.parse(event.data)));
  listen("owner", (event) => {
    owner = JSON.parse(event.data).owner;
    showOwner(true);
    showTyping();
  });
  listen("ready", begin);
  listen("ping", () => {});
  stream.addEventListener("error", () => {
    if (source !== stream) return;
    stream.close();
    if (!opened) probe();
    reconnect();
  });
}

function reconnect() {
  if (reconnectTimer || over) return;
  source = null;
  lost += 1;
  if (lost > 1) {
    showOwner(false);
    showBanner(words.offline);
  }
  const seconds = Math.min(15, 2 ** (lost - 1)) * (0.5 + Math.random() / 2);
  reconnectTimer = setTimeout(connect, seconds * 1000);
}

// An event stream does not say why it was refused; an ordinary request does.
async function probe() {
  const stop = new AbortController();
  try {
    const response = await fetch("/chat/events", { signal: stop.signal });
    if (response.status === 401) ended();
  } catch {
    // No connection.
  } finally {
    stop.abort();
  }
}

function ended() {
  over = true;
  if (source) source.close();
  showBanner(words.no_session);
  const again = element("button", "", words.reload);
  again.type = "button";
  again.addEventListener("click", () => location.reload());
  banner.append(again);
}

function showBanner(content) {
  if (over && !content) return;
  banner.hidden = !content;
  if (banner.firstChild === null || banner.firstChild.textContent !== content) {
    banner.replaceChildren(element("span", "", content));
  }
}

function arrived(shown) {
  if (last !== null && shown.id <= last) return;
  last = shown.id;
  const own = shown.author === "customer";
  const known = own ? mine.get(shown.client_id) : undefined;
  if (known) {
    known.handled = true;
    if (queue.includes(known) || known.box.dataset.state !== "sent") done(known);
  } else {
    const box = add(shown);
    if (own && shown.client_id) mine.set(shown.client_id, { id: shown.client_id, box, handled: true });
    if (ready && !own) tellNews();
  }
  if (own) useChoices(shown, shown.id);
  showTyping();
}

function stillOpen(shown) {
  if (mine.has(shown.client_id)) return;
  const item = { id: shown.client_id, box: add(shown), acknowledged: Date.now() };
  mine.set(item.id, item);
  mark(item, "sent");
  useChoices(shown, Infinity);
}

// All that was said before is on the page; from here on it is news, and may be sent.
function begin() {
  if (ready) return;
  greeting.hidden = log.childElementCount > 0;
  goDown();
  for (const item of kept()) {
    if (!mine.has(item.id)) enqueue(item);
  }
  log.setAttribute("aria-busy", "false");
  ready = true;
  showOwner(true);
  showTyping();
  pump();
}

let unread = 0;
const title = document.title;

function tellNews() {
  if (!down) newer.hidden = false;
  keepDown();
  if (document.hidden) {
    unread += 1;
    document.title = `(${unread}) ${title}`;
  }
  if (embedded) window.parent.postMessage("linguadesk:new", "*");
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  document.title = title;
  if (!over && Date.now() - heard > SILENCE_SECONDS * 1000) connect();
});
// A connection can die without anyone being told: the server's heartbeat stays away.
setInterval(() => {
  if (source && Date.now() - heard > SILENCE_SECONDS * 1000) connect();
}, 5000);
window.addEventListener("online", () => {
  if (!over) connect();
  pumpNow();
});
window.addEventListener("offline", () => showBanner(words.offline));

// ---------------------------------------------------------------- the text field

function grow() {
  form.classList.toggle("blank", !text.value.trim());
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
}

function submit() {
  const said = text.value.trim();
  if (!said) return;
  text.value = "";
  grow();
  say(said);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
  text.focus();
});
text.addEventListener("input", grow);
text.addEventListener("keydown", (event) => {
  // While an input method composes, Enter chooses a word.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
    event.preventDefault();
    submit();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && embedded) window.parent.postMessage("linguadesk:close", "*");
});
if ($("close")) $("close").addEventListener("click", () => window.parent.postMessage("linguadesk:close", "*"));

// ---------------------------------------------------------------- files

function sendFile(file) {
  const item = { id: freshId(), text: "", payload: "", file, at: new Date().toISOString() };
  const wrong = file.size > page.max_file_bytes ? "too_large" : !file.size ? "empty"
    : page.accept.includes(file.type) ? "" : "bad_type";
  if (!wrong) {
    enqueue(item);
    return;
  }
  item.box = add({ author: "customer", files: [{ name: file.name, mime: "", url: "" }], at: item.at });
  mark(item, "failed", words[wrong]);
  goDown();
}

$("attach").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  for (const file of $("file").files) sendFile(file);
  $("file").value = "";
  text.focus();
});
text.addEventListener("paste", (event) => {
  const files = event.clipboardData ? [...event.clipboardData.files] : [];
  if (!files.length) return;
  event.preventDefault();
  files.forEach(sendFile);
});
document.addEventListener("dragover", (event) => {
  if (!event.dataTransfer || ![...event.dataTransfer.types].includes("Files")) return;
  event.preventDefault();
  document.documentElement.classList.add("drop");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.documentElement.classList.remove("drop");
});
document.addEventListener("drop", (event) => {
  document.documentElement.classList.remove("drop");
  if (!event.dataTransfer || !event.dataTransfer.files.length) return;
  event.preventDefault();
  [...event.dataTransfer.files].forEach(sendFile);
});

grow();
connect();
if (window.matchMedia("(hover: hover)").matches) text.focus();
