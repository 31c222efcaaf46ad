"""What people do to rollouts moves pointer and rollout together, and asks for a proof where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from eyas.bundle import Repository
from eyas.core.errors import BundleError, ConfigError, IntegrityError, RolloutError
from eyas.rollout import (
    ArmEvidence,
    Check,
    Evidence,
    GateReport,
    Move,
    Status,
    begin,
    make_plan,
    move_by_hand,
    plan_for,
    rollouts_of,
)
from support.bundles import make_bundle

PASSES = GateReport((Check("accuracy", True, "no loss", {}),))
FAILS = GateReport((Check("accuracy", False, "a loss of 3 %", {}), Check("latency", None, "not measured", {})))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "models")
    for version in ("1", "2"):
        made.publish(make_bundle(tmp_path / version, version=version).path, live=version == "1", by="the fixture")
    return made


def started(repository: Repository, gate: GateReport | None = None) -> None:
    plan = plan_for(repository, "digits", "2", {"stages": [0.1, 1.0]})
    begin(repository, "digits", plan, by="ann", why="a trial", judged=(lambda: gate) if gate else None)


def promote(repository: Repository, **how: object) -> Status:
    why = {"by": "bob", "why": "it is better", **how}
    return move_by_hand(repository, "digits", Move.PROMOTE, **why).status  # type: ignore[arg-type]


def live(repository: Repository) -> str:
    found = repository.live("digits")
    assert found is not None
    return found.version


def test_the_gate_is_asked_before_anything_starts(repository: Repository) -> None:
    with pytest.raises(RolloutError, match=r"the gate does not let 2 through: accuracy: a loss of 3 %$"):
        started(repository, FAILS)
    assert rollouts_of(repository, "digits").current() is None
    started(repository, PASSES)

    def never() -> GateReport:
        raise AssertionError("what cannot start is not judged")

    plan = plan_for(repository, "digits", "2", {})
    with pytest.raises(RolloutError, match="is running; end it before another one starts"):
        begin(repository, "digits", plan, by="bob", why="", judged=never)


def test_what_makes_no_plan_is_said(repository: Repository, tmp_path: Path) -> None:
    for given in ({"gated": True}, {"salt": "known to me alone"}):
        with pytest.raises(ConfigError, match=f"{next(iter(given))} of a rollout must be left out"):
            plan_for(repository, "digits", "2", given)
    with pytest.raises(BundleError, match="digits has no version 3"):
        plan_for(repository, "digits", "3", {})
    with pytest.raises(RolloutError, match="digits 1 is live already; what takes over must be another version"):
        plan_for(repository, "digits", "1", {})
    repository.publish(make_bundle(tmp_path / "3", version="3", data="digits").path)
    with pytest.raises(RolloutError, match="3 must have the classes of 1, in their order"):
        plan_for(repository, "digits", "3", {})
    repository.publish(tmp_path / "2", model="other")
    with pytest.raises(RolloutError, match="other has no live version that 2 could be compared with"):
        plan_for(repository, "other", "2", {})


def test_a_plan_reads_the_manifests_alone(repository: Repository) -> None:
    """A service makes it between two requests; what is damaged is refused once it is tried."""
    (repository.folder("digits", "2") / "model.onnx").write_bytes(b"damaged")
    assert plan_for(repository, "digits", "2", {}).challenger == "2"
    manifest = repository.folder("digits", "2") / "manifest.json"
    manifest.write_text(manifest.read_text().replace("0", "1", 1))
    with pytest.raises(IntegrityError, match="has changed since it was written"):
        plan_for(repository, "digits", "2", {})


def test_a_gated_one_is_promoted_by_hand_at_any_stage(repository: Repository) -> None:
    started(repository, PASSES)
    assert promote(repository) is Status.PROMOTED
    assert live(repository) == "2"
    entry = rollouts_of(repository, "digits").history()[-1]
    assert (entry.by, entry.why, entry.evidence) == ("bob", ("it is better",), None)


def test_an_ungated_one_is_promoted_by_hand_where_something_shows_it_is_no_worse(repository: Repository) -> None:
    started(repository)
    for gate, said in ((None, "nothing shows yet that 2 is no worse"), (FAILS, "the gate does not let 2 through")):
        with pytest.raises(RolloutError, match=said):
            promote(repository, gate=gate)
    assert live(repository) == "1"
    assert promote(repository, gate=PASSES) is Status.PROMOTED
    assert rollouts_of(repository, "digits").history()[-1].evidence == {"gate": PASSES.to_json()}


def test_the_history_says_what_was_forced(repository: Repository) -> None:
    started(repository)
    assert promote(repository, force=True) is Status.PROMOTED
    assert live(repository) == "2"
    said = rollouts_of(repository, "digits").history()[-1].why
    assert said == ("it is better", "forced, though nothing shows that it is no worse")


@pytest.mark.parametrize(("high", "shown"), [(0.009, True), (0.2, False)])
def test_what_a_verdict_knew_is_a_proof(repository: Repository, high: float, shown: bool) -> None:
    started(repository)
    evidence = Evidence(0, 1.0, challenger=ArmEvidence(600)).to_json() | {"loss": [-0.1, high]}
    rollouts_of(repository, "digits").move(Move.ADVANCE, by="eyas", why="fine", now=2.0, evidence=evidence)
    if shown:
        assert promote(repository) is Status.PROMOTED
    else:
        with pytest.raises(RolloutError, match="or by --force"):
            promote(repository)


def test_a_challenger_that_cannot_go_live_is_not_promoted(repository: Repository) -> None:
    started(repository, PASSES)
    (repository.folder("digits", "2") / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(IntegrityError, match="has changed since it was written"):
        promote(repository)
    now = rollouts_of(repository, "digits").current()
    assert now is not None
    assert (now.status, live(repository)) == (Status.RUNNING, "1")


def test_moves_by_hand_of_what_is_not_there(repository: Repository) -> None:
    with pytest.raises(BundleError, match="there is no model none"):
        move_by_hand(repository, "none", Move.PAUSE, by="ann", why="")
    assert repository.models() == ("digits",)
    for move in (Move.PAUSE, Move.PROMOTE):
        with pytest.raises(RolloutError, match="there is no rollout"):
            move_by_hand(repository, "digits", move, by="ann", why="")
    started(repository)
    move_by_hand(repository, "digits", Move.ROLL_BACK, by="ann", why="")
    with pytest.raises(RolloutError, match="is rolled back and cannot promote"):
        promote(repository, force=True)
    assert live(repository) == "1"


def test_http_has_numbers_that_are_numbers() -> None:
    values = {"champion": "1", "challenger": "2"}
    assert make_plan({**values, "margin": "0.02"}).margin == 0.02
    for wrong in ({"margin": "0.02"}, {"stage_requests": True}, {"stage_requests": 2.5}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            make_plan({**values, **wrong}, strict=True)
    assert make_plan({**values, "stages": [0.1, 1], "margin": 0}, strict=True).stages == (0.1, 1.0)
