"""What a model said, broken off anywhere: known answers, and nothing that was not said."""

import json

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from aria_docs.model.recovery import complete, fitting_fields, partial, recover
from aria_docs.schemas.answers import ScenesAnswer, TableAnswer, TablesAnswer

TABLE = {
    "caption": 'Trade, "new"',
    "box": [12, 34, 560, 780],
    "header_rows": 12,
    "rows": [["Year ]}", "km"], ["2019", "77"], ["2020", "8"]],
    "spans": [{"row": 10, "col": 11, "rows": 12, "cols": 13}],
}
TABLES = {"tables": [TABLE, {**TABLE, "caption": None, "spans": []}]}
SCENES = {
    "scenes": [
        {"start": "0:00", "end": "0:41", "title": "One", "description": "A {door} opens."},
        {"start": "0:41", "end": "1:13", "title": "Two", "description": "It shuts."},
    ]
}


def is_part_of(part: object, whole: object) -> bool:
    """Whether a value is the other one with fields and last items missing."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and is_part_of(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) <= len(whole) and all(map(is_part_of, part, whole))
    return type(part) is type(whole) and part == whole


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    ("model", "answer", "whole"), [(TablesAnswer, TABLES, {"rows", "spans"}), (ScenesAnswer, SCENES, {"scenes"})]
)
def test_cut_off_at_every_byte(model, answer, whole, indent) -> None:
    text = json.dumps(answer, indent=indent)
    sizes = []
    for length in range(len(text)):
        found = recover(model, text[:length], ended=False, whole=whole)
        assert found.fault == "the answer was cut off at its token limit" and found.broke_off
        assert is_part_of(found.data, answer)
        for table in found.data.get("tables", []):
            assert all(row in TABLE["rows"] for row in table.get("rows", []))
            assert table.get("spans", []) in ([], TABLE["spans"])
        assert all(scene in answer["scenes"] for scene in found.data.get("scenes", []))
        sizes.append(len(str(found.data)))
    assert sizes == sorted(sizes)  # what is known does not get less
    full = recover(model, text, ended=False, whole=whole)
    assert full.data == answer and full.fault is None


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", {}),
        ("I see no table.", {}),
        ("[1, 2]", {}),
        ('{"tables": [{"caption": "Trade", "box": [90, 1', {"tables": [{"caption": "Trade", "box": [90]}]}),
        ('{"tables": [{"header_rows": 1', {"tables": [{}]}),
        ('{"tables": [{"header_rows": 1, ', {"tables": [{"header_rows": 1}]}),
        ('{"tables": [{"rows": [["Year", "km"], ["2019", "1', {"tables": [{"rows": [["Year", "km"]]}]}),
        ('{"tables": [{"rows": [["Year", "km"], ["2019", "1"', {"tables": [{"rows": [["Year", "km"]]}]}),
        ('{"tables": [{"rows": [["Year", "km"]', {"tables": [{"rows": [["Year", "km"]]}]}),
        ('{"tables": [}', {}),
        ("}}}]]]", {}),
        ('{"a": ' + "[" * 5000, {}),
    ],
)
def test_what_is_left(text, data) -> None:
    assert recover(TablesAnswer, text, ended=True, whole={"rows", "spans"}).data == data


def test_the_outermost_list_where_no_name_is_known() -> None:
    text = '{"no": 7, "lines": [{"parts": [1, 2], "n": 1}, {"parts": [3, 4], "n"'
    assert partial(text, whole=None) == {"no": 7, "lines": [{"parts": [1, 2], "n": 1}]}


@pytest.mark.parametrize("around", ["{}", "```json\n{}\n```", "Here it is: {} I hope it helps {{}}."])
def test_the_object_in_what_stands_around_it(around) -> None:
    text = around.replace("{{}}", "}{").replace("{}", json.dumps(SCENES), 1)
    assert complete(text) == json.dumps(SCENES)
    assert recover(ScenesAnswer, text, ended=True, whole={"scenes"}).fault is None


def test_a_fault_says_where() -> None:
    bad = {"scenes": [SCENES["scenes"][0], {**SCENES["scenes"][1], "start": "soon"}]}
    found = recover(ScenesAnswer, json.dumps(bad), ended=True, whole={"scenes"})
    assert found.fault and found.fault.startswith("the answer does not fit its form (scenes.1.start: string should")
    assert not found.broke_off and found.data == bad
    assert [scene.title for scene in fitting_fields(ScenesAnswer, found.data)["scenes"]] == ["One"]


def test_fields_that_fit_are_taken_one_by_one() -> None:
    bad = {**TABLE, "caption": 5, "box": [1, 2], "rows": [["a"], "b", ["c", 1], ["d"]], "color": "red"}
    found = fitting_fields(TableAnswer, bad)
    assert found.keys() == {"header_rows", "rows", "spans"} and found["rows"] == [["a"], ["d"]]
    assert len(fitting_fields(TableAnswer, {"rows": [["x"]] * 500})["rows"]) == 400
    assert fitting_fields(TableAnswer, "no object") == {}


@settings(max_examples=300, deadline=None)
@hypothesis_given(st.text('{}[]",:\\ab1-. \n', max_size=60))
def test_no_text_is_too_broken(text) -> None:
    for whole in (None, {"rows"}):
        assert isinstance(partial(text, whole=whole), dict)
    recover(TablesAnswer, text, ended=True, whole={"rows", "spans"})


def test_raw_control_characters_are_blanks():
    """As xgrammar lets a model write them."""
    text = '{"scenes":[{"start":"0:00",\n"end":"0:41","title":"A\x00b\x1c","description":"One\ntwo\t."}]}'
    got = recover(ScenesAnswer, text, ended=True, whole=())
    assert got.fault is None
    assert got.data["scenes"][0] == {"start": "0:00", "end": "0:41", "title": "A b ", "description": "One two ."}
    assert partial(text[:-8], whole=())["scenes"][0]["title"] == "A b "
