"""URLs of storages, what is refused beside them, and who may change the files of a search."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from optuna.study import StudyDirection

from eyas.core.errors import ConfigError, ResumeError
from eyas.core.marks import JOURNAL
from eyas.tune.beginning import Wishes, check_wishes, go_on
from eyas.tune.plan import TunePlan, load_plan, save_plan
from eyas.tune.space import Float, Space
from eyas.tune.storage import KernelLock, masked, open_storage, sole_use
from support.datasets import changed


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///here/study.db", "sqlite:///here/study.db"),
        ("postgresql+psycopg://u@h:5432/db", "postgresql+psycopg://u@h:5432/db"),
        ("postgresql+psycopg://u:secret@h/db", "postgresql+psycopg://u:***@h/db"),
        ("postgresql+psycopg://u:sec/ret@h/db", "postgresql+psycopg://u:***@h/db"),
        ("postgresql+psycopg://u:sec#ret@h/db", "postgresql+psycopg://u:***@h/db"),
        ("postgresql+psycopg://u:sec?ret@h/db", "postgresql+psycopg://u:***@h/db"),
        (
            "postgresql+psycopg://u:secret@h/db?sslpassword=secret&sslmode=require",
            "postgresql+psycopg://u:***@h/db?sslmode=require&sslpassword=***",
        ),
        ("postgresql+psycopg://u@h/db?password=secret", "postgresql+psycopg://u@h/db?password=***"),
        ("postgresql+psycopg://u:sec[ret@h/db", "postgresql+psycopg://u:***@h/db"),
        ("postgresql+psycopg://u:sec@ret@h/db", "postgresql+psycopg://***"),
        ("postgresql+psycopg://u:secret@h:port/db", "postgresql+psycopg://***"),
        ("u:secret@h/db", "***"),
    ],
)
def test_no_password_is_shown(url, shown):
    assert masked(url) == shown
    assert masked(shown) == shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://u:secret@h:port/db",
        "mysql://u:secret@h/db",
        "study.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file::memory:?uri=true",
        "sqlite:///file:x?mode=memory&uri=true",
    ],
)
def test_a_url_that_cannot_keep_a_study_is_refused_at_once(tmp_path, url):
    with pytest.raises(ConfigError, match="--storage must be sqlite:///FILE") as caught:
        check_wishes(Wishes(storage=url))
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="--storage must be sqlite:///FILE"):
        open_storage(url, tmp_path)
    assert list(tmp_path.iterdir()) == []


PLAN = TunePlan(
    name="tune",
    settings={"model": {"name": "mlp"}},
    space=Space([Float("train.momentum", 0.0, 0.9)]),
    metric="val_accuracy",
    rungs=(1,),
    sampler="swarm",
    seed=0,
    trials=40,
    minutes=None,
    seeds=(0,),
    inherit=False,
    storage=None,
    study="tune",
    owner="",
    fingerprint="f" * 64,
)


@pytest.fixture
def dataset(digits):
    return changed(digits, fingerprint=PLAN.fingerprint)


@pytest.mark.parametrize(
    ("before", "trials", "minutes", "says"),
    [
        (PLAN, 5, None, "--trials must be at least the 40 that .* has already, got 5"),
        (replace(PLAN, minutes=2.5), None, 1.0, "--minutes must be at least the 2.5 that .* has already, got 1"),
    ],
)
def test_a_smaller_budget_is_refused_and_leaves_the_file(tmp_path, dataset, before, trials, minutes, says):
    save_plan(before, tmp_path)
    text = (tmp_path / "tune.yaml").read_text()
    with pytest.raises(ConfigError, match=says):
        go_on(tmp_path, dataset, before, trials, minutes)
    assert (tmp_path / "tune.yaml").read_text() == text


def test_other_data_are_refused(tmp_path, digits):
    with pytest.raises(ResumeError, match=r"was begun on other data than digits is now: .* or begin a new study"):
        go_on(tmp_path, digits, PLAN, None, None)


def test_a_larger_budget_is_kept_unless_another_process_searches(tmp_path, dataset):
    save_plan(PLAN, tmp_path)
    with sole_use(tmp_path), pytest.raises(ConfigError, match="is being searched by another process"):
        go_on(tmp_path, dataset, PLAN, 60, None)
    assert load_plan(tmp_path).trials == 40
    assert go_on(tmp_path, dataset, PLAN, 60, 3.0) == replace(PLAN, trials=60, minutes=3.0)
    assert (load_plan(tmp_path).trials, load_plan(tmp_path).minutes) == (60, 3.0)


def test_a_line_that_is_being_written_is_left_whole(tmp_path):
    journal = tmp_path / JOURNAL
    lock = KernelLock(journal)
    with ThreadPoolExecutor(1) as pool:
        lock.acquire()
        try:
            journal.write_bytes(b'{"op_code": 0, "worker')
            opening = pool.submit(open_storage, None, tmp_path)
            with suppress(TimeoutError):
                opening.result(timeout=0.5)  # nobody gives it the lock
            waited = not opening.done()
            with journal.open("ab") as file:
                file.write(b'_id": "w", "study_name": "s", "directions": [2]}\n')
            whole = journal.read_bytes()
        finally:
            lock.release()
        studies = opening.result(timeout=30).get_all_studies()
    assert waited
    assert [one.study_name for one in studies] == ["s"]
    assert journal.read_bytes() == whole


def test_a_half_line_of_a_dead_process_is_cut_off(tmp_path):
    storage = open_storage(None, tmp_path)
    storage.create_new_study([StudyDirection.MAXIMIZE], "s")
    whole = (tmp_path / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(whole + b'{"op_code": 4, "wor')
    assert [one.study_name for one in open_storage(None, tmp_path).get_all_studies()] == ["s"]
    assert (tmp_path / JOURNAL).read_bytes() == whole
