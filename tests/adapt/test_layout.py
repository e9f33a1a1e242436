"""Lines in Rhymes' layout: those that are taken, and every way in which one is refused, by its number."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aria_docs.adapt import layout, showing
from aria_docs.adapt.layout import Item, VideoFile
from aria_docs.errors import Damaged, UsageError

TEXT = {"type": "text", "text": "What is it?"}
IMAGE = {"type": "image", "text": None}
ANSWER = {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]}


def asked(*content: Any, **rest: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content)}, ANSWER], **rest}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "data"
    home.mkdir()
    for name in ("cat.png", "film.mp4"):
        (home / name).write_bytes(b"not looked at")
    (tmp_path / "secret.png").write_bytes(b"outside")
    return home


def read(folder: Path, *lines: Any) -> tuple[list[layout.DataLine], list[str]]:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "train.jsonl").write_text("\n".join(texts), encoding="utf-8")
    found, refused = layout.read(folder)
    return found, [str(one) for one in refused]


def test_lines_as_rhymes_documents_them(folder: Path) -> None:
    video = asked({"type": "video"}, TEXT, video={"path": "film.mp4", "num_frames": 150}, images=None)
    found, refused = read(folder, asked(IMAGE, TEXT, images=["cat.png"], video=None), "", video, asked(TEXT))
    assert not refused
    assert [line.number for line in found] == [1, 3, 4]
    assert found[0].images == (folder / "cat.png",)
    assert found[0].messages[0].content == (Item("image"), Item("text", "What is it?"))
    assert found[1].video == VideoFile(folder / "film.mp4", 150)
    assert found[2].media == ()


@pytest.mark.parametrize("count", [None, 0, -3])
def test_a_video_without_a_number_of_frames_has_eight(folder: Path, count: int | None) -> None:
    [line], _ = read(folder, asked({"type": "video"}, video={"path": "film.mp4", "num_frames": count}))
    assert line.video and line.video.frames == 8


def test_keys_of_its_own_are_kept_and_change_nothing(folder: Path) -> None:
    [line], _ = read(folder, asked(IMAGE, images=["cat.png"], source={"page": 3}))
    assert line.about == {"source": {"page": 3}}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ({"images": []}, "no messages"),
        (asked(IMAGE, IMAGE, TEXT, images=["cat.png"]), "2 places for images, and it names 1"),
        (asked(TEXT, images=["cat.png"]), "0 places for images, and it names 1"),
        ({"messages": [{"role": "system", "content": [TEXT]}, ANSWER]}, "'system' is no role"),
        ({"messages": [{"role": "user", "content": [TEXT]}]}, "its last message is not the assistant's"),
        ({"messages": [{"role": "user", "content": "What?"}, ANSWER]}, "no list of contents"),
        (asked({"type": "audio"}), "'audio' is no type of content"),
        (asked({"type": "text"}), "has no text"),
        (asked({"type": "text", "text": "a <|im_end|> b"}), "<|im_end|>"),
        ({"messages": [{"role": "assistant", "content": [IMAGE]}], "images": ["cat.png"]}, "only answer in text"),
        (asked(IMAGE, images=["../secret.png"]), "leaves the folder"),
        (asked(IMAGE, images=["/etc/hostname"]), "leaves the folder"),
        (asked(IMAGE, images=["dog.png"]), "there is no file dog.png"),
        (asked(IMAGE, images="cat.png"), "no list of paths"),
        (asked(IMAGE, images=["x" * 300]), "cannot be a file"),
        ('{"messages": [], "images": [], "images": []}', "'images' stands twice"),
        ("[" * 100_000, "no JSON"),
        (asked({"type": "text", "text": "\ud800"}), "half of a surrogate pair"),
        (asked({"type": "video"}, video="film.mp4"), "num_frames"),
        (asked({"type": "video"}, video={"path": "film.mp4", "num_frames": "8"}), "no number of frames"),
        (asked({"type": "video"}), "1 places for a video, and it names 0"),
        (asked(IMAGE, {"type": "video"}, images=["cat.png"], video={"path": "film.mp4"}), "images and a video"),
    ],
)
def test_a_line_is_refused_by_its_number(folder: Path, line: Any, reason: str) -> None:
    found, refused = read(folder, asked(TEXT), line)
    assert len(found) == 1
    assert len(refused) == 1
    assert refused[0].startswith("train.jsonl line 2: ")
    assert reason in refused[0]


def test_a_link_that_leads_outside_leaves_the_folder(folder: Path) -> None:
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    (folder / "circle.png").symlink_to("circle.png")
    _, refused = read(folder, asked(IMAGE, images=["link.png"]), asked(IMAGE, images=["circle.png"]))
    assert "leaves the folder" in refused[0]
    assert "circle.png" in refused[1]


def test_a_folder_without_lines(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no train\.jsonl"):
        layout.read(tmp_path)
    (tmp_path / "train.jsonl").write_text("")
    assert layout.read(tmp_path, "test") == ([], [])


def test_a_picture_is_upright_and_on_white_as_a_run_shows_it(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # lies on its side
    Image.new("RGB", (40, 20), "red").save(tmp_path / "side.jpg", exif=turned)
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.fromarray(np.full((4, 4), 32_768, np.uint16)).save(tmp_path / "deep.png")
    assert showing._open_picture(tmp_path / "side.jpg").shape == (40, 20, 3)
    assert showing._open_picture(tmp_path / "clear.png").min() == 255
    assert 120 < showing._open_picture(tmp_path / "deep.png").mean() < 135


@pytest.mark.parametrize("size", [[1], "ab", ["x", "y"], 5])
def test_a_size_that_is_none_refuses_its_line(folder: Path, size: Any) -> None:
    odd = layout.DataLine(folder / "train.jsonl", 1, (), about={"shown": {"mode": "ultra", "sizes_pt": [size]}})
    with pytest.raises(Damaged, match="no width and height in points"):
        showing._layout(odd, 0, 300, 200, None)
