"""A repository holds whole bundles or none, whoever writes at the same time and whoever is killed."""

import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import eyas
from eyas.bundle import Bundle, Repository, is_repository
from eyas.core.errors import BundleError, IntegrityError
from eyas.core.schema import ExportConfig
from support.bundles import make_bundle
from support.defects import corrupt


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    """Versions 9, 10 and 11 of `digits`."""
    folder = tmp_path_factory.mktemp("bundles")
    return [make_bundle(folder / version, version=version) for version in ("9", "10", "11")]


@pytest.fixture(scope="module")
def other_ten(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Another version 10."""
    return make_bundle(tmp_path_factory.mktemp("other") / "10", version="10", sharpness=2)


@pytest.fixture
def repository(tmp_path: Path, bundles: list[Bundle]) -> Repository:
    """Version 9 is live, 10 and 11 are there too."""
    made = Repository(tmp_path / "models")
    for bundle in bundles:
        made.publish(bundle.path, live=bundle is bundles[0], by="a test")
    return made


def content(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def hidden(repository: Repository) -> list[Path]:
    return list(repository.path.glob("*/.*"))


def test_what_is_published_is_there_to_the_byte(repository: Repository, bundles: list[Bundle]) -> None:
    assert eyas.Repository is Repository
    assert is_repository(repository.path)
    assert repository.models() == ("digits",)
    assert repository.versions("digits") == ("9", "10", "11")  # as people count
    for bundle in bundles:
        copy = repository.open("digits", bundle.manifest.version)
        assert copy.manifest == bundle.manifest
        assert content(copy.path) == content(bundle.path)
    live = repository.live("digits")
    assert live is not None
    assert (live.version, live.by, live.before) == ("9", "a test", ())
    assert hidden(repository) == []


def test_publishing_again_changes_nothing_and_never_overwrites(
    repository: Repository, bundles: list[Bundle], other_ten: Bundle
) -> None:
    before = content(repository.path)
    repository.publish(bundles[1].path)
    with pytest.raises(BundleError, match="10 exists already with another content"):
        repository.publish(other_ten.path, live=True)
    assert content(repository.path) == before


def test_a_damaged_bundle_is_not_published(tmp_path: Path, bundles: list[Bundle]) -> None:
    shutil.copytree(bundles[0].path, tmp_path / "bundle")
    corrupt(tmp_path / "bundle")
    with pytest.raises(IntegrityError, match=r"model\.onnx has changed"):
        Repository(tmp_path / "models").publish(tmp_path / "bundle")
    assert not (tmp_path / "models").exists()


def test_a_bundle_can_be_published_under_another_name(tmp_path: Path, bundles: list[Bundle]) -> None:
    repository = Repository(tmp_path / "models")
    repository.publish(bundles[0].path, model="shop-window", live=True)
    assert repository.models() == ("shop-window",)
    assert repository.open("shop-window", "9").manifest.name == "digits"


def test_forward_and_back(repository: Repository) -> None:
    assert repository.set_live("digits", "10", by="ann").by == "ann"
    repository.set_live("digits", "11")
    assert repository.set_live("digits", "11") == repository.live("digits")  # once more is no change
    assert repository.previous("digits") == "10"
    assert repository.roll_back("digits", by="bob").version == "10"
    assert repository.roll_back("digits").version == "9"
    with pytest.raises(BundleError, match=r"digits has no version in .* that was live before"):
        repository.roll_back("digits")
    assert Repository(repository.path).live("digits") == repository.live("digits")


def test_rolling_back_passes_over_what_was_removed(repository: Repository) -> None:
    for version in ("10", "11"):
        repository.set_live("digits", version)
    repository.remove("digits", "10")
    assert repository.roll_back("digits").version == "9"


def test_only_whole_versions_go_live(repository: Repository) -> None:
    before = (repository.path / "digits" / "live.json").read_bytes()
    corrupt(repository.path / "digits" / "10")
    (repository.path / "digits" / "11").rename(repository.path / "digits" / "12")
    for version, error, said in (
        ("10", IntegrityError, "has changed since it was written"),
        ("12", IntegrityError, "12 must hold version 12, holds 11"),
        ("13", BundleError, "digits has no version 13 in .*; it has 9, 10, 12"),
    ):
        with pytest.raises(error, match=said):
            repository.set_live("digits", version)
    assert (repository.path / "digits" / "live.json").read_bytes() == before


def test_removing(repository: Repository, bundles: list[Bundle]) -> None:
    with pytest.raises(BundleError, match="digits 9 is live and cannot be removed"):
        repository.remove("digits", "9")
    repository.remove("digits", "10")
    assert repository.versions("digits") == ("9", "11")
    repository.publish(bundles[0].path, model="short-lived")
    repository.remove("short-lived", "9")
    assert repository.models() == ("digits",)
    assert hidden(repository) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"version": "9", "since": "", "by": "", "x": 1}'])
def test_a_damaged_pointer_is_named(repository: Repository, text: str) -> None:
    (repository.path / "digits" / "live.json").write_text(text)
    with pytest.raises(IntegrityError, match=r"live\.json"):
        repository.live("digits")


def test_another_folder_is_no_repository(tmp_path: Path, bundles: list[Bundle]) -> None:
    assert not is_repository(tmp_path)
    assert not is_repository(tmp_path / "nowhere")
    assert not is_repository(bundles[0].path)
    assert not is_repository(bundles[0].path.parent)


@settings(max_examples=200, deadline=None)
@given(name=st.one_of(st.text(max_size=12), st.text("./\\a-+\0", max_size=6), st.just("live.json"), st.just("a" * 65)))
def test_no_name_leads_elsewhere(name: str) -> None:
    repository = Repository("/no/such/repository")
    for look in (repository.versions, repository.live, lambda one: repository.folder(one, "1")):
        with pytest.raises(BundleError, match=r"(must be 1 to 64 letters|there is no model)") as caught:
            look(name)
        if "there is no model" in str(caught.value):
            path = (repository.path / name).resolve()
            assert path.parent == repository.path
            assert not path.name.startswith(".")


@pytest.mark.parametrize("name", ["..", "../../elsewhere", "/elsewhere", ".hidden", "a/b", "live.json", "", "a\n"])
def test_nothing_is_published_elsewhere(tmp_path: Path, bundles: list[Bundle], name: str) -> None:
    with pytest.raises(BundleError, match="a model's name must be 1 to 64 letters"):
        Repository(tmp_path / "models").publish(bundles[0].path, model=name)
    assert list(tmp_path.iterdir()) == []


@given(version=st.one_of(st.from_regex(r"[A-Za-z0-9._+-]{1,66}", fullmatch=True), st.text(max_size=4)))
@example(version="a" * 64)
@example(version="a" * 65)
def test_a_version_that_may_be_exported_has_a_name_that_a_repository_takes(version: str) -> None:
    try:
        ExportConfig(version=version)
    except ValidationError:
        rule = "must be 1 to 64 letters"
    else:
        rule = "there is no model"
    with pytest.raises(BundleError, match=rule):  # one rule for models and versions
        Repository("/no/such/repository").versions(version)


KILLED = """
import json, os, signal, sys
from pathlib import Path
from eyas.bundle import Repository
EVENTS = ("open", "os.rename", "os.mkdir", "os.chmod", "os.remove", "shutil.copyfile", "fcntl.flock")
bundle, repository, point = sys.argv[1], Repository(sys.argv[2]), 0
while True:
    point += 1
    pid = os.fork()
    if pid == 0:
        seen = 0
        def count(event, arguments):
            global seen
            if event in EVENTS:
                seen += 1
                if seen == point:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(count)
        try:
            repository.publish(bundle, live=True)
        finally:
            os._exit(sys.exc_info()[0] is not None)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert ended in (0, -signal.SIGKILL)
    whole = [repository.open("digits", version).manifest.version for version in repository.versions("digits")]
    left = [path.name for path in repository.path.glob("*/.*")]
    print(json.dumps([whole, repository.live("digits").version, left]), flush=True)
    if not ended:
        break
    if "10" in whole:
        repository.set_live("digits", "9")
        repository.remove("digits", "10")
"""


def test_killed_anywhere_a_publisher_leaves_a_whole_version_or_none(tmp_path: Path, bundles: list[Bundle]) -> None:
    """Killed before each thing that it does to a file, one after the other, until it comes through."""
    repository = Repository(tmp_path / "models")
    repository.publish(bundles[0].path, live=True)
    command = [sys.executable, "-c", KILLED, str(bundles[1].path), str(repository.path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    states = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(states) > 20
    assert {tuple(whole) for whole, _, _ in states} == {("9",), ("9", "10")}
    assert all(live in whole for whole, live, _ in states)
    assert any(left for _, _, left in states)  # what a killed one leaves, the next takes away
    assert states[-1] == [["9", "10"], "10", []]


PUBLISHES = """
import sys
from eyas.bundle import Repository
from eyas.core.errors import BundleError
print("ready", flush=True)
sys.stdin.readline()
for path in sys.argv[2:]:
    try:
        Repository(sys.argv[1]).publish(path, live=True)
        print("published", flush=True)
    except BundleError as error:
        print(error, flush=True)
"""


def test_two_publishers_at_once(tmp_path: Path, bundles: list[Bundle], other_ten: Bundle) -> None:
    """Both with 9 and 11, each with a 10 of its own: one of those is there, whole, and the other is refused."""
    orders = ([bundles[0], bundles[1], bundles[2]], [bundles[2], other_ten, bundles[0]])
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PUBLISHES, str(tmp_path / "models"), *(str(one.path) for one in order)], **pipes
        )
        for order in orders
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].splitlines() for process in processes]
    assert sorted(line == "published" for lines in said for line in lines) == [False, *[True] * 5]
    repository = Repository(tmp_path / "models")
    winner = bundles[1] if said[0][1] == "published" else other_ten
    assert repository.open("digits", "10").manifest == winner.manifest
    assert repository.versions("digits") == ("9", "10", "11")
    live = repository.live("digits")
    assert {live.version, *(turn.version for turn in live.before)} == {"9", "10", "11"}
    assert hidden(repository) == []


def test_a_writer_that_holds_on_is_not_waited_for_for_ever(repository: Repository) -> None:
    with (repository.path / ".lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        impatient = Repository(repository.path, lock_seconds=0.05)
        with pytest.raises(BundleError, match=r"another process has been writing to .* for 0\.05 s"):
            impatient.set_live("digits", "10")
        assert impatient.live("digits").version == "9"  # who reads needs no lock
    assert impatient.set_live("digits", "10").version == "10"
