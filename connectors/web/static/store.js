// What was written and is not yet on the server: kept in the browser, one entry a message, so that
// several tabs do not overwrite each other's.

const STORE = "linguadesk.chat.";

export function freshId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function keep(item) {
  if (item.file) return;
  try {
    const { id, text: said, payload, at } = item;
    localStorage.setItem(STORE + id, JSON.stringify({ id, text: said, payload, at }));
  } catch {
    // Without storage a message lives as long as this page.
  }
}

export function forget(item) {
  try {
    localStorage.removeItem(STORE + item.id);
  } catch {
    // See above.
  }
}

export function kept() {
  const items = [];
  try {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(STORE)) items.push(JSON.parse(localStorage.getItem(key)));
    }
  } catch {
    return [];
  }
  return items.filter((item) => item && item.id).sort((a, b) => (a.at < b.at ? -1 : 1));
}
