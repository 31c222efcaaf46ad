"""What is to be served, whatever a repository wants and whatever of it is ready; and what becomes of the rest."""

import asyncio
import weakref

from hypothesis import given
from hypothesis import strategies as st

from eyas.bundle import Bundle
from eyas.core.schema import ServeConfig
from eyas.serve.messages import Prepared, Refused, Served, Table, Version
from eyas.serve.metrics import Meter, Tables
from eyas.serve.models import Models
from eyas.serve.processes.shelf import Shelf
from eyas.serve.processes.table import Wanted, settle
from eyas.serve.service import Service
from support.bundles import make_bundle

NAMES = st.sampled_from(["a", "b"])
VERSIONS = st.builds(Version, NAMES, st.sampled_from("123"), st.just("/"), st.sampled_from(["old", "new"]))


@st.composite
def tables(draw: st.DrawFn, *, whole: bool) -> Table:
    """Models with versions of theirs; `whole`: the live one is among them."""
    made = []
    for name in draw(st.sets(NAMES)):
        found = {one.version: one for one in draw(st.lists(VERSIONS, min_size=1)) if one.model == name}
        live = draw(st.sampled_from([*found] if whole and found else "123"))
        if found or not whole:
            made.append(Served(name, live, tuple(found.values())))
    return tuple(made)


@given(table=tables(whole=True), wants=tables(whole=False), staged=st.sets(VERSIONS), troubled=st.sets(NAMES))
def test_what_is_served_is_ready_and_nothing_wanted_is_lost(
    table: Table, wants: Table, staged: set[Version], troubled: set[str]
) -> None:
    wanted = Wanted({one.model: one for one in wants}, dict.fromkeys(troubled, "why"))
    in_memory = {version for served in table for version in served.versions}
    ready = in_memory | staged
    settled = settle(wanted, ready, table)
    before, after = ({one.model: one for one in these} for these in (table, settled))
    for served in settled:
        versions = {version.version: version for version in served.versions}
        assert len(versions) == len(served.versions)
        assert set(served.versions) <= ready
        assert served.live in versions
        want = wanted.models.get(served.model)
        lives = {want.live if want else None, before[served.model].live if served.model in before else None}
        assert served.live in lives
        if want and any(one in ready and one.version == want.live for one in want.versions):
            assert served.live == want.live
    assert before.keys() & (wanted.models.keys() | troubled) <= after.keys()
    assert after.keys() <= wanted.models.keys() | (troubled & before.keys())
    assert settle(wanted, ready, settled) == settled  # there is an end to it


def test_a_version_that_has_left_leaves_the_memory_too(grey: Bundle, tmp_path_factory: object) -> None:
    """Also where requests have been batched, and where one is still under way: that one is answered."""
    folder = tmp_path_factory.mktemp("two")  # type: ignore[attr-defined]
    versions = [
        Version("digits", made.manifest.version, str(made.path))
        for made in (grey, make_bundle(folder / "2", version="digits-2"))
    ]

    async def swap() -> None:
        shelf = Shelf(Models("digits"), 1, ServeConfig())
        shelf.fill((Served("digits", "digits-1", (versions[0],)),))
        service = Service(shelf.models, ServeConfig(), Meter(Tables(1).counts(0)))
        old = service.models.find()
        old.batch = 8  # whether that is worth it or not
        images = grey.golden().images[:3]
        await service._batcher.predict(old, images)
        outcomes: asyncio.Queue[Prepared | Refused] = asyncio.Queue()
        shelf.prepare(versions[1], outcomes.put_nowait)
        prepared = await asyncio.wait_for(outcomes.get(), 30)
        assert isinstance(prepared, Prepared)
        assert prepared.version == versions[1]
        assert service.models.find() is old
        under_way = asyncio.create_task(service._batcher.predict(old, images))
        shelf.activate((Served("digits", "digits-2", (versions[1],)),))
        assert service.models.find().version == "digits-2"
        assert len((await under_way).probabilities) == 3
        gone = weakref.ref(old)
        del old, under_way
        await asyncio.sleep(0)
        assert gone() is None
        service.lane.close()

    asyncio.run(swap())
