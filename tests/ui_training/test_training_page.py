"""What the page of runs and studies is told: real runs, live and killed ones, a search; and nothing from elsewhere."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from following import NEAR, Asked, following, training

from eyas.core.config import load_config
from eyas.core.errors import ServingError
from eyas.core.lives import living
from eyas.core.runs import RunFolder
from eyas.data import Dataset
from eyas.train.run import start_run
from eyas.train.together import resume_together, train_together
from eyas.tune.executors.training import StopWhen
from eyas.ui.server import FOLDER, follow, make_app
from support.asgi import asgi_client
from support.page_files import PageText
from support.waiting import wait_until


def test_its_files_keep_the_rules_of_pages() -> None:
    PageText(FOLDER).check()


def test_a_run_is_told_with_its_state_its_best_epoch_and_what_it_is(asked: Asked) -> None:
    line = asked.line("small-1")
    assert (line["state"], line["epochs"], line["of"], line["model"], line["data"]) == (
        "finished",
        4,
        4,
        "mlp",
        "digits",
    )
    assert line["parameters"] == 64 * 16 + 16 + 16 * 10 + 10
    assert line["monitor"] == "val_loss"
    assert line["best"]["val_loss"] == min(line["spark"])
    assert len(line["spark"]) == 4


def test_only_epochs_that_are_not_known_are_sent(asked: Asked) -> None:
    whole = asked.get("run", run="small-1")
    assert [row[0] for row in whole["rows"]] == [1, 2, 3, 4]
    rest = asked.get("run", run="small-1", after=3, token=whole["token"])
    assert (rest["from"], [row[0] for row in rest["rows"]]) == (3, [4])
    assert asked.get("run", run="small-1", after=3, token="another folder")["from"] == 0


def test_what_a_browser_has_is_not_sent_again(asked: Asked) -> None:
    first = asked.answer("/live/list")
    again = asked.answer("/live/list", {**NEAR, "If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_all_that_the_folder_says_of_a_run_is_told(asked: Asked) -> None:
    about = asked.get("about", run="small-1")
    assert about["values"]["model.hidden"] == [16]
    assert "hidden:" in about["config"]
    assert set(about["metrics"]) == {"test"}
    assert len(about["evaluations"]["test"]["confusion"]) == 10
    assert about["check"] == []
    files = {one["file"]: one["version"] for one in about["pictures"]}
    assert set(files) >= {"curves.png", "evaluation-test/confusion.png"}
    picture = asked.answer("/live/picture", of="small-1", file="evaluation-test/confusion.png")
    assert (picture.headers["Content-Type"], picture.content[:4]) == ("image/png", b"\x89PNG")


def test_a_study_tells_its_trials_and_then_only_those_that_change(asked: Asked) -> None:
    (line,) = asked.get("list")["studies"]
    assert (line["study"], line["state"], line["configurations"], line["source"]) == (
        "digits-tune-1",
        "finished",
        4,
        "live",
    )
    study = asked.get("study", study="digits-tune-1")
    assert {one["state"] for one in study["trials"]} <= {"complete", "pruned"}
    searched = [one for one in study["trials"] if not one["baseline"]]  # which lies outside of the space
    assert {tuple(one["params"]["model.hidden"]) for one in searched} <= {(16,), (32, 16)}
    assert line["best"]["value"] == max(one["value"] for one in study["trials"] if not one["baseline"])
    assert any(one["particle"] is not None for one in study["trials"])
    assert study["best_yaml"]
    assert asked.get("study", study="digits-tune-1", after=study["revision"], token=study["token"])["trials"] == []
    assert {one["study"] for one in asked.get("list")["runs"] if one["study"]} == {"digits-tune-1"}


def test_a_file_that_is_being_written_is_never_shown_half(copied: tuple[Path, Asked]) -> None:
    folder, asked = copied
    before = asked.get("run", run="small-1")["rows"]
    history = folder / "small-1" / "history.csv"
    history.write_text(history.read_text() + "5,0.31")
    assert asked.get("run", run="small-1")["rows"] == before
    (folder / "small-1" / "config.yaml").write_text("train: {epo")
    assert asked.line("small-1")["of"] == 4
    trials = asked.get("study", study="digits-tune-1")["trials"]
    with (folder / "digits-tune-1" / "journal.log").open("a") as journal:
        journal.write('{"op_code":4,"wor')
    assert asked.get("study", study="digits-tune-1")["trials"] == trials
    with (folder / "digits-tune-1" / "journal.log").open("a") as journal:
        journal.write('ker_id":"other","study_id":7}\n')  # of a study that is not there: Optuna passes it over
    assert asked.get("study", study="digits-tune-1")["trials"] == trials


def test_a_study_in_sqlite_is_read_while_it_is_written(copied: tuple[Path, Asked]) -> None:
    import sqlite3

    import optuna

    folder, asked = copied
    file = folder / "studies.db"
    optuna.copy_study(
        from_study_name="digits-tune-1",
        from_storage=optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend(str(folder / "digits-tune-1" / "journal.log"))
        ),
        to_storage=f"sqlite:///{file}",
    )
    plan = folder / "digits-tune-1" / "tune.yaml"
    plan.write_text(plan.read_text().replace("storage: null", f"storage: sqlite:///{file}"))
    writer = sqlite3.connect(file, timeout=0, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    study = asked.get("study", study="digits-tune-1")
    assert (study["source"], len(study["trials"]) >= 4) == ("live", True)
    writer.execute("UPDATE trials SET state = 'FAIL' WHERE number = 0")
    writer.execute("COMMIT")  # at once: nobody holds it up
    writer.close()
    changed = asked.get("study", study="digits-tune-1", after=study["revision"], token=study["token"])["trials"]
    assert [(one["number"], one["state"]) for one in changed] == [(0, "failed")]


def test_a_study_in_a_database_elsewhere_is_told_by_its_results(copied: tuple[Path, Asked]) -> None:
    folder, asked = copied
    plan = folder / "digits-tune-1" / "tune.yaml"
    plan.write_text(plan.read_text().replace("storage: null", "storage: postgresql+psycopg://u:***@h/db"))
    study = asked.get("study", study="digits-tune-1")
    assert (study["source"], study["configurations"]) == ("results", 4)


def test_a_run_lives_while_its_process_does(tmp_path: Path) -> None:
    with following(tmp_path) as page, training(tmp_path, "going") as process:
        assert page.states() == {"going-1": "running"}
        seen = page.get("run", run="going-1")["epochs"]
        wait_until(lambda: page.get("run", run="going-1")["epochs"] > seen, seconds=30)
        process.send_signal(signal.SIGSTOP)  # nothing is written any more, and it still lives
        assert page.states() == {"going-1": "running"}
        process.kill()
        process.wait(10)
        assert page.states() == {"going-1": "killed"}


def test_a_run_that_is_stopped_says_so(digits: Dataset, tmp_path: Path) -> None:
    config = load_config(None, ["data.source=digits", f"runs_dir={tmp_path}", "name=short", "model.hidden=[8]"])
    start_run(config, digits, [StopWhen(lambda: True)])  # as Ctrl-C does it
    with asgi_client(make_app(tmp_path)) as client:
        assert Asked(client).line("short-1")["state"] == "stopped"


def test_a_run_that_fails_says_why(tmp_path: Path, copied: tuple[Path, Asked]) -> None:
    folder, asked = copied
    with pytest.raises(ValueError, match="no"), living(folder / "small-1"):
        raise ValueError("no")
    assert (asked.line("small-1")["state"], asked.line("small-1")["cause"]) == ("failed", "no")
    with living(folder / "small-1") as life:
        assert asked.line("small-1")["state"] == "running"
        life.ended("finished")
    assert asked.line("small-1")["state"] == "finished"


def test_runs_of_one_program_and_of_a_study_say_how_they_ended(asked: Asked, digits: Dataset, tmp_path: Path) -> None:
    words = ["data.source=digits", f"runs_dir={tmp_path}", "model.hidden=[8]", "train.epochs=2", "train.precision=fp32"]
    configs = [load_config(None, [*words, f"train.learning_rate={rate}"]) for rate in (0.001, 0.01)]
    train_together(configs, digits, until=1)
    with asgi_client(make_app(tmp_path)) as client:
        assert {one["state"] for one in Asked(client).get("list")["runs"]} == {"paused"}
        resume_together([RunFolder(path) for path in sorted(tmp_path.iterdir())], digits)
        assert {one["state"] for one in Asked(client).get("list")["runs"]} == {"finished"}
    assert {one["state"] for one in asked.get("list")["runs"] if one["study"]} <= {"finished", "paused"}


def test_a_run_of_another_machine_is_not_called_dead(copied: tuple[Path, Asked]) -> None:
    folder, asked = copied
    (folder / "small-1" / "state.json").write_text('{"state": "running", "locked": true, "host": "elsewhere"}')
    assert asked.line("small-1")["state"] == "elsewhere"
    (folder / "small-1" / "state.json").unlink()  # of an older eyas
    assert asked.line("small-1")["state"] == "finished"


OUTSIDE = [
    "..",
    "../secret",
    "small-1/../../secret",
    "%2e%2e",
    "/etc",
    "/",
    "",
    ".",
    "small-1/.",
    "a\0b",
    ".hidden",
    "link",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_nothing_outside_the_folder_can_be_read(copied: tuple[Path, Asked], name: str) -> None:
    folder, asked = copied
    for place in (folder.parent / "secret", folder / ".hidden"):
        shutil.copytree(folder / "small-1", place)
    (folder / "link").symlink_to(folder.parent / "secret")
    for path, query in (("run", "run"), ("about", "run"), ("study", "study"), ("picture", "of")):
        assert asked.answer(f"/live/{path}", **{query: name, "file": "curves.png"}).status_code == 404
    assert {"link", ".hidden"} & {one["run"] for one in asked.get("list")["runs"]} == set()


@pytest.mark.parametrize(
    "file", ["../../secret.png", "../large-1/curves.png", "evaluation-test/../../x.png", "best.pt", "", "a.png"]
)
def test_only_pictures_that_the_run_holds_are_sent(copied: tuple[Path, Asked], file: str) -> None:
    folder, asked = copied
    shutil.copy(folder / "small-1" / "curves.png", folder.parent / "secret.png")
    (folder / "small-1" / "a.png").symlink_to(folder.parent / "secret.png")
    assert asked.answer("/live/picture", of="small-1", file=file).status_code == 404


def test_no_path_of_a_request_leads_to_a_file(asked: Asked) -> None:
    for path in (
        "/ui/../server.py",
        "/ui/%2e%2e/server.py",
        "/live/%2e%2e/small-1",
        "/small-1/config.yaml",
        "/ui",
        "/live",
    ):
        assert asked.answer(path).status_code == 404
    for query in ("run=%2e%2e%2fsecret", "run=small-1%2f..%2f..%2fsecret", "run=..%5csecret", "run=small-1%00"):
        assert asked.answer(f"/live/about?{query}").status_code == 404


def test_links_in_the_place_of_files_are_not_followed(copied: tuple[Path, Asked]) -> None:
    folder, asked = copied
    outside = folder.parent / "history.csv"
    (folder / "small-1" / "history.csv").rename(outside)
    (folder / "small-1" / "history.csv").symlink_to(outside)
    os.mkfifo(folder / "large-1" / "pipe.png")
    (folder / "large-1" / "metrics.json").unlink(missing_ok=True)
    os.mkfifo(folder / "large-1" / "metrics.json")
    assert asked.get("run", run="small-1")["rows"] == []
    assert asked.get("about", run="large-1")["metrics"] == {}


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:5050", "", "localhost.evil.example", "127.0.0.1.evil.example"]
)
def test_a_name_that_points_here_is_refused(asked: Asked, host: str) -> None:
    for path in ("/", "/live/list"):
        assert asked.answer(path, {"Host": host}).status_code == 403
    for near in ("localhost", "127.0.0.1:5050", "[::1]:5050"):
        assert asked.answer("/live/list", {"Host": near}).status_code == 200


def test_its_headers_are_those_of_the_service(asked: Asked) -> None:
    page, answer = asked.answer("/"), asked.answer("/live/list")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    for one in (page, answer):
        assert (one.headers["X-Content-Type-Options"], one.headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
        assert one.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in one.headers


def test_it_changes_nothing(copied: tuple[Path, Asked]) -> None:
    folder, asked = copied

    def tree() -> dict[str, tuple[int, int]]:
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(folder.rglob("*"))}

    before = tree()
    for path, query in (("list", {}), ("run", {"run": "small-1"}), ("about", {"run": "small-1"})):
        asked.get(path, **query)
    asked.get("study", study="digits-tune-1")
    assert tree() == before


def test_a_folder_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    with asgi_client(make_app(tmp_path / "runs")) as client:
        asked = Asked(client)
        assert asked.get("list")["runs"] == []
        with living_run(tmp_path / "runs" / "first-1"):
            assert asked.line("first-1")["state"] == "running"


def living_run(folder: Path) -> Any:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("train: {epochs: 3}")
    return living(folder)


def test_other_machines_are_let_in_by_word_alone_and_a_port_in_use_is_told(tmp_path: Path) -> None:
    def refused(host: str, port: int, why: str) -> None:
        with pytest.raises(ServingError, match=why):
            follow(tmp_path, host, port, open_to_network=False, tell=pytest.fail)

    refused("0.0.0.0", 0, "--open-to-network")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused("127.0.0.1", port, f"port {port} on 127.0.0.1 is already in use")


def test_a_port_that_this_user_may_not_take_is_told_with_one_that_they_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bind(taken: socket.socket, address: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", bind)
    with pytest.raises(ServingError, match="ports from 1024 up may: --port 5050"):
        follow(tmp_path, "127.0.0.1", 80, open_to_network=False, tell=pytest.fail)


def test_it_starts_without_what_training_needs() -> None:
    heavy = "{'torch', 'optuna', 'matplotlib', 'onnxruntime', 'jwt'}"
    check = f"import sys, eyas.cli.ui, eyas.ui.server; print(*{heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
