// The swap of live parts, which keeps what has not changed.
// Children are matched by id. One whose data-v is the same stays as it is, so that focus, an open
// detail, a scroll place and a half-written reply survive; data-keyed means: look further inside;
// data-loads: its last part is loaded when it is opened; data-done: what came of it, to stand above it;
// data-keep in what comes means: whatever is there stays; data-grows means: what comes is the end of a
// list, and what stands before it stays.
(function () {
  "use strict";

  const { $, $$ } = window.desk;

  function carryOver(before, after) {
    $$("input[type=checkbox][id]", before).forEach((old) => {
      const fresh = $("#" + CSS.escape(old.id), after);
      if (fresh) fresh.checked = old.checked;
    });
    if (before.matches("textarea")) after.value = before.value;
    $$("textarea[id]", before).forEach((old) => {
      const fresh = $("#" + CSS.escape(old.id), after);
      if (fresh) fresh.value = old.value;
    });
    $$("details[open][id]", before).forEach((old) => {
      const fresh = $("#" + CSS.escape(old.id), after);
      if (!fresh) return;
      if (old.hasAttribute("data-loads") && $("form", old)) {
        // What it has loaded since stays, with what was chosen there.
        fresh.lastElementChild.replaceWith(old.lastElementChild);
      }
      fresh.open = true;
    });
    $$("select[id]", before).forEach((old) => {
      const fresh = $("#" + CSS.escape(old.id), after);
      if (fresh && $$("option", fresh).some((option) => option.value === old.value)) fresh.value = old.value;
    });
    after.hidden = before.hidden;
  }

  function patch(target, source, added) {
    const focused = document.activeElement;
    const focusedId = focused && target.contains(focused) ? focused.id : "";
    const known = new Map(Array.from(target.children, (child) => [child.id, child]));
    let place = target.firstElementChild;
    if (source.hasAttribute("data-grows")) {
      // Where what comes does not follow what is there, there is a gap: all is taken anew.
      const lead = $("#earlier", source);
      const first = lead ? lead.nextElementSibling : source.firstElementChild;
      const joint = first && known.get(first.id);
      if (joint) {
        if (lead) lead.remove();
        for (; place !== joint; place = place.nextElementSibling) known.delete(place.id);
      }
    }
    Array.from(source.children).forEach((fresh) => {
      const old = fresh.id ? known.get(fresh.id) : null;
      let stays = fresh;
      if (old) {
        known.delete(fresh.id);
        const same = fresh.dataset.v !== undefined && fresh.dataset.v === old.dataset.v;
        if (same || fresh.hasAttribute("data-keep")) {
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

  document.addEventListener(
    "toggle",
    (event) => {
      const details = event.target;
      if (details.open && details.hasAttribute("data-loads") && !$("form", details)) htmx.trigger(details, "wanted");
    },
    true
  );
  document.body.addEventListener("htmx:afterSwap", (event) => {
    const details = event.detail.target.closest("[data-loads]");
    const done = details && $("[data-done]", details);
    if (!done) return;
    // The outcome stands above, as it will when the message is shown anew; opened again, it begins anew.
    const said = details.previousElementSibling;
    if (said && said.matches(".fixed")) said.replaceWith(done);
    else details.before(done);
    details.open = false;
  });

  htmx.defineExtension("keyed", {
    isInlineSwap: () => false,
    handleSwap: (style, target, fragment) => {
      if (style !== "keyed") return false;
      const source = $("#" + CSS.escape(target.id), fragment);
      if (!source) return [];
      const added = [];
      document.dispatchEvent(new Event("desk-before-swap"));
      patch(target, source, added);
      // At once, not when htmx settles what is returned: a form sent in between would leave the page.
      added.forEach((item) => htmx.process(item));
      document.dispatchEvent(new CustomEvent("desk-after-swap", { detail: added }));
      window.desk.tick();
      return [];
    },
  });
})();
