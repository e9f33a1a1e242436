"""Known answers on subtitles of every make: what is said, and when."""

from itertools import pairwise
from pathlib import Path

import pytest

from aria_docs.ingest.video import sidecars, subtitle_formats, subtitles
from aria_docs.ingest.video.clip import TextTrack
from aria_docs.media import Cue

STAMPED = "1\n00:00:01,000 --> 00:00:02,000\n"


def said(cues: tuple[Cue, ...]) -> list[tuple[float, float, str]]:
    return [(cue.start_s, cue.end_s, cue.text) for cue in cues]


def beside(folder: Path, name: str, data: bytes | str, *, duration_s: float = 20.0) -> subtitles.Words:
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return subtitles.sidecar(folder / "film.mp4", duration_s=duration_s, fps=25.0)


def test_a_missing_empty_line_swallows_nothing() -> None:
    text = (
        "1\n00:00:01,000 --> 00:00:02,000\nIn 1984\n"
        "12\n00:00:03,000 --> 00:00:04,000\n7\n\n"
        "13\n00:00:05.000 --> 00:00:06.000\nend"
    )
    assert said(subtitle_formats.parse(text)) == [(1, 2, "In 1984"), (3, 4, "7"), (5, 6, "end")]


def test_rolling_captions_say_everything_once() -> None:
    """As a site's own captions are fetched: two lines, of which the upper one was the lower one before."""
    rolled = subtitle_formats.parse(
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.990\n \nwe<00:00:01.400><c> sail</c>\n\n"
        "00:00:02.990 --> 00:00:03.000\nwe sail\n \n\n"
        "00:00:03.000 --> 00:00:04.990\nwe sail\nat<00:00:03.500><c> nine</c>\n\n"
        "00:00:04.990 --> 00:00:05.000\nat nine\n \n\n"
        "00:00:05.000 --> 00:00:07.000\nat nine\nfrom the old harbour"
    )
    found = subtitles.unroll(rolled)
    assert said(found) == [(1, 2.99, "we sail"), (3, 4.99, "at nine"), (5, 7, "from the old harbour")]


@pytest.mark.parametrize(
    ("marked", "text"),
    [
        ("a vector<int>, if a<b and c>d, I <3 you -> me", "a vector<int>, if a<b and c>d, I <3 you -> me"),
        ("<ruby>漢<rt>かん</rt></ruby>で<v.loud Ann Lee>す</v>", "漢です"),
        ("print('\\n') || C:\\new", "print('\\n') || C:\\new"),
        ("I&amp;#39;m \u202b<font color=red>here\u202c", "I'm here"),
    ],
)
def test_what_is_markup_and_what_is_said(marked: str, text: str) -> None:
    assert subtitle_formats.parse(STAMPED + marked)[0].text == text


def test_letters_of_broadcasters() -> None:
    cues = subtitle_formats.cues(ebu_stl("b\xc8\xe1 \xc2e".replace("\xe1", "i") + "\x8a\xe1"), fps=25)
    assert said(cues) == [(1, 2, "bï é Æ")]


def test_single_words_that_roll_up_are_said_once() -> None:
    rolled = ["the old wagon", "stands in the yard", "Yes.", "it does not move", "does it"]
    shown = [rolled[0], *(f"{above} {below}" for above, below in pairwise(rolled))]
    cues = [Cue(float(i), i + 1.0, text) for i, text in enumerate(shown)]
    assert [cue.text for cue in subtitles.unroll(cues)] == rolled


def test_who_says_a_thing_twice_has_said_it_twice() -> None:
    cues = [Cue(i * 2.0, i * 2.0 + 2, text) for i, text in enumerate(["No.", "No.", "a", "b", "c", "d", "e", "f", "g"])]
    assert subtitles.unroll(cues) == tuple(cues)


@pytest.mark.parametrize("late_h", [1, 10])
def test_a_film_that_begins_at_a_later_hour(tmp_path: Path, late_h: int) -> None:
    words = beside(tmp_path, "film.srt", f"1\n{late_h:02}:00:01,000 --> {late_h:02}:00:02,000\nsaid")
    assert said(words.cues) == [(1, 2, "said")] and words.note is not None and "film.srt" in words.note


def test_subtitles_of_a_longer_cut_keep_their_times(tmp_path: Path) -> None:
    words = beside(tmp_path, "film.srt", STAMPED + "said\n\n2\n01:10:00,000 --> 01:10:01,000\nlate")
    assert said(words.cues) == [(1, 2, "said"), (4200, 4201, "late")] and "1 of 2" in (words.note or "")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Où est « l’été » ? – 5 €"),
        ("cp1252", "¿Dónde está el niño?"),
        ("cp1250", "Stary wóz stoi, żółta łódź płynie"),
        ("cp1250", "Příliš žluťoučký kůň úpěl"),
        ("cp1250", "Árvíztűrő tükörfúrógép. Ő itt volt"),
        ("cp1250", "Mulţumesc foarte mult, ce faceţi"),
        ("cp1250", "Čekaj malo, gospođo, žao mi je"),
        ("iso8859_2", "Dziękuję bardzo, gęślą jaźń"),
        ("mac_roman", "Où est la bibliothèque ? Voilà, garçon"),
        ("cp1257", "Visų spalvų skrybėlės, ačiū"),
        ("koi8_r", "Старая телега стоит во дворе"),
        ("cp866", "Старая телега стоит во дворе"),
        ("cp1251", "What is the name of that? Мария"),
        ("cp1255", "העגלה הישנה עומדת בחצר"),
        ("cp1256", "العربة القديمة تقف في الفناء"),
        ("euc_jp", "古い馬車が庭に立っています"),
        ("utf-32", "a mark of four bytes"),
        ("cp1251", "Привет, как дела? Белая птица смотрит"),
        ("cp1253", "Το παλιό κάρο στέκεται στην αυλή"),
        ("cp1254", "Eski araba duruyor, şimdi güneş ışığı"),
        ("shift_jis", "これはテストです。白い鳥がいます"),
        ("gb18030", "白色的鸟看着周围，帽子有各种颜色"),
        ("big5", "舊馬車停在院子裡"),
        ("euc_kr", "하얀 새가 주위를 둘러본다"),
        ("utf-16-le", "no byte order mark"),
        ("utf-16", "one byte order mark"),
        ("utf-8-sig", "Ünïcödé"),
    ],
)
def test_letters_of_every_encoding(encoding: str, text: str) -> None:
    assert [cue.text for cue in subtitle_formats.cues((STAMPED + text).encode(encoding), fps=25)] == [
        " ".join(text.split())
    ]


def test_a_broken_letter_makes_utf_8_no_code_page() -> None:
    data = (STAMPED + "Où est la bibliothèque ? Voilà, garçon, ").encode() + b"\xff"
    assert "bibliothèque" in subtitle_formats.cues(data, fps=25)[0].text


@pytest.mark.parametrize(
    "text",
    [
        "1\r00:00:01,000 --> 00:00:02,000\rold wagon\r",
        "1\n\n00:00:01,000 --> 00:00:02,000\n\nold\n\nwagon\n\n2\n\n00:00:03,000 --> 00:00:04,000\n\n",
        "1\n00: 00: 01,000 -> 00:00:02.000\nold wagon",
        "1\n00:00:01:000 —> 00:00:02:000\nold wagon",
        "1\n00:00:01 --> 00:00:02\n{b}old{/b} wagon\n\x1a\0",
        "00:00:01.00,00:00:02.00\nold[br]wagon",
    ],
)
def test_what_editors_make_of_subrip(text: str) -> None:
    assert said(subtitle_formats.parse(text)) == [(1, 2, "old wagon")]


def test_a_line_without_length_stands_until_the_next() -> None:
    text = "1\n00:00:01,000 --> 00:00:01,000\nold\n\n2\n00:00:02,000 --> 00:00:03,000\n{\\p1}m 0 0 l 9 9{\\p0}wagon"
    assert said(subtitle_formats.parse(text)) == [(1, 2, "old"), (2, 3, "wagon")]


# Of television: a caption is sent as pairs of bytes, thirty a second, and shown by 942f, gone by 942c.
SCC = "Scenarist_SCC V1.0\n\n00:00:00:24\t9420 9420 9470 9470 7361 e964 942f 942f\n\n00:00:02:00\t942c 942c"


def ebu_stl(text: str, *, starts_at: bytes = b"10000000") -> bytes:
    """A programme of one subtitle, a second after its start, in EBU's bytes."""
    head = b"850STL25.01100".ljust(256) + starts_at.ljust(768)
    hour = int(starts_at[:2])
    said = bytes([1, 0, 0, 255, 0, hour, 0, 1, 0, hour, 0, 2, 0, 20, 2, 0]) + text.encode("latin-1").ljust(112, b"\x8f")
    return head + said


TTML = (
    '<tt xmlns="http://www.w3.org/ns/ttml"><body><div>'
    '<p begin="00:00:01.000" end="00:00:02.000">said</p></div></body></tt>'
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("film.ass", "[Events]\nFormat: Layer, Start\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{\\i1}said"),
        ("film.de.sub", "{25}{50}said"),
        ("film.smi", "<SAMI><BODY><SYNC Start=1000><P>said<SYNC Start=2000><P>&nbsp;</BODY></SAMI>"),
        ("film.sbv", "0:00:01.000,0:00:02.000\nsaid\n"),
        ("film.ttml", TTML),
        ("film.ttml", TTML.replace("00:00:01.000", "1s").replace("00:00:02.000", "2000ms")),
        ("film.dfxp", TTML.replace('begin="00:00:01.000" end', 'begin="00:00:01:00" dur').replace("02.000", "01.000")),
        ("film.ttml", TTML.replace("<div>", '<div begin="1s">').replace("00:00:01.000", "0f").replace("02", "01")),
        ("film.srv3", '<timedtext format="3"><body><p t="1000" d="1000">sa<s>id</s></p></body></timedtext>'),
        ("film.en.json3", '{"events":[{"tStartMs":1000,"dDurationMs":1000,"segs":[{"utf8":"sa"},{"utf8":"id"}]}]}'),
        ("film.lrc", "[ti:x]\n[00:01.00]said\n[00:02.00]\n"),
        ("film.lrc", "[offset: +500]\n[00:01.50]said\n[00:02.50]\n"),
        ("film.srt", "1\n00:00:01,000 --> 00:00:02,000\n<i>said</i>\n\n2\n00:00:01,000 --> 00:00:02,000\nsaid\n"),
        ("film.sub", "[10][20]said"),
        ("film.sub", "{DEFAULT}{}{C:$0000ff}\n{25}{50}said"),
        ("film.ttml", TTML.replace("00:00:01.000", "1").replace("02.000", "02,000")),
        ("film.smi", "<SAMI><SYNC Start=2000><P>&nbsp;</SYNC><SYNC Start='1000'><P>said</P></SYNC></SAMI>"),
        ("film.srt", "a1\n" + STAMPED[2:] + "said\na2\n00:00:05,000 --> 00:00:06,000\n"),
        ("film.sub", "{1}{1}10\n{10}{20}said"),
        ("film.srt", "{25}{50}said"),
        ("film.ass", STAMPED + "said"),
        ("film.srt", "1\n00：00：01，000 --> 00：00：02，0000 said\n```\n\n2\n-00:00:02,000 --> -00:00:01,000\nbefore"),
        ("film.stl", "$FontName = Arial\n00:00:01:00 , 00:00:02:00 , ^Isaid^I\n"),
        ("film.jss", "#TIMERES 100\n0:00:01.00 0:00:02.00 D said\n"),
        ("film.txt", "00:00:01:said\n00:00:02:\n"),
        ("film.tsv", "start\tend\ttext\n1000\t2000\tsaid\n"),
        ("film.mp4.json", '{"text": "said", "segments": [{"start": 1.0, "end": 2.0, "text": " said"}]}'),
        ("film.json", '{"transcription": [{"offsets": {"from": 1000, "to": 2000}, "text": " said"}]}'),
        ("film.srv2", '<timedtext><text t="1000" d="1000">said</text></timedtext>'),
        ("film.xml", TTML.replace("said", "<metadata><d>a</d></metadata>said&nbsp;")),
        (
            "film.ass",
            "".join(f"Dialogue: 0,0:00:01.{i}0,0:00:01.{i + 1}0,a,,0,0,0,,said{{a}}\n" for i in range(9))
            + "Dialogue: 0,0:00:01.90,0:00:02.00,a,,0,0,0,,said",
        ),
        ("film.scc", SCC),
        ("film.stl", ebu_stl("said")),
        (
            "film.smi",
            "<SAMI><BODY><SYNC Start=1000><P Class=A>said<P Class=B><SYNC Start=2000><P Class=A>&nbsp;<P Class=B>a",
        ),
    ],
)
def test_formats_that_players_read(tmp_path: Path, name: str, text: str | bytes) -> None:
    (tmp_path / "film.mp4").touch()
    assert said(beside(tmp_path, name, text).cues) == [(1, 2, "said")]


@pytest.mark.parametrize(
    ("name", "data", "note"),
    [
        ("film.srt", "notes on the film", "film.srt holds no subtitles that can be read"),
        ("film.ass", "notes on the film", "film.ass holds no subtitles that can be read"),
        ("film.sub", b"\0\0\x01\xba pictures", "film.sub holds pictures of text, which are not read"),
    ],
)
def test_a_file_without_subtitles_is_named(tmp_path: Path, name: str, data: bytes | str, note: str) -> None:
    assert beside(tmp_path, name, data) == subtitles.Words((), note)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["film.en.sdh.srt"], "film.en.sdh.srt"),
        (["film.en.forced.srt", "film.en.srt"], "film.en.srt"),
        (["film.en.sdh.srt", "film.fr.srt"], "film.fr.srt"),
        (["film.English.vtt", "film.part2.final.srt"], "film.English.vtt"),
        (["film.de.srt", "film.srt"], "film.srt"),
        (["film.de.srt", "film.en.default.srt"], "film.en.default.srt"),
        (["Subs/film.en.srt"], "Subs/film.en.srt"),
        (["film.mp4", "Subs/2_English.srt"], "Subs/2_English.srt"),
        (["Subs/film/eng.srt"], "Subs/film/eng.srt"),
        (["film (English).srt"], "film (English).srt"),
        (["film_pt-BR.srt"], "film_pt-BR.srt"),
        (["film.zh&en.srt"], "film.zh&en.srt"),
        (["film.mp4.srt"], "film.mp4.srt"),
        (["film.en.auto.vtt", "film.fr.captions.vtt"], "film.fr.captions.vtt"),
        (["film.en.srt", "film.en.mp4"], None),
        (["film.chapters.vtt", "film2.srt", "other.srt"], None),
        (["FILM.srt"], "FILM.srt"),
        (["film.mp4", "English.srt"], "English.srt"),
        (["film.mp4", "film.json"], None),
        (["film.srt", "film.idx", "film.mp4"], "film.srt"),
        (["film-en-x-autogen.vtt"], "film-en-x-autogen.vtt"),
        (["film (2).srt"], "film (2).srt"),
    ],
)
def test_names_beside_a_film(tmp_path: Path, names: list[str], expected: str | None) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    found = sidecars.beside(tmp_path / "film.mp4", sidecars.in_folder(str(tmp_path)))
    assert found == (str(tmp_path / expected) if expected else None)


@pytest.mark.parametrize(
    ("video", "name"),
    [
        ("A talk [dQw4w9WgXcQ].mp4", "A talk [dQw4w9WgXcQ].en-orig.vtt"),
        ("A talk [dQw4w9WgXcQ].mp4", "A talk [dQw4w9WgXcQ].en-nP7-2PuUl7o.vtt"),
        ("GMT20240101-120000_Recording_1920x1080.mp4", "GMT20240101-120000_Recording.transcript.vtt"),
        ("cafe\u0301.mkv", "caf\xe9.srt"),
    ],
)
def test_names_that_other_programs_give(tmp_path: Path, video: str, name: str) -> None:
    for each in (video, name):
        (tmp_path / each).touch()
    assert sidecars.beside(tmp_path / video, sidecars.in_folder(str(tmp_path))) == str(tmp_path / name)


def test_a_file_by_another_name_is_named(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").touch()
    note = beside(tmp_path, "The film.srt", STAMPED + "said").note
    assert note == "The film.srt beside it has another name, and is not read"
    (tmp_path / "other.mp4").touch()  # then it may be anybody's
    note = beside(tmp_path, "film.my last one.srt", STAMPED + "said").note
    assert note == "film.my last one.srt beside it has another name, and is not read"


def test_nobody_looks_into_what_lies_beside_other_films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(9):
        (tmp_path / f"{number}.mp4").touch()
        (tmp_path / f"{number}.txt").write_text("00:00:01:said\n")
    opened: list[str] = []
    rank = sidecars._rank_of_content
    monkeypatch.setattr(
        sidecars,
        "_rank_of_content",
        lambda path, claimed: opened.append(path) if claimed else rank(path, claimed=claimed),
    )
    sidecars.in_folder(str(tmp_path), of=tmp_path / "3.mp4")
    assert opened == [str(tmp_path / "3.txt")]


def test_what_an_export_wrote_is_not_what_is_said(tmp_path: Path) -> None:
    (tmp_path / "film.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:05.000\nScene 1\n")
    assert "film" in sidecars.in_folder(str(tmp_path))
    (tmp_path / "manifest.json").write_text(
        '{"format": "chapters", "files": [{"file": "film.vtt", "source": "film.mp4"}]}'
    )
    assert sidecars.in_folder(str(tmp_path)) == {}


def lines(*texts: str) -> tuple[tuple[float, float, str], ...]:
    return tuple((float(i), i + 0.5, text) for i, text in enumerate(texts))


@pytest.mark.parametrize(
    ("tracks", "expected"),
    [
        ([TextTrack(lines("SIGN"), chosen=True, forced=True), TextTrack(lines("a", "b"))], "a"),
        ([TextTrack(lines("SIGN"), "en"), TextTrack(lines("a", "b", "c", "d"), "en")], "a"),
        ([TextTrack(lines("a", "b"), "en"), TextTrack(lines("x", "y"), "fr", chosen=True)], "x"),
        ([TextTrack(lines("[bang]"), "en", for_the_deaf=True), TextTrack(lines("a"), "en")], "a"),
        ([TextTrack(lines("as I shot this"), "en", chosen=True, aside=True), TextTrack(lines("a"), "en")], "a"),
    ],
)
def test_the_track_that_says_all(tracks: list[TextTrack], expected: str) -> None:
    full, _ = subtitles._tracks(tracks)
    assert full is not None and full.lines[0][2] == expected


def test_what_is_written_can_be_read_again() -> None:
    cues = (Cue(1.5, 3.25, "Où est-il ?", "speech"), Cue(3700.0, 3701.0, "5 > 3 & 2", "speech"))
    for form in ("srt", "vtt"):
        assert said(subtitle_formats.parse(subtitle_formats.write(cues, form=form))) == said(cues)
