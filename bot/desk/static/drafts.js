// What is typed is kept on the server; until that has it, in this tab, so that nothing is lost when the
// line breaks or the session ends in the middle of a sentence.
(function () {
  "use strict";

  const { $, $$, post, say } = window.desk;
  const DELAY_MS = 600;
  const user = document.body.dataset.user;
  const timers = new Map();
  const sending = new Map();

  const key = (place) => "draft:" + user + ":" + place;

  function keep(field) {
    const place = field.dataset.draft;
    timers.delete(place);
    const text = field.value;
    const before = sending.get(place) || Promise.resolve();
    // One after the other: what was typed last must be what is kept.
    const done = before
      .then(() => post("/desk/drafts", { place: place, text: text }))
      .then((answer) => {
        if (answer.ok && sessionStorage.getItem(key(place)) === text) sessionStorage.removeItem(key(place));
        if (answer.status === 403) say("stale");
      })
      .catch(() => {});
    sending.set(place, done);
  }

  document.addEventListener("input", (event) => {
    const field = event.target;
    if (!field.dataset || !field.dataset.draft) return;
    const place = field.dataset.draft;
    sessionStorage.setItem(key(place), field.value);
    clearTimeout(timers.get(place));
    timers.set(place, setTimeout(() => keep(field), DELAY_MS));
  });

  // Sent: what is still on its way to be kept must not come back as a draft.
  function sent(selector) {
    const field = $(selector);
    if (!field) return;
    const place = field.dataset.draft;
    clearTimeout(timers.get(place));
    timers.delete(place);
    sessionStorage.removeItem(key(place));
    (sending.get(place) || Promise.resolve()).then(() => {
      // What was written since is a draft of its own.
      if (field.value) sessionStorage.setItem(key(place), field.value);
      if (field.value || sending.has(place)) keep({ dataset: { draft: place }, value: field.value });
    });
  }
  document.body.addEventListener("desk-sent", () => sent("#reply"));
  document.body.addEventListener("desk-noted", () => sent("#note"));

  // A form that leaves the page takes its text along: keeping it would bring back what has been sent.
  document.addEventListener("submit", (event) => {
    if (event.target.hasAttribute("hx-post")) return;
    $$("[data-draft]", event.target).forEach((field) => {
      clearTimeout(timers.get(field.dataset.draft));
      timers.delete(field.dataset.draft);
    });
  });

  $$("[data-draft]").forEach((field) => {
    if (field.dataset.sent !== undefined) {
      sessionStorage.removeItem(key(field.dataset.draft));
      history.replaceState(null, "", location.pathname);
      return;
    }
    const kept = sessionStorage.getItem(key(field.dataset.draft));
    if (kept === null || kept === field.value) return;
    field.value = kept;
    keep(field);
  });
})();
