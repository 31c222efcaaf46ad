"""The way in which a revision takes over, on a platform that is a list of shares."""

import signal
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.core.errors import ServiceError, ServingError
from eyas.deploy.shifting import STAGES, Revision, Share, machine, roll_out


class OnPaper:
    """Shares, and what was done to them; `lost`: how many of the next attempts to put them back fail."""

    stages: Sequence[int] = STAGES
    refused = False
    taken = False
    """By somebody else."""

    def __init__(self, shares: Sequence[Share] = (Share("old", 100),), lost: int = 0) -> None:
        self.shares, self.lost = tuple(shares), lost

    @property
    def changed(self) -> bool:
        return not self.refused

    def live(self) -> tuple[Share, ...]:
        return self.shares

    def deploy(self) -> Revision:
        return Revision("new", "the revision")

    def shift(self, revision: Revision, percent: int) -> str:
        self.shares = (*machine.scaled(self.shares[:1] or [Share("none", 100)], 100 - percent), Share("new", percent))
        return "the public"

    def put_back(self, live: Sequence[Share], revision: Revision | None) -> bool:
        if self.taken:
            return False
        if self.lost:
            self.lost -= 1
            raise ServiceError("the API is away")
        self.shares = tuple(live)
        return True

    def retire(self, revision: Revision) -> None:
        pass


def passes(url: str) -> None:
    pass


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "BACK_PAUSE_SECONDS", 0.0)


def test_each_stage_is_tested_where_only_the_new_revision_answers() -> None:
    asked: list[str] = []
    roll_out(OnPaper(), asked.append, lambda line: None)
    assert asked == ["the revision", "the revision", "the revision", "the public"]


@pytest.mark.parametrize("error", [ServingError("golden"), KeyError("fqdn"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_whatever_fails_puts_back_what_was_live(error: BaseException, at: int) -> None:
    live = (Share("older", 30), Share("old", 70))
    platform = OnPaper(live)
    asked: list[str] = []

    def smoke(url: str) -> None:
        asked.append(url)
        if len(asked) > at:
            raise error

    with pytest.raises(ServingError, match=r"older 30 %, old 70 % is live again"):
        roll_out(platform, smoke, lambda line: None)
    assert platform.shares == live
    assert len(asked) == at + 1


def test_putting_back_is_tried_again_and_its_failure_is_loud() -> None:
    def fails(url: str) -> None:
        raise ServingError("golden")

    platform = OnPaper(lost=2)
    with pytest.raises(ServingError, match="golden; old 100 % is live again"):
        roll_out(platform, fails, lambda line: None)
    platform = OnPaper(lost=3)
    with pytest.raises(ServingError, match=r"golden; and old 100 % could NOT be put back \(the API is away\)"):
        roll_out(platform, fails, lambda line: None)
    with pytest.raises(ServingError, match="nothing was live before"):
        roll_out(OnPaper(()), fails, lambda line: None)


class Refused(OnPaper):
    """Who deployed meanwhile is live."""

    refused = True

    def deploy(self) -> Revision:
        self.shares = (Share("theirs", 100),)
        raise ServiceError("409: Conflict", status=409)


def test_what_was_refused_leaves_nothing_to_put_back() -> None:
    platform = Refused()
    with pytest.raises(ServingError, match="409: Conflict; and nothing was changed"):
        roll_out(platform, passes, lambda line: None)
    assert platform.shares == (Share("theirs", 100),)


def test_traffic_that_is_another_s_is_left_to_them() -> None:
    platform = OnPaper()

    def fails(url: str) -> None:
        platform.shares, platform.taken = (Share("theirs", 100),), True
        raise ServingError("golden")

    with pytest.raises(ServingError, match="golden; old 100 % was NOT put back: somebody else has changed"):
        roll_out(platform, fails, lambda line: None)
    assert platform.shares == (Share("theirs", 100),)


@pytest.mark.parametrize("one", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("cancelled", [True, False])
def test_signals_do_not_disturb_putting_back(one: signal.Signals, cancelled: bool) -> None:
    class Disturbed(OnPaper):
        def put_back(self, live: Sequence[Share], revision: Revision | None) -> bool:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            return super().put_back(live, revision)

    def fails(url: str) -> None:
        if cancelled:
            signal.raise_signal(one)
        raise ServingError("golden")

    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    platform = Disturbed()
    with pytest.raises(ServingError, match=f"{'KeyboardInterrupt' if cancelled else 'golden'}; old 100 % is live"):
        roll_out(platform, fails, lambda line: None)
    assert platform.shares == (Share("old", 100),)
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_first_revision_has_all_the_traffic_at_once() -> None:
    said: list[str] = []
    platform = OnPaper(())
    roll_out(platform, passes, said.append)
    assert said[0] == "live: nothing"
    assert platform.shares[-1] == Share("new", 100)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=5), st.integers(0, 100))
def test_shares_keep_their_proportions_and_add_up(percents: list[int], total: int) -> None:
    percents[0] += 100 - sum(percents)
    if percents[0] < 0:
        return
    made = machine.scaled([Share(str(index), percent) for index, percent in enumerate(percents)], total)
    assert sum(one.percent for one in made) == total
    assert all(one.percent >= 0 for one in made)
    for one, percent in zip(made[1:], percents[1:], strict=True):
        assert percent * total / 100 - 1 < one.percent <= percent * total / 100
