// ---- a video: its film, its scenes on a line, its words

const videoPage = () => {
  const main = one("#main");
  const scenes = all(".scenes > li");
  const cues = all(".cues li");
  const preview = one(".preview");
  const marks = all(".timeline a");
  const video = one("video");
  const now = one(".timeline .now");
  const screen = one(".timeline svg");

  // -- playing
  const unplayable = one(".unplayable");
  const fail = () => {
    unplayable.hidden = false;
    video.hidden = true;
  };
  const seek = (seconds) => {
    if (!video) return;
    // Before anything of the film is loaded, the time is where it will begin.
    video.currentTime = seconds + 0.001;
  };
  const play = (seconds) => {
    if (!video) return;
    seek(seconds);
    video.play().catch((error) => error.name === "NotSupportedError" && fail());
    video.scrollIntoView({ block: "nearest" });
  };
  const during = (items, seconds) => items.find((item) => Number(item.dataset.start) <= seconds + 0.002 && seconds + 0.002 < Number(item.dataset.end));
  let playing = [];
  const follow = () => {
    const seconds = video.currentTime;
    const length = Number.isFinite(video.duration) ? video.duration : 0;
    if (length) for (const name of ["x1", "x2"]) now.setAttribute(name, `${(100 * seconds) / length}%`);
    now?.classList.toggle("shown", length > 0);
    const here = [during(scenes, seconds), during(cues, seconds)].filter(Boolean);
    for (const item of playing) if (!here.includes(item)) item.removeAttribute("aria-current");
    for (const item of here) {
      if (item.hasAttribute("aria-current")) continue;
      item.setAttribute("aria-current", "true");
      const list = item.closest(".cues ol");
      if (list) list.scrollTop = item.offsetTop - list.offsetTop - list.clientHeight / 3;
    }
    playing = here;
  };
  video?.addEventListener("error", fail);
  video?.addEventListener("timeupdate", follow);
  video?.addEventListener("seeked", follow);

  // -- search
  let found = [];
  const show = (words) => {
    let nScenes = 0;
    let nCues = 0;
    scenes.forEach((scene, n) => {
      const holds = matches(fold(scene.textContent), words);
      scene.hidden = !holds;
      nScenes += holds;
      marks[n].classList.toggle("on", words.length > 0 && holds);
      mark(one("h3 a", scene), words);
      mark(one("p", scene), words);
    });
    for (const cue of cues) {
      const holds = matches(fold(cue.textContent), words);
      cue.hidden = !holds;
      nCues += holds;
      mark(one("span", cue), words);
    }
    found = words.length ? all(".cues li:not([hidden]), .scenes > li:not([hidden])") : [];
    const scenesSaid = nScenes === scenes.length ? plural(nScenes, "scene") : `${nScenes} of ${plural(scenes.length, "scene")}`;
    count.textContent = words.length && cues.length ? `${scenesSaid}, ${plural(nCues, "spoken line")}` : scenesSaid;
  };
  let at = -1;
  const enter = () => {
    if (!found.length) return;
    at = (at + 1) % found.length;
    const hit = found[at];
    hit.scrollIntoView({ block: "center" });
    seek(Number(hit.dataset.start));
  };

  const point = (place) => {
    if (!place) return;
    const scene = one(place.getAttribute("href"));
    const picture = one("img", scene)?.cloneNode();
    const words = [place.getAttribute("aria-label"), one("p", scene)?.textContent].filter(Boolean).join(" · ");
    preview.replaceChildren(...(picture ? [picture] : []), make("span", { textContent: words }));
  };
  screen?.addEventListener("pointerover", ({ target }) => point(target.closest("svg a")));

  main.addEventListener("click", (event) => {
    const { target } = event;
    const scene = target.closest(".scenes > li");
    if (target.closest("[data-play]")) play(Number(scene.dataset.start));
    if (target.closest("[data-lead]")) {
      lead(scene.id, null, `SELECT * EXCLUDE (thumbnail) FROM video_scenes WHERE source_id = '${main.dataset.source}' AND scene_no = ${scene.dataset.scene}`);
    }
    if (target.closest("[data-copy-text]")) copyText(one("code", unplayable).textContent, "Command");
    const mark = target.closest(".timeline a");
    if (mark && video && unplayable.hidden) play(Number(one(mark.getAttribute("href")).dataset.start));
    const time = target.closest('a[href^="#t="]');
    if (time && video && unplayable.hidden) {
      event.preventDefault();
      address.write({ place: "", values: { ...address.read().values, t: time.hash.slice(3) } }, { push: true });
      play(Number(time.hash.slice(3)));
    }
  });

  // -- correcting: a scene's title and description, in place
  const { source, path } = main.dataset;
  const scenePlace = (scene, field) => ({
    path, source_id: source, page: null, target: "scene",
    anchor: { start_s: Number(scene.dataset.start), end_s: Number(scene.dataset.end), field },
  });
  const fieldOf = (node) => (node.matches("h3, h3 a") ? "title" : "description");
  const correct = (node) => editText(node, (after, before) => corrections.add(scenePlace(node.closest("li"), fieldOf(node)), before, after));
  const nodesOf = (scene) => [one("h3 a", scene), one("p", scene)].filter(Boolean);
  corrections.settle((row) => row.source_id === source && row.before !== row.after && scenes.some((scene) =>
    nodesOf(scene).some((node) => node.textContent === row.after && JSON.stringify(scenePlace(scene, fieldOf(node)).anchor) === JSON.stringify(row.anchor))));
  corrections.watch(() => {
    for (const scene of scenes) {
      for (const node of nodesOf(scene)) {
        const fix = corrections.of(scenePlace(scene, fieldOf(node)));
        if (fix) {
          node.dataset.was ??= fix.before;
          node.textContent = fix.after;
        } else if (node.dataset.was !== undefined) {
          node.textContent = node.dataset.was;
          delete node.dataset.was;
        }
        node.classList.toggle("fixed", Boolean(fix));
      }
    }
  });
  main.addEventListener("dblclick", ({ target }) => {
    const node = target.closest(".scenes h3 a, .scenes p");
    if (node) correct(node);
  });

  return {
    show,
    enter,
    items: () => scenes.filter((scene) => !scene.hidden),
    values: () => ({ t: address.read().values.t }),
    keys: {
      u: () => corrections.undo(),
      e: () => {
        const scene = document.activeElement.closest?.(".scenes > li") ?? scenes[0];
        if (scene) correct(one("h3 a", scene));
      },
      ...(video && {
          p: () => {
            const scene = document.activeElement.closest?.(".scenes > li");
            if (!video.paused) video.pause();
            else if (scene) play(Number(scene.dataset.start));
            else video.play().catch((error) => error.name === "NotSupportedError" && fail());
          },
      }),
    },
    /** Comes to a scene, or to a second: the player stands there, and waits. */
    opened({ place, values }) {
      const seconds = Number(values.t);
      const target = place ? document.getElementById(place) : values.t ? during(scenes, seconds) : null;
      if (values.t && seconds >= 0) {
        if (video) video.preload = "auto"; // the picture of that second is what was asked for
        seek(seconds);
        const cue = during(cues, seconds);
        cue?.setAttribute("aria-current", "true");
        cue?.scrollIntoView({ block: "nearest" });
        if (cue) playing.push(cue);
        one(".player")?.scrollIntoView({ block: "nearest" });
      }
      if (!target) return;
      for (const other of all(".scenes > .at")) other.classList.remove("at");
      target.classList.add("at");
      if (target.dataset.start && !values.t) seek(Number(target.dataset.start));
      if (!values.t) {
        target.focus({ preventScroll: true });
        target.scrollIntoView();
      }
    },
  };
};

start(videoPage());
