// ---- corrections: made in the page, kept by the browser, downloaded as what `aria-docs correct --from` reads

const corrections = (() => {
  const main = one("#main");
  const key = `aria-docs corrections of ${main.dataset.database}`;
  let list = [];
  let shown = () => {};
  const load = () => {
    try {
      list = JSON.parse(localStorage.getItem(key) ?? "[]");
    } catch {
      list = []; // a browser that keeps nothing: what is made here is gone with the page
    }
  };
  const save = () => {
    try {
      localStorage.setItem(key, JSON.stringify(list));
    } catch (error) {
      toast(`This browser keeps nothing (${error.name}): download before you leave this page`);
    }
    draw();
  };
  const same = (a, b) => ["source_id", "page", "target"].every((name) => a[name] === b[name]) && JSON.stringify(a.anchor) === JSON.stringify(b.anchor);

  const bar = make("section", { className: "fixes", hidden: true, ariaLabel: "Corrections" });
  const draw = () => {
    bar.hidden = !list.length;
    one(".n-fixes", bar).textContent = plural(list.length, "correction");
    shown();
  };
  const download = () => {
    const name = one("input", bar).value.trim();
    const rows = list.map((row) => ({ ...row, made_by: name || null }));
    const link = make("a", { href: URL.createObjectURL(new Blob([JSON.stringify(rows, null, 1)], { type: "application/json" })), download: "corrections.json" });
    link.click();
    URL.revokeObjectURL(link.href);
    toast(`aria-docs correct --db '${main.dataset.database}' --from corrections.json takes them`);
  };
  bar.append(
    make("strong", { className: "n-fixes" }),
    make("input", { placeholder: "Your name", ariaLabel: "Your name, for who made them", autocomplete: "name" }),
    make("button", { type: "button", textContent: "Undo the last", onclick: () => undo() }),
    make("button", { type: "button", textContent: "Download corrections.json", onclick: download }),
  );
  main.append(bar);

  const undo = () => {
    const last = list.pop();
    save();
    if (last) toast("Undone");
  };
  const taken = main.dataset.corrects !== undefined;
  if (taken) load();
  return {
    /** Whether the database takes corrections. */
    taken,
    undo,
    download,
    /** what is so far: the last correction of a place, or undefined. */
    of: (place) => list.findLast((row) => same(row, place)),
    get all() {
      return list;
    },
    /** place: {path, source_id, page, target, anchor}; a confirmation has an after that equals its before. */
    add(place, before, after) {
      const earlier = list.find((row) => same(row, place));
      list = list.filter((row) => !same(row, place));
      list.push({ ...place, before: earlier?.before ?? before, after, note: "made in the report" });
      save();
    },
    /** What the database has taken since is dropped. */
    settle(taken) {
      const left = list.filter((row) => !taken(row));
      if (left.length !== list.length) {
        list = left;
        save();
      }
    },
    /** Calls back whenever what is corrected has changed. */
    watch(callback) {
      shown = callback;
      draw();
    },
  };
})();

/** Lets a person type over an element's text. done(text) only where it was changed. */
const editText = (node, done) => {
  if (!corrections.taken || node.isContentEditable) return;
  const before = node.textContent;
  node.textContent = before; // without marks
  node.contentEditable = "plaintext-only";
  node.focus();
  getSelection().selectAllChildren(node);
  const end = (take) => {
    node.removeEventListener("keydown", keys);
    node.removeEventListener("blur", leave);
    node.contentEditable = "inherit";
    const after = node.textContent.trim();
    if (!take || after === before.trim()) node.textContent = before;
    else done(after, before);
  };
  const leave = () => end(true);
  const keys = (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return event.stopPropagation();
    event.preventDefault();
    event.stopPropagation();
    end(event.key === "Enter");
    node.focus();
  };
  node.addEventListener("keydown", keys);
  node.addEventListener("blur", leave);
};
