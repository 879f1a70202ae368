// Choosing rows of a list: all of the page at once, and how many there are.
(function () {
  "use strict";

  const form = document.querySelector("form[data-bulk]");
  if (!form) return;
  const picks = Array.from(form.querySelectorAll("[data-pick]"));
  const all = form.querySelector("[data-pick-all]");
  const every = form.querySelector("[data-all]");
  const words = form.querySelector("[data-picked]");

  form.querySelectorAll("[data-needs-script]").forEach((item) => (item.hidden = false));

  function count() {
    const chosen = picks.filter((item) => item.checked).length;
    if (words) words.textContent = words.dataset.words.replace("#", new Intl.NumberFormat(document.documentElement.lang).format(chosen));
    if (all) {
      all.checked = picks.length > 0 && chosen === picks.length;
      all.indeterminate = chosen > 0 && chosen < picks.length;
    }
    picks.forEach((item) => item.closest("tr").classList.toggle("picked", item.checked));
  }

  if (all) {
    all.addEventListener("change", () => {
      picks.forEach((item) => (item.checked = all.checked));
      count();
    });
  }
  if (every) {
    every.addEventListener("change", () => {
      picks.forEach((item) => (item.checked = every.checked));
      count();
    });
  }
  form.addEventListener("change", (event) => {
    if (!event.target.matches("[data-pick]")) return;
    if (every && !event.target.checked) every.checked = false;
    count();
  });
  document.addEventListener("keydown", (event) => {
    const open = document.activeElement;
    if (event.key !== "x" || event.ctrlKey || event.metaKey || event.altKey || !open || !open.matches("a.open")) return;
    if (localStorage.getItem("desk-keys") === "off") return;
    const pick = open.closest("tr") && open.closest("tr").querySelector("[data-pick]");
    if (pick) {
      event.preventDefault();
      pick.click();
    }
  });
  count();
})();
