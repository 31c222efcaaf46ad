import pytest

from eyas.core.errors import ConfigError
from eyas.core.language import LANGUAGES, NARROW_SPACE
from eyas.diagnose.findings import CAUSES, Finding
from eyas.diagnose.wording import phrases, say

VALUES = {"images": 1234, "share": 0.0123, "split": "test"}


def test_both_languages_have_the_same_phrases_with_the_same_values():
    english, french = map(phrases, LANGUAGES)
    assert english.keys() == french.keys()
    for key in english.keys():  # noqa: SIM118 - a method, not a dict's
        assert english.fields(key) == french.fields(key), key


def test_every_cause_has_its_words():
    keys = set(phrases("en").keys())
    assert [code for code in CAUSES if f"{code}.title" not in keys] == []


def test_numbers_are_written_as_each_language_writes_them():
    finding = Finding("leak-test", "problem", dict(VALUES))
    assert "1,234 of the test images (1.2%)" in say(finding, "en").evidence
    assert f"1{NARROW_SPACE}234 des images de test (1,2{NARROW_SPACE}%)" in say(finding, "fr").evidence


def test_a_language_that_nobody_wrote_is_refused():
    with pytest.raises(ConfigError, match="the language must be one of en, fr, got 'de'"):
        phrases("de")
