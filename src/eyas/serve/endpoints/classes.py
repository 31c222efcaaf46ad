"""Which class a client means."""

from __future__ import annotations

from eyas.core.errors import InputError

LONGEST = 9  # digits of an index


def class_index(label: str | int, classes: tuple[str, ...], named: str = "label") -> int:
    """Of a class by its name, else by its index.

    Args:
        named: what is asked for, in the words of an error.

    Raises:
        InputError: there is no such class.
    """
    if label in classes:
        return classes.index(str(label))
    index = int(label) if isinstance(label, int) or (label.isdecimal() and len(label) <= LONGEST) else -1
    if not 0 <= index < len(classes):
        names = ", ".join(classes[:20]) + ("…" if len(classes) > 20 else "")
        raise InputError(
            f"{named} must be a class ({names}) or an index in [0, {len(classes)}), got {str(label)[:80]!r}"
        )
    return index
