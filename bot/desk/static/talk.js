// A conversation: the transcript's scrolling, who else is here, reply or note, the file to send.
(function () {
  "use strict";

  const { $, post, say } = window.desk;
  const live = document.getElementById("live");
  if (!live || !live.dataset.conversation) return;
  const here = "/desk/conversations/" + live.dataset.conversation;

  // ------------------------------------------------------------------ the transcript

  const scroller = () => document.getElementById("scroller");
  const scrolls = (box) => getComputedStyle(box).overflowY !== "visible";
  const lastMessage = () => $("#messages > :last-child");

  // On a small screen the page scrolls, elsewhere the transcript does.
  function atBottom() {
    const box = scroller();
    if (scrolls(box)) return box.scrollHeight - box.scrollTop - box.clientHeight < 80;
    return lastMessage().getBoundingClientRect().top < window.innerHeight;
  }

  function toBottom() {
    const box = scroller();
    if (scrolls(box)) box.scrollTop = box.scrollHeight;
    else {
      // Above the composer, which covers the end of the window.
      const composer = $(".compose");
      if (composer) lastMessage().style.scrollMarginBottom = composer.offsetHeight + "px";
      lastMessage().scrollIntoView({ block: "end" });
    }
  }

  // A picture takes its place only when it has come.
  document.addEventListener(
    "load",
    (event) => {
      const box = scroller();
      const image = event.target;
      if (image.tagName !== "IMG" || !box.contains(image) || !scrolls(box)) return;
      if (box.scrollHeight - box.scrollTop - box.clientHeight < image.clientHeight + 120) toBottom();
    },
    true
  );

  function announce(added) {
    const said = added.filter((item) => item.dataset && item.dataset.author === "customer");
    const place = document.getElementById("announcer");
    if (!said.length) return;
    const last = said[said.length - 1];
    place.textContent = $(".msg-head strong", last).textContent + ": " + ($(".bubble", last) || last).textContent;
  }

  // ------------------------------------------------------------------ what was said before

  const earlier = () => $("#earlier a[hx-get]");
  const height = (item) => item.getBoundingClientRect().top;
  const toShow = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  let before = null;

  // Reading upwards brings what came before; the link does so too, by key or for a screen reader.
  const upwards = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting) && earlier()) htmx.trigger(earlier(), "click");
  });
  const watch = () => $("#earlier") && upwards.observe($("#earlier"));
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id !== "earlier" || !event.detail.shouldSwap) return;
    const first = event.detail.target.nextElementSibling;
    before = { first: first, at: height(first), focused: event.detail.target.contains(document.activeElement) };
    upwards.disconnect();
  });
  document.body.addEventListener("htmx:afterSwap", () => {
    if (!before || !before.first.isConnected) return;
    const { first, at, focused } = before;
    before = null;
    // What one reads stays where it is, with the focus near it.
    if (focused) (earlier() || scroller()).focus({ preventScroll: true });
    const box = scrolls(scroller()) ? scroller() : document.scrollingElement;
    box.scrollTop += height(first) - at;
    document.getElementById("announcer").textContent = $("#messages").dataset.added;
    watch();
  });

  let stick = true;
  document.addEventListener("desk-before-swap", () => (stick = atBottom()));
  document.addEventListener("desk-after-swap", (event) => {
    announce(event.detail);
    // Chosen, and gone with what the conversation's state no longer allows.
    if (!chosen($("#reply"))) $("#attached").hidden = true;
    if (stick) toBottom();
    upwards.disconnect();
    watch();
  });

  // ------------------------------------------------------------------ reply or note

  function compose(mode) {
    $("#composer").hidden = mode !== "reply";
    $("#noter").hidden = mode !== "note";
    document.querySelectorAll("#compose-modes button").forEach((button) => {
      button.setAttribute("aria-pressed", String(button.value === mode));
    });
    $(mode === "note" ? "#note" : "#reply").focus();
  }

  document.addEventListener("submit", (event) => {
    if (event.target.id !== "compose-modes") return;
    event.preventDefault();
    compose(event.submitter ? event.submitter.value : "reply");
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const form = event.target.closest("#composer, #noter");
    if (!form || event.target.tagName !== "TEXTAREA") return;
    event.preventDefault();
    if ($("button.primary", form)) form.requestSubmit();
  });

  // What is written and chosen while the server answers belongs to the next reply, and stays. Pressing again
  // meanwhile sends that, once this one has gone out; one that was refused or lost is first looked at.
  const underWay = new Map();
  const written = (form) => form.matches("#composer, #noter") && $("textarea", form);
  const chosen = (field) => (field.id === "reply" && $("#attach") ? $("#attach").files[0] : undefined);

  document.body.addEventListener("htmx:confirm", (event) => {
    const field = written(event.target);
    const first = field && underWay.get(field.id);
    if (!first) return;
    event.preventDefault();
    first.again = field.value !== first.text || chosen(field) !== first.file;
  });
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    const field = written(event.target);
    if (field) underWay.set(field.id, { text: field.value, file: chosen(field), again: false, sent: false });
  });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    const field = written(event.detail.elt);
    const first = field && underWay.get(field.id);
    if (!first) return;
    underWay.delete(field.id);
    const more = field.value.trim() || chosen(field);
    if (first.sent && first.again && more) setTimeout(() => field.form.requestSubmit());
  });

  // Who has gone on to something else meanwhile keeps the focus there: the next key is meant for that place, and
  // must not end up as a letter in the reply.
  function writeOn(field) {
    const first = underWay.get(field.id);
    first.sent = true;
    if (field.value.startsWith(first.text)) field.value = field.value.slice(first.text.length);
    const at = document.activeElement;
    if (!at || at === document.body || field.form.contains(at)) field.focus();
    toBottom();
  }

  document.body.addEventListener("desk-sent", () => {
    const reply = $("#reply");
    if (chosen(reply) === underWay.get("reply").file) detach();
    writeOn(reply);
  });
  document.body.addEventListener("desk-noted", () => writeOn($("#note")));

  // ------------------------------------------------------------------ the file to send

  function detach() {
    if ($("#attach")) $("#attach").value = "";
    $("#attached").hidden = true;
  }

  document.addEventListener("change", (event) => {
    if (event.target.id !== "attach") return;
    const file = event.target.files[0];
    if (file && file.size > Number(event.target.dataset.limit)) {
      say(event.target.dataset.tooLarge);
      detach();
    } else if (file) {
      say("");
      $("#attached bdi").textContent = file.name;
      $("#attached").hidden = false;
    } else detach();
  });
  document.addEventListener("click", (event) => {
    if (event.target.id !== "detach") return;
    detach();
    $("#reply").focus();
  });

  // ------------------------------------------------------------------ others see that one writes

  const IDLE_MS = 8000;
  let writing = false;
  let idle = 0;

  function tell(now) {
    if (writing === now) return;
    writing = now;
    post(here + "/presence", { writing: now ? "1" : "0" }).catch(() => {});
  }

  document.addEventListener("input", (event) => {
    if (event.target.id !== "reply") return;
    clearTimeout(idle);
    tell(Boolean(event.target.value.trim()));
    idle = setTimeout(() => tell(false), IDLE_MS);
  });
  document.body.addEventListener("desk-sent", () => {
    clearTimeout(idle);
    tell(false);
  });
  window.addEventListener("pagehide", () => {
    writing = false;
    post(here + "/presence", { leaving: "1" }).catch(() => {});
  });

  window.desk.compose = compose;
  if (toShow) toShow.scrollIntoView({ block: "center" });
  else toBottom();
  // Until there was something to scroll, everything is in view.
  requestAnimationFrame(() => requestAnimationFrame(watch));
})();
