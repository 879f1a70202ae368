// The chat's button for a merchant's page:
//   <script src="https://desk.example.com/widget.js" async></script>
// Optional: data-language="es" asks for a language, data-open opens the chat at once.
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script || document.getElementById("linguadesk-widget")) return;
  const words = __WORDS__;
  const server = new URL(script.src).origin;

  const style = `
    button {
      position: fixed; inset-block-end: 20px; inset-inline-end: 20px; z-index: 2147483646;
      width: 60px; height: 60px; padding: 0; border: 0; border-radius: 50%; cursor: pointer;
      display: grid; place-items: center; background: #0f6b68; color: #fff;
      box-shadow: 0 6px 24px rgb(0 0 0 / 28%);
    }
    button:hover { background: #0a5653; }
    button:focus-visible { outline: 3px solid #0b57d0; outline-offset: 3px; }
    svg { width: 30px; height: 30px; fill: none; stroke: currentcolor; stroke-width: 1.8;
          stroke-linecap: round; stroke-linejoin: round; }
    span { position: absolute; inset-block-start: -4px; inset-inline-end: -4px; min-width: 22px; height: 22px;
           padding: 0 6px; box-sizing: border-box; border-radius: 11px; background: #b3261e; color: #fff;
           font: 600 13px/22px system-ui, sans-serif; }
    iframe {
      position: fixed; inset-block-end: 92px; inset-inline-end: 20px; z-index: 2147483647;
      width: 400px; height: min(640px, calc(100vh - 112px)); border: 0; border-radius: 16px;
      background: transparent; box-shadow: 0 12px 48px rgb(0 0 0 / 30%); color-scheme: normal;
    }
    @media (max-width: 480px), (max-height: 480px) {
      iframe { inset: 0; width: 100%; height: 100%; border-radius: 0; }
    }
    [hidden] { display: none !important; }`;

  const host = document.createElement("div");
  host.id = "linguadesk-widget";
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  root.adoptedStyleSheets = [sheet];

  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-haspopup", "dialog");
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  icon.append(shape);
  const unread = document.createElement("span");
  unread.hidden = true;
  button.append(icon, unread);
  root.append(button);

  let frame = null;
  let open = false;

  function show(wanted) {
    open = wanted;
    if (open && !frame) {
      frame = document.createElement("iframe");
      const address = new URL("/chat", server);
      address.searchParams.set("embedded", "1");
      if (script.dataset.language) address.searchParams.set("lang", script.dataset.language);
      frame.src = address.href;
      frame.title = words.frame;
      root.append(frame);
    }
    if (frame) frame.hidden = !open;
    if (open) {
      unread.hidden = true;
      frame.focus();
    }
    button.setAttribute("aria-expanded", String(open));
    button.setAttribute("aria-label", open ? words.close : words.open);
    shape.setAttribute("d", open ? "M6 6l12 12M18 6L6 18" : "M4 5.5h16v10.5H11l-4.5 4v-4H4zM8 9.2h8M8 12.4h5");
  }

  button.addEventListener("click", () => show(!open));
  window.addEventListener("message", (event) => {
    if (!frame || event.source !== frame.contentWindow || event.origin !== server) return;
    if (event.data === "linguadesk:close") {
      show(false);
      button.focus();
    } else if (event.data === "linguadesk:new" && !open) {
      unread.textContent = String((Number(unread.hidden ? 0 : unread.textContent) || 0) + 1);
      unread.hidden = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && open) show(false);
  });

  function attach() {
    document.body.append(host);
    show(script.dataset.open !== undefined);
  }
  if (document.body) attach();
  else document.addEventListener("DOMContentLoaded", attach);
})();
