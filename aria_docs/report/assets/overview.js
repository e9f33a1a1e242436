// ---- the overview: files, sorted and filtered, and what stands inside them

const overview = () => {
  const main = one("#main");
  const hits = one(".hits");
  const groups = all("#files .group").map((group) => ({ group, lines: all(".line", group), head: one(".folder button", group) }));
  const rows = groups.flatMap(({ lines }) =>
    lines.map((row) => ({ row, id: row.dataset.id, text: null, link: one("a", row), name: one(".file", row).firstElementChild.textContent })),
  );
  const byId = new Map(rows.filter(({ id }) => id).map((entry) => [entry.id, entry]));
  const filters = { kind: "", status: "" };
  let sort = "";
  let closed = new Set();

  // -- what stands inside, loaded when first searched: [{source, place, head, body, folded…}]
  const inside = [];
  let loading = null;
  let nLoaded = 0;
  const nSides = Number(main.dataset.sides ?? 0);
  const load = () => {
    loading ??= (async () => {
      for (let n = 0; n < nSides; n += 1) {
        for (const [source, entries] of await side(`search/${n}.html`)) {
          for (const [place, head, body] of entries) {
            inside.push({ source, place, head, body, foldedHead: fold(head), folded: fold(body) });
          }
        }
        nLoaded = n + 1;
        if (n + 1 < nSides) show(wordsOf(find.value), { more: true });
      }
    })().catch((error) => {
      loading = null;
      inside.length = nLoaded = 0;
      toast(`The search cannot look inside files: ${error.message}`);
    });
    return loading;
  };

  // -- relevance: whole words before parts of words, captions and titles before text, short before long
  const edge = (text, at) => at < 0 || at >= text.length || !/[\p{L}\p{N}]/u.test(text[at]);
  const worth = (text, word) => {
    let best = 0;
    for (let at = text.indexOf(word), tries = 0; at >= 0 && tries < 8; at = text.indexOf(word, at + 1), tries += 1) {
      if (edge(text, at - 1)) best = Math.max(best, edge(text, at + word.length) ? 3 : 1.5);
      else best = Math.max(best, 1);
      if (best === 3) break;
    }
    return best;
  };
  const weight = { t: 1.5, p: 1, s: 1.5 };
  const score = ({ place, foldedHead, folded }, words) => {
    let sum = 0;
    for (const word of words) sum += Math.max(3 * worth(foldedHead, word), worth(folded, word));
    return (sum * (place.startsWith("t=") ? 1.2 : weight[place[0]])) / Math.log(50 + folded.length);
  };
  const found = (words, allowed) => {
    const list = [];
    for (const entry of inside) {
      const row = byId.get(entry.source);
      if (!row || !allowed.has(row)) continue;
      if (words.every((word) => entry.folded.includes(word) || entry.foldedHead.includes(word))) list.push({ entry, row, score: score(entry, words) });
    }
    // A page whose table is among the hits says the same again.
    const tables = new Set(list.filter(({ entry }) => /^t\d/.test(entry.place)).map(({ entry }) => `${entry.source} p${entry.place.match(/\d+/)[0]}`));
    return list.filter(({ entry }) => !tables.has(`${entry.source} ${entry.place}`)).sort((a, b) => b.score - a.score);
  };

  const where = ({ place, head }) => {
    const [, page] = place.match(/^[tp](\d+)/) ?? [];
    if (place.startsWith("t=")) return `spoken at ${clock(Number(place.slice(2)))}`;
    if (place[0] === "t") return `page ${page}, table${head ? `: ${head}` : ""}`;
    if (place[0] === "p") return `page ${page}`;
    return place === "summary" ? "summary" : `scene${head ? `: ${head}` : ""}`;
  };
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

  /** The line with most of the words, around the first of them. */
  const snippet = ({ place, body }, words) => {
    const lines = body.split("\n");
    const held = lines.map((line) => {
      const folded = fold(line);
      return words.filter((word) => folded.includes(word)).length;
    });
    const best = held.indexOf(Math.max(...held));
    const text = (/^t\d/.test(place) ? lines[best] : lines.slice(best, best + 3).join(" ")).replaceAll("\t", "  │  ");
    const folded = fold(text);
    const at = Math.max(0, Math.min(...words.map((word) => folded.indexOf(word)).filter((n) => n >= 0).concat(text.length)));
    const from = at > 90 && at < text.length ? text.lastIndexOf(" ", at - 60) + 1 : 0;
    const upTo = text.length > from + 220 ? Math.max(text.lastIndexOf(" ", from + 220), from + 120) : text.length;
    return [from ? "… " : "", ...marked(text.slice(from, upTo), words), upTo < text.length ? " …" : ""];
  };

  const item = ({ entry, row }, words) => {
    const query = new URLSearchParams({ q: find.value.trim() });
    const href = `${row.link.getAttribute("href")}#${entry.place}&${query}`;
    return make("li", {}, make("a", { href, textContent: row.name }), ` · ${where(entry)}`, make("small", { dir: "auto" }, ...snippet(entry, words)));
  };

  let list = [];
  let nShown = 0;
  const more = one("[data-more]", hits);
  const showMore = (upTo) => {
    const words = wordsOf(find.value);
    one("ol", hits).append(...list.slice(nShown, upTo).map((hit) => item(hit, words)));
    nShown = Math.min(upTo, list.length);
    more.hidden = nShown >= list.length;
    more.textContent = `Show ${Math.min(50, list.length - nShown)} more of ${(list.length - nShown).toLocaleString("en")}`;
  };
  more.addEventListener("click", () => {
    const next = nShown;
    showMore(nShown + 50);
    one(`ol li:nth-child(${next + 1}) a`, hits).focus();
  });

  const show = (words, { more: loadingMore = false } = {}) => {
    if (words.length && nSides && nLoaded < nSides && !loadingMore) {
      load().then(() => show(wordsOf(find.value), { more: true }));
    }
    const allowed = new Set(rows.filter(({ row }) => Object.entries(filters).every(([key, value]) => !value || row.dataset[key] === value)));
    list = words.length ? found(words, allowed) : [];
    const within = new Set(list.map(({ row }) => row));
    let shown = 0;
    for (const entry of rows) {
      entry.text ??= words.length ? fold(entry.row.textContent) : null;
      entry.row.hidden = !(allowed.has(entry) && (!words.length || within.has(entry) || matches(entry.text, words)));
      shown += !entry.row.hidden;
    }
    const narrowed = words.length > 0 || Object.values(filters).some(Boolean);
    for (const { group, lines, head } of groups) {
      group.hidden = !lines.some((row) => !row.hidden);
      const folded = !narrowed && closed.has(group);
      group.classList.toggle("closed", folded);
      head?.setAttribute("aria-expanded", !folded);
    }
    const busy = words.length && nLoaded < nSides;
    const files = shown === rows.length ? plural(shown, "file") : `${shown.toLocaleString("en")} of ${plural(rows.length, "file")}`;
    count.textContent = busy ? `${files}; searching inside: ${nLoaded} of ${nSides} parts` : words.length ? `${files}, ${plural(list.length, "place")}` : files;
    const empty = words.length > 0 && !busy && !list.length;
    hits.hidden = !words.length || (busy && !list.length);
    one("h2", hits).textContent = empty ? "Nothing found inside files" : `Found inside files: ${plural(list.length, "place")}`;
    const note = one(".none", hits);
    note.hidden = !empty;
    note.textContent = main.dataset.searched
      ? `Searched: ${main.dataset.searched}. All words must occur in one place, in any order; case and accents do not matter.`
      : "The search comes with the finished report: load this page again when it is made.";
    one("ol", hits).replaceChildren();
    nShown = 0;
    showMore(8);
    one("#no-file").hidden = shown > 0 || !rows.length;
    one("#no-file").textContent = "No file has this name, title or status, or holds these words.";
  };

  for (const group of all("[data-filter]")) {
    group.addEventListener("click", ({ target }) => {
      if (target.dataset?.value === undefined) return;
      filters[group.dataset.filter] = target.dataset.value;
      press();
      page.changed();
    });
  }
  const press = () => {
    for (const button of all("[data-filter] button")) {
      button.setAttribute("aria-pressed", filters[button.closest("[data-filter]").dataset.filter] === button.dataset.value);
    }
  };
  for (const { group, head } of groups) {
    head?.addEventListener("click", () => {
      if (!closed.delete(group)) closed.add(group);
      show(wordsOf(find.value));
    });
  }
  // Many folders with many files begin closed: their names are the overview.
  if (groups.length > 3 && rows.length > 200) closed = new Set(groups.map(({ group }) => group));

  // -- order: within each folder
  const heads = all("#files [role=columnheader]");
  const column = (key) => heads.findIndex((head) => one("button", head)?.dataset.sort === key);
  const order = new Intl.Collator(undefined, { numeric: true }).compare;
  const unsorted = groups.map(({ lines }) => lines);
  const applySort = () => {
    const key = sort.replace("-", "");
    const at = column(key);
    heads.forEach((head, n) => {
      if (at >= 0 && n === at) head.setAttribute("aria-sort", sort.startsWith("-") ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const value = (row) => row.children[at].dataset.v ?? row.children[at].textContent;
    const numeric = at >= 0 && rows.every(({ row }) => value(row) !== "" && !Number.isNaN(Number(value(row))));
    groups.forEach(({ group }, n) => {
      const lines = [...unsorted[n]];
      if (at >= 0) lines.sort((a, b) => (numeric ? value(a) - value(b) : order(value(a), value(b))));
      if (sort.startsWith("-")) lines.reverse();
      group.append(...lines);
    });
  };
  one("#files").addEventListener("click", ({ target }) => {
    const key = target.dataset.sort;
    if (!key) return;
    sort = sort === key ? `-${key}` : key;
    applySort();
    page.changed();
  });

  const page = {
    show,
    items: () => all("#files .line:not([hidden]) .file a, .hits li a").filter((link) => link.offsetParent),
    values: () => ({ ...filters, sort }),
    enter: () => loading?.then(() => one(".hits li a")?.focus()),
    open({ values }) {
      filters.kind = values.kind ?? "";
      filters.status = values.status ?? "";
      press();
      if (sort !== (values.sort ?? "")) {
        sort = values.sort ?? "";
        applySort();
      }
    },
    opened: hints,
  };
  find.addEventListener("focus", load, { once: true });
  return page;
};

start(overview());
