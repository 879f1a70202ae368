// Notifications of the browser: off until the user turns them on, silent while the desk is looked at,
// without anybody's words unless the user asks for these too.
(function () {
  "use strict";

  const { $ } = window.desk;
  const box = document.getElementById("notify");
  if (!box || !("Notification" in window)) return;
  const button = document.getElementById("notify-on");
  const words = document.getElementById("notify-words");
  const LOOKED_MS = 10000;
  const set = (name, value) => localStorage.setItem("desk-" + name, value ? "on" : "off");
  const get = (name) => localStorage.getItem("desk-" + name) === "on";
  const on = () => get("notify") && Notification.permission === "granted";
  const data = document.body.dataset;
  const marks = { handoff: data.handoff, message: data.message, alert: data.alert };

  function show() {
    button.setAttribute("aria-pressed", String(on()));
    words.checked = get("notify-words");
    words.disabled = !on();
    document.getElementById("notify-denied").hidden = Notification.permission !== "denied";
  }

  // Another tab of the desk may be the one that is looked at.
  function looked() {
    if (!document.hidden) localStorage.setItem("desk-looked", String(Date.now()));
  }
  const watched = () => !document.hidden || Date.now() - Number(localStorage.getItem("desk-looked")) < LOOKED_MS;

  function tell(item) {
    const said = new Notification(item.title, { body: item.body, tag: item.tag });
    said.onclick = () => {
      window.focus();
      location.assign(item.path);
      said.close();
    };
  }

  // One look after the other, each from where the last one ended: nothing is told twice.
  let looking = false;
  let again = false;

  function look() {
    if (!on()) return;
    again = looking;
    if (looking) return;
    looking = true;
    const query = new URLSearchParams(Object.assign({ words: get("notify-words") ? "1" : "0" }, marks));
    fetch("/desk/alerts/news?" + query, { redirect: "error" })
      .then((answer) => answer.json())
      .then((news) => {
        Object.assign(marks, news.marks);
        if (!watched()) news.said.forEach(tell);
      })
      .catch(() => {})
      .then(() => {
        looking = false;
        if (again) look();
      });
  }

  button.addEventListener("click", () => {
    if (on()) {
      set("notify", false);
      show();
      return;
    }
    Notification.requestPermission().then((answer) => {
      set("notify", answer === "granted");
      show();
    });
  });
  words.addEventListener("change", () => set("notify-words", words.checked));
  document.addEventListener("desk-news", look);
  document.addEventListener("visibilitychange", looked);
  setInterval(looked, LOOKED_MS / 2);
  looked();
  box.hidden = false;
  show();
})();
