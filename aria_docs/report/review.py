"""The page of what to look at first: a cell beside its picture, the next by a key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aria_docs.report import html, pictures
from aria_docs.report.content import columns
from aria_docs.report.doubts import Doubt, read_doubts

if TYPE_CHECKING:
    from aria_docs.report.folder import Folder
    from aria_docs.storage.database import Store

REVIEW = "review.html"
_AT_MOST = 500  # an hour's work; after it and a new report come the next


def review_page(store: Store, site: Folder) -> tuple[str, int]:
    """The page's HTML, and how many cells are on it."""
    doubts = read_doubts(store, at_most=_AT_MOST + 1)
    shown = doubts[:_AT_MOST]
    listed = [_as_data(doubt, site) for doubt in shown]
    page = html.page(
        "review",
        database=store.path,
        corrects="corrections" in columns(store),
        doubts=shown,
        listed=listed,
        more=len(doubts) > len(shown),
    )
    return page, len(shown)


def _as_data(doubt: Doubt, site: Folder) -> dict[str, Any]:
    """For the page's script: what it shows, and the correction's place as `aria-docs correct` takes it."""
    picture = f"sources/{doubt.source_id}/p{doubt.page}-{pictures.PAGE_PX}.webp"
    box = [round(edge, 2) for edge in doubt.box] if doubt.box else None
    return {
        "path": doubt.path,
        "name": html.visible(Path(doubt.path).name),
        "source_id": doubt.source_id,
        "page": doubt.page,
        "anchor": {"box": box, "row": doubt.row, "col": doubt.col},
        "text": doubt.text,
        "caption": doubt.caption,
        "row_label": doubt.row_label if doubt.col else "",
        "col_label": doubt.col_label,
        "why": doubt.why,
        "href": f"sources/{doubt.source_id}.html#t{doubt.page}-{doubt.table_no}",
        "picture": picture if site.has(picture) else None,
        "where": _where(doubt),
    }


def _where(doubt: Doubt) -> dict[str, float] | None:
    if not doubt.box or not doubt.page_size:
        return None
    x0, y0, x1, y1 = doubt.box
    width, height = doubt.page_size
    return {"x": x0, "y": y0, "w": x1 - x0, "h": y1 - y0, "pageWidth": width, "pageHeight": height}
