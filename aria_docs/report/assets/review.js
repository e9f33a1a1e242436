// ---- the review page: one cell at a time beside its picture

const review = () => {
  const main = one("#main");
  const doubts = JSON.parse(one("#doubts")?.textContent ?? "[]");
  const lines = all(".review li");
  const hand = one(".at-hand");
  const texts = lines.map((line) => fold(line.textContent));
  let at = -1;

  const placeOf = ({ path, source_id, page, anchor }) => ({ path, source_id, page, target: "cell", anchor });
  const visible = () => lines.flatMap((line, n) => (line.hidden ? [] : [n]));
  const step = (by) => {
    const left = visible();
    const now = left.indexOf(at);
    if (left.length) choose(left[Math.min(left.length - 1, Math.max(0, now + by))], { focus: true });
  };
  const take = (after) => {
    const doubt = doubts[at];
    corrections.add(placeOf(doubt), doubt.text, after);
    toast(after === doubt.text ? "Confirmed" : "Corrected");
    step(1);
  };

  const choose = (n, { focus = false } = {}) => {
    at = n;
    lines.forEach((line, other) => line.toggleAttribute("aria-current", other === n));
    if (n < 0) return;
    const doubt = doubts[n];
    const fix = corrections.of(placeOf(doubt));
    const field = make("input", { value: fix?.after ?? doubt.text, ariaLabel: "What stands on the page", dir: "auto", autocomplete: "off", spellcheck: false });
    const next = make("button", { type: "button", textContent: "Next", onclick: () => step(1) });
    const right = make("button", { type: "button", textContent: "It is right", onclick: () => take(doubt.text) });
    const parts = corrections.taken ? [field, make("button", { textContent: "Take it" }), right, next] : [make("strong", { textContent: doubt.text }), next];
    const form = make("form", {}, ...parts);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      take(field.value.trim());
    });
    const picture = doubt.picture && doubt.where ? make("div", { className: "crop", role: "img", ariaLabel: "The cell on its page" }, cropped(doubt.picture, doubt.where)) : make("p", { className: "why", textContent: "There is no picture of this cell's place." });
    hand.replaceChildren(
      make("h2", {}, make("a", { href: doubt.href, textContent: `${doubt.name}, page ${doubt.page}` })),
      make("p", { className: "soft", textContent: [doubt.caption, [doubt.row_label, doubt.col_label].filter(Boolean).join(" × ")].filter(Boolean).join(" · ") }),
      picture,
      make("p", { textContent: `Why: ${doubt.why}` }),
      ...(fix ? [make("p", { className: "soft", textContent: fix.after === fix.before ? "You have confirmed it." : `You have corrected it; it was read as “${fix.before}”.` })] : []),
      form,
    );
    address.write({ place: `d${n}`, values: { q: find.value.trim() } });
    lines[n].scrollIntoView({ block: "nearest" });
    if (focus) one("button", lines[n]).focus({ preventScroll: true });
  };
  lines.forEach((line, n) => one("button", line).addEventListener("click", () => choose(n)));
  corrections.settle((row) => row.before !== row.after && doubts.some((doubt) => doubt.text === row.after && JSON.stringify(placeOf(doubt)) === JSON.stringify({ path: row.path, source_id: row.source_id, page: row.page, target: row.target, anchor: row.anchor })));
  corrections.watch(() => {
    lines.forEach((line, n) => {
      const fix = corrections.of(placeOf(doubts[n]));
      line.classList.toggle("done", Boolean(fix));
    });
  });

  return {
    items: () => [],
    show(words) {
      let shown = 0;
      lines.forEach((line, n) => {
        line.hidden = !matches(texts[n], words);
        shown += !line.hidden;
      });
      count.textContent = shown === lines.length ? plural(shown, "cell") : `${shown} of ${plural(lines.length, "cell")}`;
    },
    enter: () => step(0),
    opened({ place }) {
      const n = lines.findIndex((line) => line.id === place);
      choose(n >= 0 ? n : (visible()[0] ?? -1));
    },
    keys: {
      j: () => step(1),
      k: () => step(-1),
      y: () => corrections.taken && at >= 0 && take(doubts[at].text),
      e: () => one("input", hand)?.select(),
      u: () => {
        corrections.undo();
        if (at >= 0) choose(at);
      },
    },
  };
};

start(review());
