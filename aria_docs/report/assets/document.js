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
  const main = one("#main");
  const tables = all("article.table");
  const drawn = new Map(all("g[data-table]").map((group) => [group.dataset.table, group]));
  const sheets = all(".sheet-row");
  const boxes = one("#boxes");
  const narrow = matchMedia("(max-width: 1000px)");

  // -- a long document's texts and a long table's rows are side files
  const loadText = async (words) => {
    if (!words.dataset.text) return;
    const texts = await side(words.dataset.text);
    words.textContent = texts[words.closest(".sheet-row").dataset.page] ?? "";
    delete words.dataset.text;
  };
  const loadTexts = () => Promise.all(all("[data-text]").map(loadText)).catch((error) => toast(error.message));
  main.addEventListener("toggle", ({ target }) => target.matches?.("details.text") && target.open && loadText(one(".words", target)), true);

  const cellOf = ([text, key, rowSpan, colSpan, isHeader, classes, title]) => {
    const cell = make(isHeader ? "th" : "td", { textContent: text, rowSpan, colSpan, className: classes, title });
    cell.dataset.k = key;
    return cell;
  };
  const loadRows = async (table) => {
    if (!table.dataset.rest) return;
    const { header, rows } = await side(table.dataset.rest);
    delete table.dataset.rest;
    const lines = rows.map((slots) => make("tr", {}, ...slots.map((slot) => (slot ? cellOf(slot) : make("td")))));
    one("table.grid", table).replaceChildren(...(header ? [make("thead", {}, ...lines.slice(0, header))] : []), make("tbody", {}, ...lines.slice(header)));
    const group = drawn.get(table.id);
    const known = new Set(all("rect[data-k]", group ?? table).map((box) => box.dataset.k));
    group?.append(
      ...rows.flat().filter((slot) => slot?.[7] && !known.has(String(slot[1]))).map((slot) => {
        const [x0, y0, x1, y1] = slot[7];
        return drawing("rect", { "data-k": slot[1], x: x0, y: y0, width: x1 - x0, height: y1 - y0, ...(slot[5].split(" ").includes("un") ? { class: "un" } : {}) });
      }),
    );
    one("[data-whole]", table)?.closest(".cut").remove();
  };

  /** Marks the cells with a word in them: those of the rows with all words, where there are such rows. */
  const markCells = (table, words) => {
    for (const cell of all(".hit", table)) cell.classList.remove("hit");
    if (!words.length) return;
    const rows = [...one("table.grid", table).rows];
    const whole = rows.filter((row) => matches(fold(row.textContent), words));
    for (const row of whole.length ? whole : rows) {
      for (const cell of row.cells) cell.classList.toggle("hit", words.some((word) => fold(cell.textContent).includes(word)));
    }
  };

  // -- search: what does not match goes, what does is marked, Enter leads from hit to hit
  let found = [];
  let at = -1;
  const show = async (words) => {
    if (words.length) {
      await loadTexts();
      await Promise.all(tables.filter((table) => table.dataset.rest).map(loadRows)).catch((error) => toast(error.message));
    }
    let nTables = 0;
    let nPages = 0;
    for (const sheet of sheets) {
      let some = !words.length;
      for (const table of all("article.table", sheet)) {
        const holds = !words.length || matches(fold(table.textContent), words);
        table.hidden = !holds;
        drawn.get(table.id)?.toggleAttribute("hidden", !holds);
        markCells(table, holds ? words : []);
        mark(one("h3", table), holds ? words : []);
        nTables += holds;
        some ||= holds;
      }
      const text = one(".words", sheet);
      if (text) {
        const holds = words.length > 0 && matches(fold(text.textContent), words);
        mark(text, holds ? words : []);
        const details = text.closest("details");
        if (holds && !some) details.open = true;
        else if (words.length) details.open = holds && details.open;
        nPages += holds;
        some ||= holds;
      }
      sheet.hidden = !some;
    }
    found = words.length ? all(".hit, mark").filter((node) => node.checkVisibility?.() ?? true) : [];
    at = -1;
    const tablesSaid = nTables === tables.length ? plural(nTables, "table") : `${nTables} of ${plural(tables.length, "table")}`;
    count.textContent = words.length ? `${tablesSaid}, ${plural(nPages, "page")} with these words` : tablesSaid;
    hints();
  };
  const goTo = (node) => {
    if (!node) return;
    node.scrollIntoView({ block: "center", inline: "center" });
    for (const other of all(".here")) other.classList.remove("here");
    node.classList.add("here");
    if (node.dataset.k !== undefined) light(node);
  };
  const enter = () => goTo(found[(at = found.length ? (at + 1) % found.length : -1)]);

  const copy = async (table) => {
    if (!table) return;
    const grid = one("table.grid", table);
    await copyText(asLines(grid), plural(grid.rows.length, "row"));
  };

  /** The cell's box and the box's cell: both ends of the pair that `node` belongs to. */
  const pair = (node) => {
    const key = node.dataset.k;
    const id = node.closest("g")?.dataset.table ?? node.closest("article").id;
    return [document.getElementById(id), drawn.get(id)].map((end) => end && one(`[data-k="${key}"]`, end)).filter(Boolean);
  };
  let lit = [];
  const light = (node) => {
    for (const end of lit) end.classList.remove("on");
    lit = node ? pair(node) : [];
    for (const end of lit) end.classList.add("on");
    peek(node);
  };
  // On a narrow screen the page stands above its table: a touched cell's place is shown beside it.
  const peek = (node) => {
    one(".peek")?.remove();
    const box = lit.find((end) => end.tagName === "rect");
    const image = box && one("img", box.closest(".paper"));
    if (!narrow.matches || !node?.matches("td, th") || !image) return;
    node.after(); // nothing moves under the finger: the picture lies over the page's foot
    main.append(make("div", { className: "peek", ariaHidden: "true" }, crop(image.src, box)));
  };

  main.addEventListener("pointerover", ({ target }) => light(target.closest("[data-k]")));
  main.addEventListener("focusin", ({ target }) => target.matches("td, th") && light(target));
  main.addEventListener("click", ({ target }) => {
    const table = target.closest("article.table");
    if (target.closest("[data-copy]")) copy(table);
    if (target.closest("[data-whole]")) loadRows(table).then(hints, (error) => toast(error.message));
    if (target.closest("[data-correct]")) toast("Double-click a cell or the caption; on the keyboard go to a cell with the arrow keys and press Enter");
    if (target.closest("[data-zoom]")) zoom(one(".paper", target.closest("figure")));
    if (target.closest("[data-lead]")) {
      const number = target.closest(".sheet-row").dataset.page;
      if (table) lead(table.id, table.dataset.id, `SELECT * FROM extracted_table('${table.dataset.id}')`);
      else lead(`p${number}`, null, `SELECT text FROM pages WHERE source_id = '${source}' AND page = ${number}`);
    }
    const box = target.closest("rect[data-k]");
    if (box) {
      pair(box)[0].scrollIntoView({ block: "center", inline: "center" });
      light(box);
    }
  });
  // -- correcting: cells and captions, in place
  const { source, path } = main.dataset;
  const columnOf = (cell) => {
    // As asLines lays them out: spans from above and from the left take places.
    const taken = [];
    for (const row of one("table.grid", cell.closest("article")).rows) {
      let at = 0;
      const here = (taken[row.rowIndex] ??= []);
      for (const other of row.cells) {
        while (here[at]) at += 1;
        if (other === cell) return at;
        for (let down = 0; down < other.rowSpan; down += 1) {
          for (let right = 0; right < other.colSpan; right += 1) (taken[row.rowIndex + down] ??= [])[at + right] = true;
        }
      }
    }
    return -1;
  };
  const boxOf = (rect) => {
    if (!rect) return null;
    const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(rect.getAttribute(name)));
    return [x, y, x + width, y + height].map((edge) => Math.round(edge * 100) / 100);
  };
  const placeOf = (node) => {
    const table = node.closest("article.table");
    const page = Number(table.closest(".sheet-row").dataset.page);
    const whole = boxOf(one(".box", drawn.get(table.id) ?? table));
    if (node.matches("h3")) return { path, source_id: source, page, target: "caption", anchor: { box: whole } };
    const box = boxOf(one(`rect[data-k="${node.dataset.k}"]`, drawn.get(table.id) ?? table)) ?? whole;
    return { path, source_id: source, page, target: "cell", anchor: { box, row: node.parentElement.rowIndex, col: columnOf(node) } };
  };
  const correct = (node) => editText(node, (after, before) => corrections.add(placeOf(node), before, after));
  const shownFixes = () => {
    const here = corrections.all.filter((row) => row.source_id === source);
    for (const node of all("[data-was]")) {
      node.textContent = node.dataset.was;
      delete node.dataset.was;
      node.classList.remove("fixed");
    }
    if (!here.length) return;
    for (const table of tables) {
      const page = Number(table.closest(".sheet-row").dataset.page);
      if (!here.some((row) => row.page === page)) continue;
      for (const node of [one("h3", table), ...all("[data-k]", table)]) {
        const fix = corrections.of(placeOf(node));
        if (!fix || (node.textContent !== fix.before && node.textContent !== fix.after)) continue;
        node.dataset.was = fix.before;
        node.textContent = fix.after;
        node.classList.add("fixed");
      }
    }
  };
  // What a report made since shows already, the database has taken.
  corrections.settle((row) => {
    if (row.source_id !== source || row.before === row.after) return false;
    const node = tables.filter((table) => Number(table.closest(".sheet-row").dataset.page) === row.page).flatMap((table) => [one("h3", table), ...all("[data-k]", table)]);
    return node.some((other) => other.textContent === row.after && JSON.stringify(placeOf(other).anchor) === JSON.stringify(row.anchor) && placeOf(other).target === row.target);
  });
  corrections.watch(shownFixes);
  main.addEventListener("dblclick", ({ target }) => {
    const node = target.closest("article.table :is(td, th)[data-k], article.table h3");
    if (node) correct(node);
  });

  boxes.addEventListener("change", () => main.classList.toggle("plain", !boxes.checked));

  // -- from cell to cell with the arrow keys
  main.addEventListener("keydown", (event) => {
    if (["Enter", "F2"].includes(event.key) && event.target.matches("[data-k]") && !event.target.isContentEditable) {
      event.preventDefault();
      correct(event.target);
      return;
    }
    const area = event.target.closest(".table .scroll");
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (!area || !steps[event.key] || event.ctrlKey || event.metaKey || event.altKey || event.target.isContentEditable) return;
    const rows = [...one("table.grid", area).rows];
    const cell = event.target.closest("td, th");
    const [down, right] = cell ? steps[event.key] : [0, 0];
    const row = cell ? rows.indexOf(cell.parentElement) + down : 0;
    const cells = rows[row]?.cells;
    const next = cells?.[Math.min(cells.length - 1, (cell?.cellIndex ?? 0) + right)];
    if (!next) return;
    event.preventDefault();
    next.tabIndex = -1;
    next.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  });

  // -- a page, larger
  const dialog = one("#zoom");
  let width = 0;
  const zoom = (paper) => {
    if (!paper) return;
    const copied = paper.cloneNode(true);
    one(".scroll", dialog).replaceChildren(copied);
    width = Math.max(1000, Math.min(1400, innerWidth - 80));
    copied.style.width = `${width}px`;
    dialog.showModal();
  };
  dialog.addEventListener("click", ({ target }) => {
    if (!target.dataset.by) return;
    width = Math.max(300, Math.min(5000, width * Number(target.dataset.by)));
    one(".paper", dialog).style.width = `${width}px`;
  });
  const nearest = () => sheets.find((sheet) => !sheet.hidden && sheet.getBoundingClientRect().bottom > 200);

  return {
    show,
    enter,
    items: () => tables.filter((table) => !table.hidden),
    keys: {
      ...(tables.length && {
        c: () => copy(document.activeElement.closest?.("article.table") ?? one("article.table:not([hidden])")),
        b: () => boxes.click(),
      }),
      u: () => corrections.undo(),
      z: () => zoom(one(".paper", nearest())),
    },
    /** Comes to a table or a page, with words to its first hit there. */
    opened({ place }) {
      const target = place && document.getElementById(place);
      if (!target) return;
      if (target.matches(".sheet-row")) {
        const details = one("details.text", target);
        if (found.length && details) details.open = true;
      }
      const hit = found.find((node) => target.contains(node)) ?? found[0];
      target.focus({ preventScroll: true });
      if (hit) goTo(hit);
      else target.scrollIntoView();
    },
  };
};

start(documentPage());
