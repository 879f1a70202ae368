// Ready-made replies: "/" at the beginning of the reply opens them; an ARIA combobox with a listbox.
(function () {
  "use strict";

  const { $, $$ } = window.desk;
  const panel = () => document.getElementById("canned");
  const words = () => document.getElementById("canned-words");
  if (!panel()) return;

  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase();
  const options = () => $$("#canned-list > li:not([hidden])");
  const chosen = () => $("#canned-list > li[aria-selected=true]");

  function choose(option) {
    $$("#canned-list > li").forEach((item) => item.setAttribute("aria-selected", String(item === option)));
    if (option) {
      words().setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else words().removeAttribute("aria-activedescendant");
  }

  function filter() {
    const wanted = fold(words().value).split(/\s+/).filter(Boolean);
    $$("#canned-list > li").forEach((item) => {
      const text = fold(item.textContent);
      item.hidden = !wanted.every((word) => text.includes(word));
    });
    const left = options();
    const none = document.getElementById("canned-none");
    none.textContent = left.length ? "" : none.dataset.none;
    choose(left[0] || null);
  }

  function open() {
    const reply = document.getElementById("reply");
    if (reply.readOnly) return;
    words().value = "";
    panel().hidden = false;
    filter();
    words().focus();
  }

  function close(focus) {
    panel().hidden = true;
    if (focus) document.getElementById("reply").focus();
  }

  function insert(text) {
    const reply = document.getElementById("reply");
    close(true);
    reply.setRangeText(text, reply.selectionStart, reply.selectionEnd, "end");
    reply.dispatchEvent(new Event("input", { bubbles: true }));
  }

  document.addEventListener("input", (event) => {
    if (event.target.id === "canned-words") filter();
    if (event.target.id !== "reply" || event.data !== "/" || event.target.selectionStart !== 1) return;
    event.target.setRangeText("", 0, 1, "start");
    event.target.dispatchEvent(new Event("input", { bubbles: true }));
    open();
  });

  document.addEventListener("keydown", (event) => {
    if (event.target.id !== "canned-words" || event.isComposing) return;
    const left = options();
    const at = left.indexOf(chosen());
    if (event.key === "ArrowDown" && left.length) choose(left[(at + 1) % left.length]);
    else if (event.key === "ArrowUp" && left.length) choose(left[(at - 1 + left.length) % left.length]);
    else if ((event.key === "Enter" || (event.key === "Tab" && !event.shiftKey)) && chosen()) {
      insert($(".canned-text", chosen()).textContent);
    } else if (event.key === "Escape") close(true);
    else if (event.key === "/" && !words().value) insert("/");
    else if (event.key === "Enter") return event.preventDefault();
    else return undefined;
    event.preventDefault();
    event.stopPropagation();
    return undefined;
  });

  document.addEventListener("mousedown", (event) => {
    const option = event.target.closest("#canned-list > li");
    if (!option) return;
    event.preventDefault();
    insert($(".canned-text", option).textContent);
  });
  document.addEventListener("click", (event) => {
    if (event.target.id === "canned-open") open();
  });
  document.addEventListener("focusin", (event) => {
    if (!panel().hidden && !panel().contains(event.target)) close(false);
  });
})();
