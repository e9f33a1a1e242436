"""Fields as lines of text: known answers."""

from __future__ import annotations

from aria_docs.ingest.forms import with_fields
from aria_docs.ingest.reading_order import TextLine
from aria_docs.media import FormField


def test_what_a_field_holds_stands_on_the_line_of_its_label_in_its_type() -> None:
    labels = [
        TextLine("Address", (60, 112, 100, 123), 11.0, bold=True, font="Helv"),
        TextLine("Newsletter", (60, 193, 110, 204), 11.0, bold=False, font="Helv"),
    ]
    fields = [
        FormField("a", "text", "Dock Road 4\nSkarvik", None, (200, 110, 400, 150)),
        FormField("n", "checkbox", None, True, (200, 190, 212, 202)),
    ]
    address, newsletter, value, tick = with_fields(labels, fields)
    assert (address.text, value.text, tick.text) == ("Address:", "Dock Road 4 Skarvik", "☑")
    assert (value.box[1::2], tick.box[1::2]) == (address.box[1::2], newsletter.box[1::2])
    assert (value.size_pt, value.font, value.bold) == (11.0, "Helv", False)
