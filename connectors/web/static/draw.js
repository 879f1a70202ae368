// Messages as the page shows them. Nothing here knows where they come from.

export const page = JSON.parse(document.getElementById("page").textContent);
export const words = page.words;

const log = document.getElementById("log");
const GROUP_SECONDS = 300;
const LINK = /https?:\/\/[^\s<>"'\u2068\u2069]+/giu;

export function element(tag, className, content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (content !== undefined) made.textContent = content;
  return made;
}

function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  for (const [name, value] of [["fill", "none"], ["stroke", "currentcolor"], ["stroke-width", "1.8"]]) {
    svg.setAttribute(name, value);
  }
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

// Text and links only: nothing that anyone writes is ever read as markup.
function write(into, content) {
  let from = 0;
  for (const found of content.matchAll(LINK)) {
    const address = found[0].replace(/[.,;:!?)\]}，。！？；：）】»”’]+$/u, "");
    let href;
    try {
      href = new URL(address).href;
    } catch {
      continue;
    }
    into.append(content.slice(from, found.index));
    const link = element("a", "", address);
    link.href = href;
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
    link.append(element("span", "hidden", ` ${words.new_window}`));
    into.append(link);
    from = found.index + address.length;
  }
  into.append(content.slice(from));
}

const clock = new Intl.DateTimeFormat(page.language, { hour: "numeric", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(page.language, { weekday: "long", day: "numeric", month: "long" });
let lastDay = calendar.format(new Date());
let lastAuthor = "";
let lastTime = 0;

function authorName(author) {
  return { customer: words.you, agent: words.colleague, survey: words.survey, notice: words.notice }[author]
    || words.assistant;
}

function drawFile(file, own) {
  const safe = typeof file.url === "string" && (file.url.startsWith("/chat/files/") || file.url.startsWith("blob:"));
  const local = safe && file.url.startsWith("blob:");
  const box = element(safe && !local ? "a" : "span", "file");
  if (safe && !local) {
    box.href = file.url;
    box.download = file.name;
  }
  if (own && safe && /^image\/(png|jpeg|gif|webp)$/.test(file.mime)) {
    box.classList.add("image");
    const image = element("img");
    image.alt = file.name;
    image.src = file.url;
    box.append(image);
  } else {
    box.append(icon(local ? "M7 3.5h7l4 4v13H7zM14 3.5v4h4" : "M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 19.5h14"));
    box.append(element("span", "", file.name));
  }
  return box;
}

// One message at the end of the log. `shown` is what the server tells, or what was just written here;
// `live` whether it is news.
export function draw(shown, live) {
  const own = shown.author === "customer";
  const at = shown.at ? new Date(shown.at) : new Date();
  const day = calendar.format(at);
  if (day !== lastDay) {
    log.append(element("div", "day", day));
    lastDay = day;
    lastAuthor = "";
  }
  const box = element("div", `message ${own ? "own" : "theirs"} ${shown.author}`);
  if (shown.author === lastAuthor && at - lastTime < GROUP_SECONDS * 1000) box.classList.add("follows");
  lastTime = at;
  if (live) box.classList.add("live");
  lastAuthor = shown.author;
  box.append(element("p", "author", authorName(shown.author)));
  if (shown.text) {
    const bubble = element("div", "bubble");
    bubble.dir = "auto";
    if (!own && shown.language) bubble.lang = shown.language;
    write(bubble, shown.text);
    box.append(bubble);
  }
  const files = element("div", "files");
  files.append(...(shown.files || []).map((file) => drawFile(file, own)));
  if (files.childElementCount) box.append(files);
  const meta = element("p", "meta");
  const time = element("time", "", clock.format(at));
  time.dateTime = at.toISOString();
  meta.append(time);
  box.append(meta);
  log.append(box);
  return box;
}
