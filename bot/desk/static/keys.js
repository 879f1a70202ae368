// Single keys. They can be switched off, and never act while something is being typed.
(function () {
  "use strict";

  const { $, $$ } = window.desk;
  const AGAIN_MS = 1200;
  const help = document.getElementById("help");
  const keysOn = document.getElementById("keys-on");
  const shortcuts = () => localStorage.getItem("desk-keys") !== "off";
  let before = "";
  let since = 0;

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

  // What a page offers by a key carries it: data-key="c".
  function press(key) {
    const offered = $$("[data-key]").find((item) => item.dataset.key === key && !item.disabled);
    if (!offered) return false;
    offered.click();
    return true;
  }

  function search() {
    const field = $("[data-search], input[type=search]");
    if (!field) return false;
    field.focus();
    field.select();
    return true;
  }

  const GO = { q: "/desk", t: "/desk/tickets" };
  const DO = {
    j: () => move(1),
    k: () => move(-1),
    "/": search,
    "]": () => press("]") || location.assign("/desk/next"),
    "?": () => help && help.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    const writing = event.target.closest("input, textarea, select, dialog, [contenteditable]");
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || writing || !shortcuts()) return;
    const going = before === "g" && Date.now() - since < AGAIN_MS;
    before = event.key;
    since = Date.now();
    if (going && GO[event.key]) location.assign(GO[event.key]);
    else if (DO[event.key] ? DO[event.key]() === false : !press(event.key)) return;
    event.preventDefault();
  });
})();
