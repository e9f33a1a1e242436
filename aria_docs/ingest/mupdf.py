"""The one door to PyMuPDF. Importing this module is heavy (about a second), so it is imported where it is used.

PyMuPDF 2.0 loads its layout network and table-grid model while it is imported, each in an onnxruntime session with a
pool of threads that spin. Threads do not survive fork(), and a child that runs such a session waits for them for ever.
So the sessions are built here with no thread but the caller's: a process that has imported this module may fork
children that run the networks at once.
"""

from __future__ import annotations

from typing import Any

import onnxruntime


class _OneThread(onnxruntime.SessionOptions):  # type: ignore[misc]  # onnxruntime has no types
    """What `pymupdf.layout` gets when it asks for the default options."""

    def __init__(self) -> None:
        super().__init__()
        self.intra_op_num_threads = 1
        self.inter_op_num_threads = 1
        self.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.log_severity_level = 4  # fatal only: nothing of ours may reach a user's terminal


_default = onnxruntime.SessionOptions
onnxruntime.SessionOptions = _OneThread
try:
    import pymupdf as _pymupdf
finally:
    onnxruntime.SessionOptions = _default

pymupdf: Any = _pymupdf  # it says that it is typed, and is not

pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)
pymupdf.no_recommend_layout()

# What PyMuPDF raises for bytes it cannot parse; FzErrorBase is MuPDF's own tree, beside RuntimeError and ValueError.
ERRORS: tuple[type[Exception], ...] = (RuntimeError, ValueError, IndexError, pymupdf.mupdf.FzErrorBase)

__all__ = ["ERRORS", "pymupdf"]
