"""How many examples Hypothesis tries: the same few in every run, or with FUZZ=N that many new ones (`make fuzz`)."""

from __future__ import annotations

import os

from hypothesis import settings


def load_examples() -> None:
    """No deadline: the machine may be busy with other tests."""
    many = int(os.environ.get("FUZZ", 0))
    settings.register_profile("eyas", derandomize=not many, deadline=None, max_examples=many or 100)
    settings.load_profile("eyas")
