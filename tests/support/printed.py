"""What a page says that a command prints, against what it prints: the words must agree, numbers may not."""

from __future__ import annotations

import re
from itertools import zip_longest

CUT = "…"
"""A last line that is this: the rest is not shown."""
FORMS = (
    (re.compile(r"\b(?=\w*\d)[0-9a-f]{8,}\b"), "#"),  # digests and ids
    (re.compile(r"\b(?:fp32|bf16)\b"), "#"),  # by a probe of the machine
    (re.compile(r"-?\d[\d,.]*(?:e[-+]\d+)?"), "#"),
    (re.compile(r"[━─┏┳┓┡╇┩└┴┘]+"), "─"),
    (re.compile(r"[ \t]+"), " "),
)


def difference(shown: str, printed: str) -> str:
    """The first line that is not as it is shown; empty where all are.

    Numbers, digests, precisions and the widths of tables may differ.
    """
    wanted, found = _lines(shown), _lines(printed)
    if wanted[-1:] == [CUT]:
        del wanted[-1]
        del found[len(wanted) :]
    for one, other in zip_longest(wanted, found, fillvalue="(nothing)"):
        if one != other:
            return f"shown: {one}\nprinted: {other}"
    return ""


def _lines(text: str) -> list[str]:
    for pattern, form in FORMS:
        text = pattern.sub(form, text)
    return [line.strip() for line in text.strip().splitlines()]
