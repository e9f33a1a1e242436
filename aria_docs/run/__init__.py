"""WHAT IS READ, AND WHEN: the parent process of a run.

Called, as in `aria_docs.run(["reports"], db="r.duckdb")`, it runs.
"""

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """A package that is a function too: importing it puts it in place of the function `aria_docs.run`."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from aria_docs.run.library import run

        return run(*arguments, **options)


sys.modules[__name__].__class__ = _Callable
