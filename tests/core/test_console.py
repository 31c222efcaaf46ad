from __future__ import annotations

import io

import pytest
from rich.console import Console

from eyas.core.console import progress, table, warn


def rendered(*args: object) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=100).print(table(*args))  # type: ignore[arg-type]
    return stream.getvalue().splitlines()


def test_numbers_are_aligned_right_and_text_left() -> None:
    lines = rendered(
        "Splits", ["name", "images", "share", "note"], [["train", "1,000", "90.5%", "a"], ["v", 7, "-1", "bc"]]
    )
    assert lines[0].strip() == "Splits"
    train, val = (next(line for line in lines if word in line) for word in ("train", "│ v "))
    assert train.index("1,000") + 5 == val.index("7") + 1
    assert train.index("90.5%") + 5 == val.index("-1") + 2
    assert train.rindex("a") == val.rindex("bc")


def test_the_first_column_is_text_even_where_it_holds_numbers() -> None:
    lines = rendered("", ["class", "n"], [["7", 1], ["12", 2]])
    seven, twelve = (next(line for line in lines if word in line) for word in ("7", "12"))
    assert seven.index("7") == twelve.index("12")


def test_an_empty_table_is_drawn() -> None:
    assert any("name" in line for line in rendered("None yet", ["name", "n"], []))


def test_class_names_in_brackets_are_shown_as_they_are() -> None:
    assert any("[red] cat [/]" in line for line in rendered("", ["class"], [["[red] cat [/]"]]))


def test_files_in_brackets_are_shown_as_they_are() -> None:
    assert rendered("[a] [/b].png: 7", ["name"], [])[0].strip() == "[a] [/b].png: 7"


def test_progress_is_silent_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as bar:
        task = bar.add_task("training", total=2, status="")
        bar.update(task, advance=2, status="done")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_warning_is_one_line_of_the_very_text(capsys):
    warn("photos/[red]/:cat:.png cannot be read" + " again" * 30)
    assert capsys.readouterr().err == "warning: photos/[red]/:cat:.png cannot be read" + " again" * 30 + "\n"
