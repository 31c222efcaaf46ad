"""What the workers and the watcher share: a board to read from, a way for messages."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.bundle import Bundle
from eyas.core.errors import IntegrityError
from eyas.core.schema import MonitoringConfig
from eyas.rollout import RolloutStore, make_plan
from eyas.rollout.state import CURRENT, FOLDER
from eyas.serve.messages import Served, Version
from eyas.serve.metrics import Tables
from eyas.serve.monitoring.board import Board
from eyas.serve.monitoring.channel import HELD, LONGEST, Channel, Outbox
from eyas.serve.monitoring.counts import VersionCounts
from eyas.serve.monitoring.trials import Trials
from eyas.serve.monitoring.watched import Watched
from eyas.serve.monitoring.wire import COLUMNS, Rows, decode, encode
from eyas.serve.split import Split
from support.tracking import wait_until

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def channel():
    made = Channel()
    yield made
    made.close()


def test_why_answers_cannot_be_compared_is_logged_once(grey: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    counts = VersionCounts(Tables(1).counts(0), "digits", "1", grey.classes)
    watched = Watched("digits", grey, MonitoringConfig(), counts, None, None)
    numbers = np.full((1, COLUMNS + len(grey.classes)), np.nan, np.float32).tobytes()
    pixels = np.zeros((1, 2), np.float32).tobytes()
    for _ in range(2):
        watched.take(
            Rows("digits", "1", "champion", 0, 0, ["a"], bytes(8), numbers, [0], pixels, (8, 8, 1), {}, champion=[])
        )
        watched.test()
    assert watched.status(None).failures == 2
    assert caplog.text.count("answers cannot be compared: DataError: logits and probabilities must be finite") == 1


def received(channel: Channel) -> list[bytes]:
    found = []
    while (message := channel.receive()) is not None:
        found.append(message)
    return found


def test_a_board_shows_what_was_written_last() -> None:
    board = Board(16)
    assert board.read() == b""
    assert board.write(b"first")
    assert board.write(b"the second one")
    assert board.read() == b"the second one"
    assert board.write(b"3")
    assert board.read() == b"3"


def test_a_text_too_long_for_a_board_leaves_what_is_there() -> None:
    board = Board(4)
    assert board.write(b"four")
    assert not board.write(b"5 more")
    assert board.read() == b"four"


def test_a_board_is_never_seen_half_written() -> None:
    board = Board(100_000)
    texts = [bytes([letter]) * (1000 * letter) for letter in range(1, 90)]

    def write() -> None:
        while True:
            for text in texts:
                board.write(text)

    writer = FORK.Process(target=write)
    writer.start()
    try:
        seen: set[bytes] = set()

        def several() -> bool:
            seen.update(text for _ in range(300) if (text := board.read()))
            return len(seen) > 9

        wait_until(several, seconds=30)
        assert seen <= set(texts)
    finally:
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
    assert board.write(b"another writer")
    assert board.read() == b"another writer"


def test_messages_come_whole_and_in_the_order_of_each_sender(channel: Channel) -> None:
    def send(name: int) -> None:
        outbox = Outbox(channel.writing)
        for number in range(200):
            outbox.send(bytes([name, number]) * (1 + 37 * number % 5000), 1)
        while not outbox.empty:
            outbox.push()

    senders = [FORK.Process(target=send, args=(name,)) for name in range(3)]
    for sender in senders:
        sender.start()
    found: list[bytes] = []

    def all_came() -> bool:
        found.extend(received(channel))
        return len(found) == 600

    wait_until(all_came, seconds=30)
    for sender in senders:
        sender.join()
    for name in range(3):
        own = [message for message in found if message[0] == name]
        assert [message[1] for message in own] == [*range(200)]
        assert all(message == message[:2] * (1 + 37 * message[1] % 5000) for message in own)


def test_a_full_way_drops_the_oldest_and_counts_its_rows(channel: Channel) -> None:
    outbox = Outbox(channel.writing)
    message = bytes(50_000)
    dropped, sent = 0, 0
    while dropped < 70 and sent < 5000:
        dropped += outbox.send(sent.to_bytes(2) + message, 7)
        sent += 1
    assert dropped == 70
    first = received(channel)
    assert first[0][:2] == bytes(2)  # what was on its way already
    came = len(first)
    while not outbox.empty:
        outbox.push()
        came += len(received(channel))
    assert came == sent - 10
    assert 0 < came - len(first) <= HELD // len(message)


def test_what_is_too_long_or_refused_is_dropped_and_counted(channel: Channel) -> None:
    outbox = Outbox(channel.writing)
    assert outbox.send(bytes(LONGEST + 1), 5) == 5
    assert outbox.send(bytes(LONGEST), 3) == 0
    assert [len(message) for message in received(channel)] == [LONGEST]
    channel.reading.close()
    assert outbox.send(b"nobody reads", 2) == 2
    assert outbox.empty


@given(st.integers(1, 5), st.integers(1, 4), st.data())
def test_rows_arrive_as_they_were_sent(count: int, classes: int, data: st.DataObject) -> None:
    floats = st.floats(width=32, allow_infinity=False)
    numbers = np.array(
        data.draw(st.lists(floats, min_size=count * (COLUMNS + classes), max_size=count * (COLUMNS + classes))), "f4"
    )
    watched = data.draw(st.lists(st.sampled_from(range(count)), unique=True).map(sorted))
    pixels = np.arange(len(watched) * 2, dtype=np.float32)
    ids = data.draw(st.lists(st.text(), min_size=count, max_size=count))
    image = np.arange(6, dtype=np.uint8)
    rows = Rows(
        "m",
        "1",
        "champion",
        3,
        1,
        ids,
        np.arange(float(count)).tobytes(),
        numbers.tobytes(),
        watched,
        pixels.tobytes(),
        (2, 3, 1),
        {0: image.tobytes()},
        [],
    )
    came = decode(encode(rows))
    assert came.ids == ids
    assert came.times.tolist() == [*range(count)]
    np.testing.assert_array_equal(came.numbers, numbers.reshape(count, -1))
    np.testing.assert_array_equal(came.pixels, pixels.reshape(-1, 2))
    np.testing.assert_array_equal(came.image(0), image.reshape(2, 3, 1))
    assert came.image(1) is None


def test_a_rollout_that_cannot_be_read_keeps_no_other_from_being_followed(tmp_path: Path) -> None:
    table, failed = [], {}
    for model in ("one", "three", "two"):
        store = RolloutStore(tmp_path / model / FOLDER)
        plan = make_plan({"champion": "1", "challenger": "2"})
        store.start(plan, by="ann", why="a trial", now=1.0)
        split = Split(1, 1, "2", 0.01, 0.0, plan.salt)
        table.append(Served(model, "1", (Version(model, "1", str(tmp_path / model / "1"), ""),), split))
    (tmp_path / "one" / FOLDER / CURRENT).write_text("{")

    def attempt(otherwise: str, work: Callable[[], None]) -> None:
        try:
            work()
        except IntegrityError as error:
            failed[otherwise] = str(error)

    trials = Trials(Tables(1))
    trials.serve(tuple(table), attempt)
    assert [status.model for status, _ in trials.judge(2.0)] == ["three", "two"]
    assert failed.keys() == {"the rollout of one is not judged"}
