"""Which profile a served model has: by what the server calls it, or by name."""

from __future__ import annotations

import re
from dataclasses import replace

from aria_docs.errors import UsageError
from aria_docs.model.profiles import Profile
from aria_docs.model.profiles.aria_vllm import ARIA_VLLM
from aria_docs.model.profiles.internvl import INTERNVL
from aria_docs.model.profiles.plain import PLAIN
from aria_docs.model.profiles.qwen import QWEN2_5_VL, QWEN2_VL, QWEN3_VL

SERVED = (ARIA_VLLM, QWEN2_VL, QWEN2_5_VL, QWEN3_VL, INTERNVL, PLAIN)

# What the names of published weights have in them, in lower case; the first that fits counts. Qwen looks at pictures
# without a VL in its name from 3.5 on.
_NAMES = (
    (r"(?<![a-z])aria(?![a-z])", ARIA_VLLM),
    (r"qwen-?2[._]5-?vl", QWEN2_5_VL),
    (r"qwen-?2-?vl", QWEN2_VL),
    (r"qwen-?3-?vl|qwen-?3[._][5-9]", QWEN3_VL),
    (r"intern-?vl", INTERNVL),
)


def profile_named(name: str) -> Profile:
    """The profile of that name; UsageError if there is none."""
    for profile in SERVED:
        if profile.name == name:
            return profile
    raise UsageError(f"There is no profile {name!r}: take one of {', '.join(profile.name for profile in SERVED)}.")


def choose(*names: str | None, max_model_len: int | None = None, profile: str | None = None) -> Profile:
    """The profile of a served model.

    names:          what the server calls it: its id, then the path or repository it was loaded from.
    max_model_len:  tokens of its window as the server says. It lowers the profile's; of a model without a profile of
                    its own it is all that is known, so it takes the place of that.
    profile:        the name of one that is taken whatever the server says. Raises UsageError.
    """
    chosen = profile_named(profile) if profile else _by_names(names)
    if max_model_len is None:
        return chosen
    return replace(chosen, context=max_model_len if chosen is PLAIN else min(max_model_len, chosen.context))


def _by_names(names: tuple[str | None, ...]) -> Profile:
    for name in filter(None, names):
        for pattern, profile in _NAMES:
            if re.search(pattern, name.lower()):
                return profile
    return PLAIN
