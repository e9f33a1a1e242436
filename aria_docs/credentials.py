"""Names and passwords inside URLs: taken out of whatever is stored or shown, and put back where a server is asked.

A leaf. `ARIA_DOCS_SERVERS` holds the full URLs, separated by blanks, for a process that is given only the others: a
flow run, whose parameters Prefect stores.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

SERVERS = "ARIA_DOCS_SERVERS"

# To the last @ ahead of the path, as a password may hold one; a command line may quote the URL.
_USERINFO = re.compile(r"(?<=://)[^/\s?#'\"]*@")


def without_credentials(text: str) -> str:
    """A URL, or any text with URLs in it, without their names and passwords."""
    return _USERINFO.sub("", text)


def with_credentials(urls: Iterable[str]) -> tuple[str, ...]:
    """The URLs as `ARIA_DOCS_SERVERS` has them; one that is not there stays as it is."""
    full = {without_credentials(url): url for url in os.environ.get(SERVERS, "").split()}
    return tuple(full.get(url, url) for url in urls)


def hand_down(urls: Iterable[str]) -> None:
    """Sets `ARIA_DOCS_SERVERS` for this process and those that it starts, if a URL has a name or a password."""
    if secret := [url for url in urls if url != without_credentials(url)]:
        os.environ[SERVERS] = " ".join([*os.environ.get(SERVERS, "").split(), *secret])
