"use strict";
// What all pages share. What comes out of files is only ever set as text.

const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const make = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};
const drawing = (tag, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
const plural = (n, one, many = one + "s") => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

// ---- words

// Letters that Unicode does not take apart, as people without the key for them type them.
const plain = { ø: "o", æ: "ae", œ: "oe", ß: "ss", ł: "l", đ: "d", ð: "d", þ: "th", ı: "i" };
const ascii = /^[\x00-\x7f]*$/;
/** A text as a search compares it: without case, accents, and the marks between thousands. */
const fold = (text) => {
  let folded = text.toLowerCase().replace(/(\d)[,'’\u00a0\u202f](?=\d{3}(?!\d))/g, "$1");
  if (!ascii.test(folded)) {
    folded = folded.normalize("NFKD").replace(/\p{M}+/gu, "").replace(/[øæœßłđðþı]/g, (letter) => plain[letter]);
  }
  return folded;
};
/** Words that must all occur, in any order. */
const wordsOf = (text) => [...new Set(fold(text).split(/\s+/).filter(Boolean))];
const matches = (folded, words) => words.every((word) => folded.includes(word));

/** The text as nodes, with every word that holds one of the wanted ones marked. */
const marked = (text, words) =>
  text.split(/(\s+)/).map((piece) => {
    const folded = words.length && piece.trim() ? fold(piece) : "";
    return folded && words.some((word) => folded.includes(word)) ? make("mark", { textContent: piece }) : piece;
  });

/** Marks the words in an element that holds text alone. */
const mark = (node, words) => {
  if (!node) return;
  const text = node.textContent;
  if (words.length || node.childElementCount) node.replaceChildren(...(words.length ? marked(text, words) : [text]));
};

// ---- small things

const toast = (text) => {
  one(".toast").textContent = text;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => (one(".toast").textContent = ""), 2400);
};

const copyText = async (text, what) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch (error) {
    toast(`This browser does not let the page copy (${error.name})`);
    return;
  }
  toast(`${what} copied`);
};

for (const time of all("time[datetime]")) {
  const at = new Date(time.dateTime);
  time.title = time.textContent;
  time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

// ---- the address: #place&name=value&… says which view this is

const address = {
  read() {
    const parts = location.hash.slice(1).split("&");
    const place = parts[0].includes("=") ? "" : decodeURIComponent(parts.shift());
    return { place, values: Object.fromEntries(new URLSearchParams(parts.join("&"))) };
  },
  /** push: Back comes back to the view before. */
  write({ place = "", values = {} }, { push = false } = {}) {
    const filled = Object.entries(values).filter(([, value]) => value);
    const hash = [place, new URLSearchParams(filled).toString()].filter(Boolean).join("&");
    if (hash === location.hash.slice(1)) return;
    history[push ? "pushState" : "replaceState"](null, "", hash ? `#${hash}` : location.pathname);
  },
  of: (place) => `${location.href.split("#")[0]}#${place}`,
};

// ---- side files: a page from disk may not fetch, so each is opened in a hidden frame and says its text

const sides = new Map();
const side = (url) => {
  if (!sides.has(url)) {
    const loaded = new Promise((resolve, reject) => {
      const frame = make("iframe", { hidden: true, src: url, title: "" });
      const over = setTimeout(() => end(reject, new Error(`${url} could not be loaded`)), 20_000);
      const end = (settle, value) => {
        clearTimeout(over);
        removeEventListener("message", hear);
        frame.remove();
        settle(value);
      };
      const hear = ({ source, data }) => {
        if (source === frame.contentWindow && typeof data === "string") end(resolve, JSON.parse(data));
      };
      addEventListener("message", hear);
      document.body.append(frame);
    });
    sides.set(url, loaded);
    loaded.catch(() => sides.delete(url));
  }
  return sides.get(url);
};

// ---- keys, and the search field of every page

const find = one("#find");
const count = one(".count");

const move = (items, step) => {
  if (!items.length) return;
  const now = items.findIndex((item) => item === document.activeElement || item.contains(document.activeElement));
  const next = items[now < 0 ? (step > 0 ? 0 : items.length - 1) : Math.min(items.length - 1, Math.max(0, now + step))];
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: next.id ? "start" : "nearest" });
};

/** page: show(), items(), keys, enter() and open(state); see the pages' own scripts. */
const start = (page) => {
  const show = () => page.show(wordsOf(find.value));
  const values = () => ({ ...page.values?.(), q: find.value.trim() });
  let typed = false; // in this search already: Back leads to before it, not through every letter
  const search = () => {
    address.write({ place: "", values: values() }, { push: !typed });
    typed = find.value !== "";
    return show();
  };
  const open = () => {
    const state = address.read();
    find.value = state.values.q ?? "";
    typed = find.value !== "";
    page.open?.(state);
    return Promise.resolve(show()).then(() => page.opened?.(state));
  };
  find.addEventListener("input", () => {
    clearTimeout(find.timer);
    find.timer = setTimeout(search, 80);
  });
  addEventListener("popstate", open);
  page.changed = () => {
    address.write({ place: "", values: values() }, { push: true });
    show();
  };
  const help = () => one("#keys").showModal();
  const keys = {
    "/": () => find.select(),
    j: () => move(page.items(), 1),
    k: () => move(page.items(), -1),
    "?": help,
    ...page.keys,
  };
  document.addEventListener("keydown", (event) => {
    const finding = document.activeElement === find;
    if (finding && event.key === "Escape") {
      find.value = "";
      search();
    } else if (finding && event.key === "Enter") {
      clearTimeout(find.timer);
      Promise.resolve(search()).then(() => page.enter?.());
    }
    const busy = event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), select, textarea, [contenteditable], video");
    if (busy || one("dialog[open]") || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
  one("[data-keys]").addEventListener("click", help);
  addEventListener("beforeprint", () => all("img").forEach((picture) => (picture.loading = "eager")));
  open();
};

/** Where a part is found again: the dialog with its link, its id and its SQL, each to be copied. */
const lead = (place, id, sql) => {
  const database = one("#main").dataset.database;
  const lines = [
    ["Link to this", address.of(place)],
    ...(id ? [["table_id", id]] : []),
    ["SQL", sql],
    ["In a terminal", `aria-docs sql "${sql}" --db '${database.replaceAll("'", "'\\''")}'`],
  ];
  one("#lead dl").replaceChildren(
    ...lines.flatMap(([name, text]) => [
      make("dt", { textContent: name }),
      make("dd", {}, make("code", { textContent: text }), make("button", { type: "button", textContent: "Copy", ariaLabel: `Copy ${name}`, onclick: () => copyText(text, name) })),
    ]),
  );
  one("#lead").showModal();
};

// A wide table shows that it goes on.
const hint = (box) => box.classList.toggle("more", box.scrollWidth - box.clientWidth - box.scrollLeft > 2);
const hints = () => all(".scroll").forEach(hint);
addEventListener("resize", hints);
document.addEventListener("scroll", ({ target }) => target.classList?.contains("scroll") && hint(target), { capture: true, passive: true });
