"""The table of exit codes says what every error ends with."""

import importlib

from eyas.core.errors import EXIT_CODES, EyasError

DEFINE_MORE = (
    "eyas.data.sources.download",
    "eyas.explain.asking",
    "eyas.monitor.store.engine",
    "eyas.serve.alerts.posting",
    "eyas.serve.http.problems",
)


def every_error(kind: type[EyasError] = EyasError) -> set[type[EyasError]]:
    """A class and all below it."""
    return {kind}.union(*map(every_error, kind.__subclasses__()))


def test_each_class_has_a_code_in_the_table() -> None:
    for name in DEFINE_MORE:
        importlib.import_module(name)
    found = {kind.exit_code for kind in every_error()}
    assert found <= set(EXIT_CODES)
    assert set(EXIT_CODES) - found == {0, 130}
    assert len(every_error()) > 20


def test_each_code_has_a_few_words_and_a_sentence() -> None:
    assert list(EXIT_CODES) == sorted(EXIT_CODES)
    for said in EXIT_CODES.values():
        assert len(said.short) <= 16
        assert "," not in said.short
        assert said.meaning.endswith(".")
