"""Contact sheets: all scenes of a video at a glance, number, start and length under each picture."""

from __future__ import annotations

import io
import math
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from aria_docs.export import EVERYTHING, Chosen, Left, Written
from aria_docs.export.timecode import clock
from aria_docs.export.videos import Cut, pictures, videos

if TYPE_CHECKING:
    from aria_docs.storage.database import Store

# All in pixels but the numbers of columns and rows; a full sheet of 16:9 pictures is about as high as it is wide.
PICTURE = 240
COLUMNS = 6
ROWS = 8
GAP = 16
LINE = 18

PAPER, INK, FAINT, EMPTY = (250, 250, 250), (32, 32, 32), (120, 120, 120), (226, 226, 226)


def export(store: Store, folder: Path, chosen: Chosen = EVERYTHING) -> Iterator[Written | Left]:
    """NAME.jpg for each video, where it has more than 48 scenes NAME/NAME-sheet-1.jpg and so on."""
    for video in videos(store, chosen):
        jpegs = pictures(store, video)
        n_sheets = math.ceil(len(jpegs) / (COLUMNS * ROWS))
        name = _drawable(Path(video.path).name)
        head = f"{name}    {clock(video.duration_s, digits=0)}    {len(jpegs)} scene{'s' * (len(jpegs) > 1)}".strip()
        for number in range(n_sheets):
            these = slice(number * COLUMNS * ROWS, (number + 1) * COLUMNS * ROWS)
            title = f"{head}    {number + 1}/{n_sheets}" if n_sheets > 1 else head
            file = folder / f"{video.name}.jpg"
            if n_sheets > 1:  # in a folder, since NAME-2 may be the name of another video
                file = folder / video.name / f"{video.name}-sheet-{number + 1}.jpg"
                file.parent.mkdir(exist_ok=True)
            sheet(video.cuts[these], jpegs[these], title=title).save(file, "JPEG", quality=85)
            facts = {"source_id": video.source_id, "sheet": number + 1, "n_scenes": len(jpegs[these])}
            yield Written(file, video.path, facts)


def sheet(cuts: Sequence[Cut], jpegs: Sequence[bytes | None], *, title: str) -> Image.Image:
    """One sheet, as wide as its pictures need; at most COLUMNS × ROWS of them."""
    small = [_small(jpeg) for jpeg in jpegs]
    height = max((picture.height for picture in small if picture), default=PICTURE * 9 // 16)
    columns = min(COLUMNS, max(3, len(small)))  # three at least, for the title's sake
    titles = [_drawable(cut.name) if cut.title else "" for cut in cuts]
    cell = height + LINE * (2 if any(titles) else 1) + GAP
    rows = math.ceil(len(small) / columns)
    paper = Image.new("RGB", (columns * (PICTURE + GAP) + GAP, 2 * GAP + LINE + rows * cell), PAPER)
    draw, font = ImageDraw.Draw(paper), ImageFont.load_default(13)
    draw.text((GAP, GAP - 2), _fitting(title, font, paper.width - 2 * GAP), INK, font)
    for place, (cut, picture) in enumerate(zip(cuts, small, strict=True)):
        x = GAP + place % columns * (PICTURE + GAP)
        y = GAP + LINE + GAP // 2 + place // columns * cell
        if picture:
            paper.paste(picture, (x + (PICTURE - picture.width) // 2, y + height - picture.height))
        else:
            draw.rectangle((x, y, x + PICTURE - 1, y + height - 1), EMPTY)
        draw.text((x, y + height + 3), f"{cut.scene_no + 1}", INK, font)
        length = f"{cut.end_s - cut.start_s:.1f} s"
        draw.text((x + PICTURE / 2, y + height + 3), clock(cut.start_s), INK, font, anchor="ma")
        draw.text((x + PICTURE, y + height + 3), length, FAINT, font, anchor="ra")
        draw.text((x, y + height + 3 + LINE), _fitting(titles[place], font, PICTURE), INK, font)
    return paper


def _small(jpeg: bytes | None) -> Image.Image | None:
    """Inside a square: an upright video is no higher than others are wide."""
    if jpeg is None:
        return None
    with Image.open(io.BytesIO(jpeg)) as picture:
        picture.thumbnail((PICTURE, PICTURE))
        return picture.convert("RGB")


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """As much of it as there is room for."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _drawable(text: str) -> str:
    """Without accents; nothing where that leaves letters that Pillow's own font, ASCII alone, would draw as boxes."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return plain if plain.isascii() else ""
