// What is typed is kept on the server; until that has it, in this tab, so that nothing is lost when the
// line breaks or the session ends in the middle of a sentence. What is being written has a name, its
// piece: it is sent once, and of what has been sent no draft comes back, however late it is.
(function () {
  "use strict";

  const { $, $$, post, say } = window.desk;
  const DELAY_MS = 600;
  const user = document.body.dataset.user;
  const timers = new Map();
  const sending = new Map();

  const key = (place) => "writing:" + user + ":" + place;
  const fieldOf = (place) => $$("[data-draft]").find((field) => field.dataset.draft === place);
  const piece = (field) => document.getElementById(field.id + "-piece");

  function renew(field) {
    piece(field).value = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");
  }

  function remember(field) {
    sessionStorage.setItem(key(field.dataset.draft), JSON.stringify({ piece: piece(field).value, text: field.value }));
  }

  function remembered(place) {
    return JSON.parse(sessionStorage.getItem(key(place)));
  }

  function keep(field) {
    const place = field.dataset.draft;
    timers.delete(place);
    const draft = { place: place, text: field.value, piece: piece(field).value };
    const before = sending.get(place) || Promise.resolve();
    // One after the other: what was typed last must be what is kept.
    const done = before
      .then(() => post("/desk/drafts", draft))
      .then(async (answer) => {
        if (answer.status === 403) say("stale");
        if (answer.status === 204) kept(draft);
        if (answer.status === 200) gone(draft, await answer.text());
      })
      .catch(() => {});
    sending.set(place, done);
  }

  function kept(draft) {
    const { form } = fieldOf(draft.place) || {};
    // What it was sent with goes from the server too, with what was written since.
    if (form && form.matches(".htmx-request")) return;
    const last = remembered(draft.place);
    if (last && last.piece === draft.piece && last.text === draft.text) sessionStorage.removeItem(key(draft.place));
  }

  // Its piece has been sent, and this page did not hear of it: "sent", these very words; "late", others.
  function gone(draft, fate) {
    const field = fieldOf(draft.place);
    if (!field || piece(field).value !== draft.piece) return;
    // Unless it is being sent at this moment, and the answer will say so.
    if (field.form.matches(".htmx-request")) return;
    // With a file it is left to pressing again, by which the file is known too.
    if (fate === "sent" && $("input[type=file]", field.form)?.files.length) return;
    if (fate === "sent" && field.value.startsWith(draft.text)) {
      field.value = field.value.slice(draft.text.length);
      say("");
    }
    anew(field);
  }

  // What is in the field now is a piece of its own.
  function anew(field) {
    const place = field.dataset.draft;
    clearTimeout(timers.get(place));
    timers.delete(place);
    sessionStorage.removeItem(key(place));
    renew(field);
    if (!field.value) return;
    remember(field);
    keep(field);
  }

  document.addEventListener("input", (event) => {
    const field = event.target;
    if (!field.dataset || !field.dataset.draft) return;
    const place = field.dataset.draft;
    remember(field);
    clearTimeout(timers.get(place));
    timers.set(place, setTimeout(() => keep(fieldOf(place) || field), DELAY_MS));
  });
  document.body.addEventListener("desk-sent", () => anew($("#reply")));
  document.body.addEventListener("desk-noted", () => anew($("#note")));

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
    const last = remembered(field.dataset.draft);
    if (!last) return;
    // It goes on as the piece that it was, which may have been sent on the way here: then the server says so.
    piece(field).value = last.piece;
    field.value = last.text;
    keep(field);
  });
})();
