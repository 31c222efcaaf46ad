from __future__ import annotations

import re

import pytest

from eyas.core import errors
from eyas.core.errors import EyasError, InputError, MissingExtraError, needs_extra


def drawn_tree() -> dict[str, tuple[str, int]]:
    """Name → (parent, exit code), read from the module docstring's drawing."""
    tree: dict[str, tuple[str, int]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if not (match := re.match(r"([│├└─ ]*)(\w+Error) +(?:exit code )?(\d+)", line)):
            continue
        depth, name = len(match[1]) // 4, match[2]
        path[depth:] = [name]
        tree[name] = (path[depth - 1] if depth else "Exception", int(match[3]))
    return tree


def test_the_drawing_is_the_code() -> None:
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, EyasError)]
    assert drawn_tree() == {c.__name__: (c.__bases__[0].__name__, c.exit_code) for c in classes}
    assert len(classes) > 10
    assert all(c.__doc__ for c in classes)


def test_an_input_error_says_where() -> None:
    assert InputError("too big", "/data/0/17").pointer == "/data/0/17"
    assert (InputError("x").pointer, str(InputError("too big", "/d"))) == ("", "too big")


def test_a_missing_library_names_the_command_that_installs_it() -> None:
    with pytest.raises(MissingExtraError) as caught, needs_extra("train"):
        import a_library_that_is_nowhere.inside  # noqa: F401
    expected = 'a_library_that_is_nowhere is not installed; this command needs it: pip install "eyas[train]"'
    assert str(caught.value) == expected
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_missing_module_of_our_own_is_a_bug_and_not_a_missing_extra() -> None:
    with pytest.raises(ModuleNotFoundError), needs_extra("train"):
        import eyas.nowhere  # noqa: F401


def test_other_errors_pass_through() -> None:
    with pytest.raises(ImportError, match="cannot import name"), needs_extra("train"):
        from math import nothing  # noqa: F401
    with needs_extra("train"):
        pass
