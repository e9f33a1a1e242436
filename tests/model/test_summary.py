from __future__ import annotations

import random
import re
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aria_docs.media import Cue, KeyPoint, Summary
from aria_docs.model.embedded.lexrank import Vectors, lexrank
from aria_docs.model.embedded.sentences import document_sentences, split
from aria_docs.model.embedded.spoken import cue_sentences
from aria_docs.model.embedded.summary import language_of, summarise_cues, summarise_document
from aria_docs.model.embedded.title import document_title


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("See Fig. 3 for the U.S. share. It rose.", ["See Fig. 3 for the U.S. share.", "It rose."]),
        ("Pay No. 5 now, i.e. at once. “No.” So!", ["Pay No. 5 now, i.e. at once.", "“No.”", "So!"]),
        ("Am 3. Mai kam Dr. Weber, z. B. allein. Er blieb.", ["Am 3. Mai kam Dr. Weber, z. B. allein.", "Er blieb."]),
        ("He said no. Art. 5 was a work of art. It hung.", ["He said no.", "Art. 5 was a work of art.", "It hung."]),
        ("It grew by 3.5 per cent. It was 1999. Then", ["It grew by 3.5 per cent.", "It was 1999.", "Then"]),
        ("これは一つ目です。「はい。」二つ目？三つ目！", ["これは一つ目です。", "「はい。」", "二つ目？", "三つ目！"]),
        ("यह पहला वाक्य है। यह दूसरा है।", ["यह पहला वाक्य है।", "यह दूसरा है।"]),
        ("هل هذا سؤال؟ نعم هو كذلك.", ["هل هذا سؤال؟", "نعم هو كذلك."]),
        ("ก" * 50 + " " + "ข" * 60 + " " + "ค" * 30, ["ก" * 50 + " " + "ข" * 60, "ค" * 30]),
        ("ก" * 150 + " ข", ["ก" * 150, "ข"]),
        ("No full stop", ["No full stop"]),
        ("", []),
    ],
)
def test_split(text: str, sentences: list[str]) -> None:
    assert split(text) == sentences


def test_an_initial_ends_a_sentence_where_the_next_word_is_no_name() -> None:
    assert split("Acme Inc. Oslo made it. So did Nor Ltd. The rest is dust.", frozenset({"the"})) == [
        "Acme Inc. Oslo made it.",
        "So did Nor Ltd.",
        "The rest is dust.",
    ]
    text = "It was written by David M. Smith in R. We use R. They do too."
    assert split(text, frozenset({"we", "they"})) == [
        "It was written by David M. Smith in R.",
        "We use R.",
        "They do too.",
    ]


PROSE = "The harbour was enlarged in the spring of that year."


def sentences_of(*pages: str) -> list[tuple[str, int]]:
    return [(s.text, s.page) for s in document_sentences(list(enumerate(pages, start=1)))]


@pytest.mark.parametrize(
    "noise",
    [
        "Total 1,234 5,678 (12) 45 %\nQuays 17 18 19 20",
        "1 Introduction . . . . . . . . . . 3\n2 The harbour . . . . . . . . 14",
        "| Year | Tonnes |\n|---|---|\n| 2024 | 311 |",
        "Region      North      South      East      West",
        "x = rand (3, 4); y = {x, x'}; disp (y);",
        "Name of applicant\nDate of birth\nSignature",
        "Total Current Assets Prior Year Current Year Net.",
        "12 See the annex for the terms used here and elsewhere.",
    ],
)
def test_what_is_no_sentence_is_left_out_and_breaks_none(noise: str) -> None:
    after = "Two new cranes stand on the northern quay since then."
    assert sentences_of(f"{PROSE}\n{noise}\n{after}") == [(PROSE, 1), (after, 1)]


def test_running_heads_and_page_numbers_are_left_out() -> None:
    bodies = [
        "The first quay is made of stone and wood.",
        "A second quay was built from concrete.",
        "Then came the basin for the ferries.",
    ]
    pages = [f"Port Authority – Annual report\n{body}\nPage {i} of 3" for i, body in enumerate(bodies, start=1)]
    assert sentences_of(*pages) == [(body, i) for i, body in enumerate(bodies, start=1)]


def test_a_sentence_on_three_pages_is_boilerplate_and_one_on_two_is_told_once() -> None:
    filler = [f"Line {word}\nMore {word}\nStill {word}" for word in ("one", "two", "three")]
    twice = "The tide tables are printed every year."
    pages = [f"{a}\n\n{PROSE}\n\n{b}\n\n{a}" for a, b in zip(filler, (twice, twice, ""), strict=True)]
    assert sentences_of(*pages) == [(twice, 1)]


def test_words_hyphenated_at_a_line_end_are_whole_again() -> None:
    page = (
        "This well-known harbour is deep.\nIt was enlarged by the muni-\ncipal works with a well-\nknown quay for it."
    )
    assert sentences_of(page)[1] == ("It was enlarged by the municipal works with a well-known quay for it.", 1)


def test_a_sentence_cut_by_the_end_of_a_page_is_left_out() -> None:
    assert sentences_of(f"{PROSE} The new basin took", f"four years to build and fill. {PROSE[:-1]} again.") == [
        (PROSE, 1),
        (PROSE[:-1] + " again.", 2),
    ]
    # Japanese has no small letters to tell the tail of a sentence by.
    assert sentences_of(
        "港は去年の春に大きく拡張されました。新しい岸壁は", "石で造られています。船は南の島へ向かいます。"
    ) == [
        ("港は去年の春に大きく拡張されました。", 1),
        ("船は南の島へ向かいます。", 2),
    ]


def test_slides_have_lines_for_sentences() -> None:
    slides = [
        "# Traffic\n• More ferries than before\n• Fewer cargo ships",
        "# Plans\n• A third basin by the old lighthouse",
    ]
    assert sentences_of(*slides) == [
        ("More ferries than before", 1),
        ("Fewer cargo ships", 1),
        ("A third basin by the old lighthouse", 2),
    ]


@pytest.mark.parametrize(
    ("metadata", "page", "title"),
    [
        (
            "Port of Aria: Annual Report",
            "# Annual Report 2025\n\nPort of Aria\n\n" + PROSE,
            "Port of Aria: Annual Report",
        ),
        ("Microsoft Word - Annual Report 2025", "# Annual Report 2025", "Annual Report 2025"),
        ("Microsoft Word - report_final2.doc", "# Annual Report 2025\n\n" + PROSE, "Annual Report 2025"),
        ("untitled", "# Annual\n# Report\n\n" + PROSE, "Annual Report"),
        ("Invoice template", "# Annual Report\n\n" + PROSE, "Annual Report"),
        ("A history of the lighthouses", PROSE, "A history of the lighthouses"),
        ("us-002", f"Annual Report 2025\n\n{PROSE}", "Annual Report 2025"),
        ("C:\\texts\\final\\a b.tex", f"# Contents\n\n# Table 3: Ships\n\n{PROSE}", "Table 3: Ships"),
        ("Document1", f"12 34\n\n# 2025\n\n{PROSE} {PROSE}", None),
        (None, f"### Port of Aria\n\n# Annual Report\n\n### Staff\n\n{PROSE}", "Annual Report"),
        (None, f"### 2. Background\n\n{PROSE}\n\nCountry Tonnes Ships", None),
        (None, "", None),
        ("年次報告", "# 年次報告\n\n本文です。", "年次報告"),
    ],
)
def test_title(metadata: str | None, page: str, title: str | None) -> None:
    assert document_title([(1, page)], metadata=metadata) == title


def test_lexrank_is_the_stationary_distribution_of_the_paper() -> None:
    texts = ["ferry quay harbour", "ferry quay crane", "quay crane basin", "lighthouse keeper", "", "ferry basin"]
    vectors = Vectors.of(texts)
    rows = np.zeros((vectors.n_sentences, vectors.n_terms))
    rows[vectors.row, vectors.col] = vectors.weight
    cosine = rows @ rows.T
    assert np.allclose(np.diag(cosine), [1, 1, 1, 1, 0, 1])
    cosine[4] = 1  # leads everywhere alike
    walk = 0.15 / 6 + 0.85 * (cosine / cosine.sum(axis=1, keepdims=True)).T
    values, left = np.linalg.eig(walk)
    expected = np.abs(left[:, values.argmax()].real)
    assert np.allclose(lexrank(vectors), expected / expected.max(), atol=1e-4)


REPORT = [
    (
        1,
        "# Port of Aria\n\n# Summary\n\nThe port handled more ferries than in any year before. "
        + PROSE
        + " The ferries "
        "carried two million people to the islands. Cargo fell by a tenth because a crane was repaired.",
    ),
    (2, "# Staff\n\nThe port employs some three hundred people. Most of the people live in the town.\n\n12 13 14"),
    (3, "# Outlook\n\nThe port will build a third basin for the ferries.\n\n© 2025 Port of Aria. All rights are ours."),
]


def test_a_summary_says_what_the_pages_say() -> None:
    summary = summarise_document(REPORT, title=None)
    assert summary is not None and summary.title == "Port of Aria" and summary.language == "en"
    assert summary == summarise_document(REPORT, title=None)
    assert "The port handled more ferries than in any year before." in summary.text
    assert "©" not in summary.text and "rights" not in summary.text
    said = {number: " ".join(text.split()) for number, text in REPORT}
    order = [" ".join(said.values()).index(part) for part in split(summary.text)]
    assert 3 <= len(order) <= 6 and order == sorted(order)
    assert {point.page for point in summary.key_points} >= {1, 3} and 3 <= len(summary.key_points) <= 8
    assert all(point.page is not None and point.text in said[point.page] for point in summary.key_points)


def test_of_sentences_that_say_the_same_one_is_kept() -> None:
    verbs = ("rebuilt", "enlarged", "repaired")
    same = [f"The northern quay of the harbour was {verb} in spring." for verb in verbs]
    others = ["Two million passengers took a ferry.", "Whales were seen from the lighthouse at dawn."]
    summary = summarise_document([(1, " ".join(same + others))], title=None)
    assert summary is not None
    points = [point.text for point in summary.key_points]
    assert sum("northern quay" in text for text in points) == 1


PIECES = st.sampled_from([
    *("The ferry leaves the old harbour at nine every morning.", "A. B. Smith said so, and he knows the port well."),
    *("It carries people", "and cars to Dr. Weber’s island.", "which is-", "i.e. never", "• More ferries than before"),
    *("港を出ます。船は南の島へ", "向かいます。", "यह पहला वाक्य है।", "# A heading", "", "12 34 (56)", "Page 3 of 9"),
])  # fmt: skip


@given(st.lists(st.lists(PIECES, max_size=12).map("\n".join), max_size=6))
def test_no_word_is_invented(texts: list[str]) -> None:
    pages = list(enumerate(texts, start=1))
    summary = summarise_document(pages, title=None)
    if summary is None:
        return
    said = {number: re.sub(r"[\s-]", "", text) for number, text in pages}
    assert summary.title is None or re.sub(r"[\s#-]", "", summary.title) in said[1].replace("#", "")
    assert len(summary.text) <= 1000 and len(summary.key_points) <= 8
    for point in summary.key_points:
        assert point.page is not None and re.sub(r"[\s-]", "", point.text) in said[point.page], point
    shown = [point.page or 0 for point in summary.key_points]
    assert shown == sorted(shown)
    everything = "".join(said.values())
    for line in summary.text.split("\n"):
        assert all(re.sub(r"[\s-]", "", part) in everything for part in split(line))


@pytest.mark.parametrize("pages", [[], [(1, "")], [(1, "12 34 56\n78 90"), (2, "(5) 1,234 45 %")]])
def test_nothing_said_is_no_summary(pages: list[tuple[int, str]]) -> None:
    assert summarise_document(pages, title="Document1") is None


def test_a_page_of_numbers_keeps_a_title_that_can_be_believed() -> None:
    assert summarise_document([(1, "12 34\n56 78")], title="Tide tables of the port") == Summary(
        "Tide tables of the port", language=None, text=""
    )


def test_a_short_text_is_its_own_summary() -> None:
    assert summarise_document([(4, "Closed today.")], title=None) == Summary(
        None, language=None, text="Closed today.", key_points=(KeyPoint("Closed today.", page=4),)
    )


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The ferry leaves the old harbour at nine in the morning.", "en"),
        ("Die Fähre verlässt den alten Hafen um neun Uhr morgens.", "de"),
        ("Le ferry quitte le vieux port à neuf heures du matin.", "fr"),
        ("Паром отправляется из старой гавани в девять часов утра.", "ru"),
        ("تغادر العبارة الميناء القديم في الساعة التاسعة صباحا.", "ar"),
        ("नौका सुबह नौ बजे पुराने बंदरगाह से निकलती है।", "hi"),
        ("フェリーは午前九時に古い港を出ます。", "ja"),
        ("渡轮早上九点离开旧港口。", "zh"),
        ("เรือเฟอร์รี่ออกจากท่าเรือเก่าเวลาเก้าโมงเช้า", "th"),
        ("12 34 (56) 78 %", None),
        ("ok", None),
        ("", None),
    ],
)
def test_language(text: str, language: str | None) -> None:
    assert language_of([text]) == language


def cues(*texts: str, every_s: float = 3.0, pause_s: float = 0.2) -> list[Cue]:
    return [Cue(i * every_s, (i + 1) * every_s - pause_s, text) for i, text in enumerate(texts)]


def test_cues_become_sentences_with_the_time_of_their_first_word() -> None:
    said = cues(
        *("[Music]", "The ferry leaves the old", "harbour at nine.  Two thousand", "people are on board."),
        *("♪ la la ♪", "- Is it late today? - No, it is right on time."),
    )
    assert cue_sentences(said) == [
        ("The ferry leaves the old harbour at nine.", 3.0),
        ("Two thousand people are on board.", 6.0),
        ("Is it late today?", 15.0),
        ("No, it is right on time.", 15.0),
    ]


def test_captions_without_full_stops_come_in_stretches_and_end_at_pauses() -> None:
    words = [
        "we look at the engine room",
        "and at the people who work",
        "there by day and by night",
        "before the ship goes out",
    ]
    assert cue_sentences(cues(*words)) == [(" ".join(words[:4]), 0.0)]
    assert cue_sentences([*cues(*words[:2]), Cue(20, 22, "Then it sails away to the south")]) == [
        (" ".join(words[:2]), 0.0),
        ("Then it sails away to the south", 20),
    ]


def test_a_sentence_without_end_is_cut_where_a_subtitle_ends() -> None:
    endless = [f"and then it went on to the {i}th island" for i in range(40)]
    found = cue_sentences(
        cues("This is all. Really.", *endless, "That is all.", "Every word of it.", *["Yes, sir."] * 5)
    )
    assert max(len(text) for text, _ in found) < 400
    assert " ".join(text for text, _ in found).count("island") == 40


def test_captions_that_roll_up_say_everything_once() -> None:
    rolling = cues("the ferry leaves", "the ferry leaves the old harbour", "the old harbour at nine every day")
    assert cue_sentences(rolling) == [("the ferry leaves the old harbour at nine every day", 0.0)]


def test_summary_of_cues() -> None:
    assert summarise_cues([]) is None and summarise_cues(cues("[Music]", "♪")) is None
    said = ("The ferry leaves the harbour at nine.", "It carries people and cars.", "The islands have no other link.")
    summary = summarise_cues(cues(*said))
    assert summary is not None and summary.title is None and summary.language == "en"
    assert [(point.start_s, point.page) for point in summary.key_points] == [(0.0, None), (3.0, None), (6.0, None)]
    assert summary.text == " ".join(said)


def test_a_book_of_a_thousand_pages_takes_seconds_and_megabytes() -> None:
    draw = random.Random(7)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(5000)]
    sentences = [" ".join(draw.choices(words, k=14)).capitalize() + "." for _ in range(10_000)]
    pages = [(i + 1, "\n".join(sentences[i * 10 : i * 10 + 10])) for i in range(1000)]
    started_s = time.process_time()
    summary = summarise_document(pages, title=None)
    seconds = time.process_time() - started_s
    # A matrix of all pairs would take 800 MB.
    tracemalloc.start()
    lexrank(Vectors.of(sentences))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert summary is not None and len(summary.key_points) == 8 and len(summary.text) <= 1000
    assert peak < 100e6 and seconds < 20, (peak, seconds)
