"use strict";
// One script for the three kinds of page. What comes out of files is only ever set as text.

const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
// Letters that Unicode does not take apart, as people without the key for them type them.
const plain = { ø: "o", æ: "ae", œ: "oe", ß: "ss", ł: "l", đ: "d", ð: "d", þ: "th", ı: "i" };
const fold = (text) =>
  text.toLowerCase().normalize("NFKD").replace(/\p{M}+/gu, "").replace(/[øæœßłđðþı]/g, (letter) => plain[letter]).replace(/\s+/g, " ");
const plural = (n, one, many = one + "s") => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

const find = one("#find");
const count = one(".count");

const toast = (text) => {
  one(".toast").textContent = text;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => (one(".toast").textContent = ""), 2400);
};

/** Words that must all occur, in any order. */
const wanted = () => fold(find.value).split(" ").filter(Boolean);
const matches = (text, words) => words.every((word) => text.includes(word));

// ---- the overview: files, sorted and filtered, and what stands inside them

const overview = () => {
  const body = one("#files [role=rowgroup]");
  const hits = one(".hits");
  const rows = all(".line", body).map((row) => ({ row, text: fold(row.textContent), link: one("a", row) }));
  const inside = JSON.parse(one("#inside").textContent);
  let folded = null; // the entries' texts, made when first searched
  const filters = { kind: "", status: "" };

  const snippet = (text, words) => {
    const at = Math.max(0, ...words.map((word) => fold(text).indexOf(word)));
    const from = at > 60 ? text.lastIndexOf(" ", at - 40) + 1 : 0;
    const piece = document.createElement("span");
    piece.append(from ? "… " : "");
    const upTo = text.length > from + 200 ? text.lastIndexOf(" ", from + 200) : text.length;
    for (const word of text.slice(from, Math.max(upTo, from + 100)).split(/(\s+)/)) {
      const found = words.some((wanted) => fold(word).includes(wanted));
      piece.append(found ? Object.assign(document.createElement("mark"), { textContent: word }) : word);
    }
    piece.append(upTo < text.length ? " …" : "");
    return piece;
  };

  const show = () => {
    const words = wanted();
    folded ??= words.length ? inside.map(([, , text]) => fold(text)) : null;
    const allowed = rows.map(({ row }) => Object.entries(filters).every(([key, value]) => !value || row.dataset[key] === value));
    const found = words.length ? inside.filter(([at], n) => allowed[at] && matches(folded[n], words)) : [];
    const within = new Set(found.map(([at]) => at));
    let shown = 0;
    rows.forEach(({ row, text }, at) => {
      row.hidden = !(allowed[at] && (matches(text, words) || within.has(at)));
      shown += !row.hidden;
    });
    count.textContent = shown === rows.length ? plural(shown, "file") : `${shown.toLocaleString("en")} of ${plural(rows.length, "file")}`;
    hits.hidden = !found.length;
    one("h2", hits).textContent = `Found inside: ${plural(found.length, "place")}${found.length > 50 ? ", the first 50" : ""}`;
    one("ol", hits).replaceChildren(
      ...found.slice(0, 50).map(([at, place, text]) => {
        const item = document.createElement("li");
        const link = document.createElement("a");
        link.href = `${rows[at].link.getAttribute("href")}#${place}`;
        link.textContent = rows[at].link.textContent;
        const [, page] = place.match(/^t(\d+)-/) ?? [];
        const where = page ? `page ${page}` : place.startsWith("s") && place !== "summary" ? "scene" : "summary";
        const small = document.createElement("small");
        small.append(snippet(text, words));
        item.append(link, ` · ${where}`, small);
        return item;
      }),
    );
  };

  for (const group of all("[data-filter]")) {
    group.addEventListener("click", ({ target }) => {
      if (!target.dataset || target.dataset.value === undefined) return;
      filters[group.dataset.filter] = target.dataset.value;
      for (const button of all("button", group)) button.setAttribute("aria-pressed", button === target);
      show();
    });
  }

  const heads = all("#files [role=columnheader]");
  heads.forEach((head, column) => {
    one("button", head)?.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = ({ row }) => row.children[column].dataset.v ?? row.children[column].textContent;
      const order = new Intl.Collator(undefined, { numeric: true }).compare;
      const numeric = rows.every((entry) => key(entry) !== "" && !Number.isNaN(Number(key(entry))));
      const sorted = [...rows].sort((a, b) => (numeric ? key(a) - key(b) : order(key(a), key(b))));
      body.append(...(down ? sorted.reverse() : sorted).map(({ row }) => row));
    });
  });
  show();
  return { show, items: () => all("#files .line:not([hidden]) .file a") };
};

// ---- a document: tables beside their pages

/** The table as a spreadsheet takes it: spans filled with blanks, no text that is a formula there. */
const asLines = (table) => {
  const grid = [];
  const formula = /^[=+\-@＝＋－＠\t\r\n](?=[\s\S]*[\p{L}\p{N}_])/u; // as in grid.py
  [...table.rows].forEach((row, r) => {
    grid[r] ??= [];
    let c = 0;
    for (const cell of row.cells) {
      while (grid[r][c] !== undefined) c += 1;
      const text = cell.textContent.replace(/\s+/g, " ").trim();
      for (let down = 0; down < cell.rowSpan; down += 1) {
        grid[r + down] ??= [];
        for (let right = 0; right < cell.colSpan; right += 1) grid[r + down][c + right] = "";
      }
      grid[r][c] = !cell.classList.contains("n") && formula.test(cell.textContent) ? `'${text}` : text;
    }
  });
  return grid.map((line) => line.join("\t")).join("\n");
};

const documentPage = () => {
  const tables = all("article.table");
  const drawn = new Map(all("g[data-table]").map((group) => [group.dataset.table, group]));
  let texts = null; // made when first searched
  const sheets = all(".sheet-row");
  const boxes = one("#boxes");

  const show = () => {
    const words = wanted();
    texts ??= words.length ? tables.map((table) => fold(table.textContent)) : null;
    let shown = 0;
    tables.forEach((table, n) => {
      table.hidden = texts !== null && !matches(texts[n], words);
      drawn.get(table.id)?.toggleAttribute("hidden", table.hidden);
      shown += !table.hidden;
    });
    for (const sheet of sheets) sheet.hidden = words.length > 0 && !one("article.table:not([hidden])", sheet);
    count.textContent = shown === tables.length ? plural(shown, "table") : `${shown} of ${plural(tables.length, "table")}`;
  };

  const copy = async (table) => {
    const grid = one("table.grid", table);
    try {
      await navigator.clipboard.writeText(asLines(grid));
    } catch (error) {
      toast(`This browser does not let the page copy (${error.name}): take the CSV`);
      return;
    }
    toast(`${plural(grid.rows.length, "row")} copied`);
  };

  /** The cell's box and the box's cell: both ends of the pair that `node` belongs to. */
  const pair = (node) => {
    const key = node.dataset.k;
    const id = node.closest("g")?.dataset.table ?? node.closest("article").id;
    return [document.getElementById(id), drawn.get(id)].map((side) => side && one(`[data-k="${key}"]`, side)).filter(Boolean);
  };
  let lit = [];
  const light = (node) => {
    for (const end of lit) end.classList.remove("on");
    lit = node ? pair(node) : [];
    for (const end of lit) end.classList.add("on");
  };
  one("#main").addEventListener("pointerover", ({ target }) => light(target.closest("[data-k]")));
  one("#main").addEventListener("click", ({ target }) => {
    if (target.closest("[data-copy]")) copy(target.closest("article"));
    const box = target.closest("rect[data-k]");
    if (box) {
      pair(box)[0].scrollIntoView({ block: "center", inline: "center" });
      light(box);
    }
  });
  boxes.addEventListener("change", () => one("#main").classList.toggle("plain", !boxes.checked));
  show();
  const keys = {
    c: () => copy(document.activeElement.closest?.("article.table") ?? one("article.table:not([hidden])")),
    b: () => boxes.click(),
  };
  return { show, items: () => tables.filter((table) => !table.hidden), keys: tables.length ? keys : {} };
};

// ---- a video: scenes on a line

const videoPage = () => {
  const scenes = all(".scenes > li");
  const texts = scenes.map((scene) => fold(scene.textContent));
  const preview = one(".preview");
  const marks = all(".timeline a");

  const show = () => {
    const words = wanted();
    scenes.forEach((scene, n) => {
      scene.hidden = !matches(texts[n], words);
      marks[n].classList.toggle("on", words.length > 0 && !scene.hidden);
    });
    const shown = scenes.filter((scene) => !scene.hidden).length;
    count.textContent = shown === scenes.length ? plural(shown, "scene") : `${shown} of ${plural(scenes.length, "scene")}`;
  };
  const point = (mark) => {
    if (!mark) return;
    const scene = one(mark.getAttribute("href"));
    const picture = one("img", scene)?.cloneNode();
    const words = [mark.getAttribute("aria-label"), one("p", scene)?.textContent].filter(Boolean).join(" · ");
    preview.replaceChildren(...(picture ? [picture] : []), words);
  };
  const line = one(".timeline");
  line?.addEventListener("pointerover", ({ target }) => point(target.closest("svg a")));
  show();
  return { show, items: () => scenes.filter((scene) => !scene.hidden) };
};

// ---- on every page: search as you type, and keys

const page = one("#files") ? overview() : one("#boxes") ? documentPage() : videoPage();

find.addEventListener("input", () => {
  clearTimeout(find.timer);
  find.timer = setTimeout(page.show, 80);
});

const move = (step) => {
  const items = page.items();
  if (!items.length) return;
  const now = items.findIndex((item) => item === document.activeElement || item.contains(document.activeElement));
  const next = items[now < 0 ? (step > 0 ? 0 : items.length - 1) : Math.min(items.length - 1, Math.max(0, now + step))];
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  if (next.id) next.closest("[id]").scrollIntoView({ block: "start" });
};
const help = () => one("dialog").showModal();
const keys = {
  "/": () => find.select(),
  j: () => move(1),
  k: () => move(-1),
  "?": help,
  ...page.keys,
};
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.activeElement === find) {
    find.value = "";
    page.show();
    return;
  }
  const busy = event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input[type=search], select, textarea");
  if (busy || one("dialog").open || !Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
});
one("[data-keys]").addEventListener("click", help);
addEventListener("beforeprint", () => all("img").forEach((picture) => (picture.loading = "eager")));
