import pytest

from eyas.compare.plan import load_plan as load_study
from eyas.core.errors import ConfigError, ResumeError
from eyas.core.plain_yaml import DEEP, dump, one_line, read, read_file, read_ours
from eyas.tune.plan import load_plan as load_search

BROKEN = (b"a: [", b"a: 2024-13-45", b"\xff\xfe\x00", b"a: !!timestamp x", b"a: !!int ''", b"!x 1", b"[" * 200_000)


@pytest.mark.parametrize("content", BROKEN)
def test_whatever_is_wrong_with_a_file_is_one_error(tmp_path, content):
    for name, load in (("study.yaml", load_study), ("tune.yaml", load_search)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ResumeError, match="is damaged"):
            load(tmp_path)
    with pytest.raises(ConfigError, match=r"study\.yaml is not valid YAML"):
        read_file(tmp_path / "study.yaml", "the study", ConfigError)


def test_a_fault_is_shown_with_its_line():
    with pytest.raises(ValueError, match=r"line 2, column 5:\n    b: c: d\n        \^"):
        read("a: 1\nb: c: d")


@pytest.mark.parametrize("marks", [DEEP // 2, DEEP * 2])
def test_both_loaders_read_the_same(marks):
    values = {"small": 1e-05, "none": None, "rows": [[one] for one in range(marks)], "é": "no"}
    assert read_ours(dump(values)) == read(dump(values)) == values


@pytest.mark.parametrize("value", [list(range(100)), "é", None, 1.5, {"b": [1], "a": "x: y"}, "a word " * 30])
def test_a_value_stands_on_one_line(value):
    line = one_line(value)
    assert "\n" not in line
    assert "\\" not in line
    assert read(f"key: {line}") == {"key": value}


@pytest.mark.parametrize("value", ["a\nb", "a\u2028b", "é\n"])
def test_a_value_of_several_lines_stands_on_one(value):
    line = one_line(value)
    assert len(line.splitlines()) == 1
    assert read(f"key: {line}") == {"key": value}


@pytest.mark.parametrize("text", ["a: 5\t# five", "x: |#y"])
def test_what_people_write_is_read_strictly_wherever_it_is(text):
    for around in ("", "# " + "-" * (DEEP + 1) + "\n"):
        with pytest.raises(ValueError, match="line"):
            read(around + text)
