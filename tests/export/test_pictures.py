"""Thumbnails and contact sheets are made of the pictures in the database: the video need not be there."""

import io

import numpy as np
from PIL import Image

from aria_docs.export import export, sheets
from aria_docs.export.videos import Cut

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30)]


def jpeg(colour, size=(320, 180)):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def shows(picture, x, y, colour):
    return np.abs(np.array(picture.getpixel((x, y))) - colour).max() < 12


def test_thumbnails_are_the_very_bytes_and_a_missing_one_is_a_line(films, out):
    kept = [jpeg(COLOURS[0]), None, jpeg(COLOURS[2])]
    films.add("/gone/film.mp4", [0, 1, 2, 3], thumbnails=kept)
    made = export(films.store, out, form="thumbnails")
    assert (out / "film" / "film-001.jpg").read_bytes() == kept[0]
    assert (out / "film" / "film-003.jpg").read_bytes() == kept[2]
    assert [w.facts["scene_no"] for w in made.written] == [0, 2]
    [left] = made.left
    assert "Scene 2 of film.mp4" in str(left.error)


def test_a_sheet_shows_the_scenes_in_order(films, out):
    films.add("/gone/film.mp4", [0, 1, 2, 3, 4], thumbnails=[*(jpeg(c) for c in COLOURS[:3]), None])
    [written] = export(films.store, out, form="sheets").written
    with Image.open(written.file) as sheet:
        assert sheet.width == 4 * (sheets.PICTURE + sheets.GAP) + sheets.GAP
        y = sheets.GAP + sheets.LINE + sheets.GAP // 2 + 60
        for place, colour in enumerate([*COLOURS[:3], sheets.EMPTY]):
            assert shows(sheet, sheets.GAP + place * (sheets.PICTURE + sheets.GAP) + 120, y, colour)


def test_what_stands_under_a_picture_depends_on_its_scene():
    same = [jpeg(COLOURS[0])]
    plain = np.asarray(sheets.sheet([Cut(0, 0, 1, "cut")], same, title="x"))
    later = np.asarray(sheets.sheet([Cut(0, 1, 2, "cut")], same, title="x"))
    titled = sheets.sheet([Cut(0, 0, 1, "cut", "A title")], same, title="x")
    foreign = sheets.sheet([Cut(0, 0, 1, "cut", "表")], same, title="x")
    assert plain.shape == later.shape
    assert (plain != later).any()
    assert titled.height == len(plain) + sheets.LINE
    assert foreign.height == len(plain)  # rather no title than boxes


def test_an_upright_video_is_not_higher_than_others_are_wide():
    sheet = sheets.sheet([Cut(0, 0, 1, "cut")], [jpeg(COLOURS[1], (180, 320))], title="x")
    assert shows(sheet, sheets.GAP + 120, 100, COLOURS[1])
    assert shows(sheet, sheets.GAP + 10, 100, sheets.PAPER)


def test_many_scenes_are_several_sheets_in_a_folder(films, out):
    n = sheets.COLUMNS * sheets.ROWS + 2
    films.add("/gone/film.mp4", list(range(n + 1)), thumbnails=[jpeg(COLOURS[i % 4]) for i in range(n)])
    made = export(films.store, out, form="sheets").written
    assert [w.file.relative_to(out).as_posix() for w in made] == ["film/film-sheet-1.jpg", "film/film-sheet-2.jpg"]
    assert [w.facts["n_scenes"] for w in made] == [n - 2, 2]
    with Image.open(made[1].file) as second:
        assert shows(second, sheets.GAP + 120, 100, COLOURS[(n - 2) % 4])
