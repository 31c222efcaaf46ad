"""The words of searches and their pictures."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from eyas.core.language import Phrases

TEXTS = Path(__file__).parent / "texts"


@lru_cache
def words(language: str) -> Phrases:
    """Searches' phrases in this language.

    Raises:
        ConfigError: a language that there is none for.
    """
    return Phrases(TEXTS, language)
