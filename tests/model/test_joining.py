"""Answers of several windows as one: known answers."""

from aria_docs.media import KeyPoint, Summary
from aria_docs.model.joining import objects, summaries


def test_summaries() -> None:
    first = Summary(None, "de", "Erstens.", (KeyPoint("One", page=1), KeyPoint("Two", page=2)))
    second = Summary("B", "en", "Second.", (KeyPoint("two", page=3), KeyPoint("Three", page=4)))
    third = Summary("C", "en", "Second.", ())
    assert summaries([first, second, third]) == Summary(
        "B", "en", "Erstens.\n\nSecond.", (KeyPoint("One", page=1), KeyPoint("Two", page=2), KeyPoint("Three", page=4))
    )
    assert summaries([]) is None and summaries([first]) is first
    assert summaries([Summary(None, None, "a"), Summary(None, None, "b")]) == Summary(None, None, "a\n\nb")


def test_records() -> None:
    first = {"no": None, "date": "2019", "buyer": {"name": None, "city": "Ulm"}, "items": [{"a": 1}, {"a": 2}]}
    second = {"no": 7, "date": "2020", "buyer": {"name": "X", "city": "Bonn"}, "items": [{"a": 2}, {"a": 3}]}
    joined = {"no": 7, "date": "2019", "buyer": {"name": "X", "city": "Ulm"}, "items": [{"a": 1}, {"a": 2}, {"a": 3}]}
    assert objects([first, second]) == joined
    assert objects([{}, first]) == first and objects([]) is None
    assert objects([{"x": [1]}, {"x": 2}]) == {"x": [1]}
