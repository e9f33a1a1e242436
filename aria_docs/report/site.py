"""THE REPORT: which pages there are, and which are made again.

    store ──> content ──> source_page (pictures in children) ──> html ──> folder
                  └─────> search, overview ────────────────────────┘

Sources are read in portions and their pages are made by a few threads: while one waits for a child that draws, another
fills in its tables. A page whose source, file and templates are as they were stays as it is. The overview is there from
the first second and is written again, ever more rarely, while the pages are made.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.report import html, source_page
from aria_docs.report.content import Overview, SourceView, columns, read_contents, read_overview
from aria_docs.report.folder import Folder
from aria_docs.report.overview import Making, overview_page
from aria_docs.report.review import REVIEW, review_page
from aria_docs.report.search import Searched, searchable, side_files
from aria_docs.report.source_page import Artist, PicturePlace

if TYPE_CHECKING:
    from aria_docs.storage.database import Store

INDEX = "index.html"
_OVERVIEW = ""  # the manifest's page of what all sources share
_REWRITE_S = 5.0
_REWRITE_SHARE = 0.03  # of the time may go into rewriting the overview
_AT_WORK = 16  # sources read and not yet made: what is held in memory


@dataclass(frozen=True, slots=True)
class Made:
    """How it went: pages of sources made now and kept from before, pictures drawn and not drawable, files removed."""

    index: Path
    n_made: int
    n_kept: int
    n_drawn: int
    n_undrawn: int
    n_removed: int


def write_report(
    store: Store, folder: Path, *, pictures: bool = True, on_progress: Callable[[int, int], None] = lambda *_: None
) -> Made:
    """Makes the report of a database, or brings it up to date. Raises UsageError, StoreError, StoreBusy.

    pictures:     False draws none; those of an earlier report stay.
    on_progress:  called with how many of how many pages are made.
    """
    overview = read_overview(store)
    counts: Counter[str] = Counter()
    with Folder(folder) as site, Artist(draws=pictures) as artist:
        places = _places(overview, store)
        prints = _fingerprints(overview, places, database=store.path, pictures=pictures)
        # Without pictures, a page that has them is as good.
        stale = [source for source in overview.sources if not site.keep(source.id, *prints[source.id])]
        index = _SiteIndex(site, overview, n_stale=len(stale))
        on_progress(0, len(stale))
        with ThreadPoolExecutor(os.cpu_count() or 1) as workers:
            waiting: list[Future[Counter[str]]] = []
            try:
                for contents in read_contents(store, stale):
                    id_ = contents.source.id
                    made = (site, artist, contents, places[id_])
                    waiting.append(workers.submit(source_page.make, *made, fingerprint=prints[id_][0]))
                    while len(waiting) > _AT_WORK:  # the store is read on only when the threads get through
                        counts += waiting.pop(0).result()
                        on_progress(counts["made"], len(stale))
                        index.rewrite_now_and_then(counts["made"])
                for future in waiting:
                    counts += future.result()
                    on_progress(counts["made"], len(stale))
            finally:
                for future in waiting:
                    future.cancel()
        index.finish(store)
        n_removed = site.sweep()
    n_kept = len(overview.sources) - len(stale)
    return Made(folder / INDEX, counts["made"], n_kept, counts["drawn"], counts["undrawn"], n_removed)


class _SiteIndex:
    """The overview, written when the report begins, while it is made, and at its end with all that it searches."""

    def __init__(self, site: Folder, overview: Overview, *, n_stale: int) -> None:
        self._site, self._overview, self._n_stale = site, overview, n_stale
        self._began = time.monotonic()
        self._next_s = 0.0
        if n_stale:
            self.rewrite_now_and_then(0)

    def rewrite_now_and_then(self, n_made: int) -> None:
        """Writes the overview with the pages there are, unless that was done a moment ago."""
        now_s = time.monotonic() - self._began
        if now_s < self._next_s:
            return
        left_s = now_s / n_made * (self._n_stale - n_made) if n_made else None
        making = Making(n_made, self._n_stale, left_s)
        self._site.put(INDEX, overview_page(self._overview, self._site, making=making))
        took_s = time.monotonic() - self._began - now_s
        self._next_s = now_s + max(_REWRITE_S, took_s / _REWRITE_SHARE)

    def finish(self, store: Store) -> None:
        """The whole overview, the side files of its search, and the page of what is worth a look."""
        searched = Searched()
        texts = side_files(searchable(store, self._overview.sources), searched)
        sides = [self._site.put(f"search/{n}.html", html.side(text)) for n, text in enumerate(texts)]
        review, n_doubts = review_page(store, self._site)
        files = [*sides, self._site.put(REVIEW, review)]
        page = overview_page(self._overview, self._site, searched=searched, sides=sides, n_doubts=n_doubts)
        self._site.finished(_OVERVIEW, "", [*files, self._site.put(INDEX, page)])


def _fingerprints(
    overview: Overview, places: dict[str, PicturePlace], *, database: Path, pictures: bool
) -> dict[str, tuple[str, ...]]:
    """What each source's page is made from; the first is that of a page made now."""
    style = html.fingerprint() + str(database)
    whole = {source.id: f"{source.fingerprint} {style} {_neighbours(places[source.id])}" for source in overview.sources}
    return {id_: (print_,) if pictures else (f"{print_} bare", print_) for id_, print_ in whole.items()}


def _neighbours(place: PicturePlace) -> str:
    """Changes when a page's neighbours do."""
    return html.digest([place.before, place.after, place.corrects])


def _places(overview: Overview, store: Store) -> dict[str, PicturePlace]:
    sources: Sequence[SourceView] = overview.sources
    corrects = "corrections" in columns(store)
    links = [None, *(((f"{source.id}.html"), html.visible(source.name)) for source in sources), None]
    return {
        source.id: PicturePlace(str(store.path), corrects, before, after)
        for source, before, after in zip(sources, links, links[2:], strict=False)
    }


def as_sentences(made: Made) -> Iterable[str]:
    """How it went, for people."""
    yield f"{made.n_made} pages made, {made.n_kept} kept, {made.n_drawn} pictures drawn → {made.index}"
    if made.n_undrawn:
        yield f"{made.n_undrawn} pictures could not be drawn; their pages say why"
