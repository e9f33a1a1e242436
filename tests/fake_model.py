"""A `ChatModel` that says what a schema asks for, for tests of the run around it."""

import json
import threading

from aria_docs.errors import ModelError
from aria_docs.model.chat_model import Reply

ANSWERS = {
    "tables": {
        "tables": [
            {
                "caption": "Sales", "box": [100, 150, 700, 300], "header_rows": 1, "spans": [],
                "rows": [["Item", "First", "Second"], ["row 1", "1.5", "(1)"], ["row 2", "2.5", "(2)"]],
            }
        ]
    },
    "scenes": {"scenes": [{"start": "0:00", "end": "0:03", "title": "A harbour", "description": "Fog."}]},
    "key_points": {"title": "Sales", "language": "en", "text": "It grew.", "key_points": []},
    "segments": {"segments": [{"start": "0:00", "end": "0:02", "name": "harbour", "day": "2025-03-04"}]},
    "name": {"name": "harbour", "day": "2025-03-04"},
}  # fmt: skip


class FakeContext:
    def __init__(self, shown) -> None:
        self.shown = shown

    def close(self) -> None:
        pass


class FakeModel:
    """fails: labels of pages for which `ask` raises, each as often as it is given; `asked` holds what was asked."""

    name, model, revision, lanes, unreachable = "remote", "fake", "1", 2, ()

    def __init__(self, profile, *, fails=(), error=None, hold=None) -> None:
        self.profile = profile
        self.fails, self.error = list(fails), error or ModelError("the server is out")
        self.asked: list[list[str]] = []
        self.hold: threading.Event | None = hold
        self.closed = threading.Event()

    def count(self, text) -> int:
        return len(text)

    def open(self, shown):
        return FakeContext(shown)

    def ask(self, asked, *, on_tokens=lambda _: None):
        labels = [context.shown[0].part.label for context, _ in asked]
        self.asked.append(labels)
        for label in labels:
            if label in self.fails:
                self.fails.remove(label)
                raise self.error
        while self.hold and not self.hold.wait(0.05):
            if self.closed.is_set():
                raise ModelError("closed")
        on_tokens(3)
        return [
            Reply(self._says(question.schema), ended=True, input_tokens=9, output_tokens=3) for _, question in asked
        ]

    def _says(self, schema) -> str:
        properties = json.loads(schema)["properties"]
        return json.dumps(next(answer for key, answer in ANSWERS.items() if key in properties))

    def close(self) -> None:
        self.closed.set()
