"""GET /predictions and what belongs to it; /model-card; and who may ask without a token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal
from PIL import Image

from eyas.bundle import Bundle
from eyas.core.schema import ServeConfig
from eyas.serve.app import create_app
from support.asgi import Client
from support.bundles import CLASSES, VAL, digits
from support.server import Server, running
from support.tokens import SECRET, bearing, token
from support.waiting import wait_until

COUNT = 30


@dataclass(frozen=True)
class Kept:
    """A service that has predicted `COUNT` digits, and knows the labels of all but the last."""

    server: Server
    ids: list[str]
    labels: list[str]
    predicted: list[str]

    def ask(self, path: str = "", **query: Any) -> httpx.Response:
        return httpx.get(f"{self.server.url}/predictions{path}", params=query, timeout=30)

    def rows(self, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(**query).json()["predictions"]
        return found


@pytest.fixture(scope="module")
def kept(grey: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("kept")
    images, truth = digits(grey.policy, VAL)
    monitor = {"folder": str(folder), "keep_images": 1.0}
    with running(grey.path, workers=1, monitor=monitor) as server, httpx.Client(base_url=server.url) as client:
        labels = [CLASSES[k] for k in truth[:COUNT]]
        answers = [
            client.post("/predict", json={"data": image.tolist(), "range": 255}).json() for image in images[:COUNT]
        ]
        made = Kept(server, [one["id"] for one in answers], labels, [one["labels"][0] for one in answers])
        told = [{"id": id_, "label": label} for id_, label in zip(made.ids[:-1], labels[:-1], strict=True)]
        assert client.post("/feedback", json={"feedback": told}).status_code == 200
        wait_until(lambda: len(made.rows(limit=100)) == COUNT, seconds=20)
        wait_until(lambda: all(row["has_image"] for row in made.rows(limit=100)), seconds=20)
        yield made


def test_the_newest_come_first_with_what_is_known_of_them(kept: Kept) -> None:
    rows = kept.rows(limit=100)
    assert [row["id"] for row in rows] == kept.ids[::-1]
    assert [row["label"] for row in rows] == kept.predicted[::-1]
    assert [row["true_label"] for row in rows] == [None, *kept.labels[-2::-1]]
    assert {row["arm"] for row in rows} == {"champion"}


def test_pages_follow_each_other(kept: Kept) -> None:
    found: list[str] = []
    older = ""
    for _ in range(3):
        page = kept.ask(limit=12, older=older).json()
        found += [row["id"] for row in page["predictions"]]
        older = page["older"]
    assert older is None
    assert found == kept.ids[::-1]


def test_they_are_chosen_by_class_and_by_what_is_said_of_them(kept: Kept) -> None:
    pairs = list(zip(kept.ids, kept.labels, kept.predicted, strict=True))[:-1]
    nines = {id_ for id_, label, _ in pairs if label == "nine"}
    assert {row["id"] for row in kept.rows(true="nine", limit=100)} == nines != set()
    assert {row["id"] for row in kept.rows(true="9", predicted=CLASSES.index("nine"), limit=100)} <= nines
    wrong = {id_ for id_, label, predicted in pairs if label != predicted}
    assert {row["id"] for row in kept.rows(correct="false", limit=100)} == wrong
    assert all(row["needs_review"] for row in kept.rows(needs_review="true"))
    assert {row["id"] for row in kept.rows(id=",".join([*kept.ids[:2], "nobody", "x" * 500, "\0", ""]))} == set(
        kept.ids[:2]
    )


def test_the_image_of_a_prediction_is_the_one_that_was_sent(kept: Kept, grey: Bundle) -> None:
    images, _ = digits(grey.policy, VAL)
    answer = kept.ask(f"/{kept.ids[3]}/image")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
    assert answer.headers["Cache-Control"] == "no-store"
    with Image.open(BytesIO(answer.content)) as picture:
        assert np.array_equal(np.asarray(picture), images[3, ..., 0])


def test_confusion_counts_the_labelled_ones(kept: Kept) -> None:
    found = kept.ask("/confusion").json()["confusion"]
    assert sum(count for _, _, count in found) == COUNT - 1
    right = sum(label == predicted for label, predicted in list(zip(kept.labels, kept.predicted, strict=True))[:-1])
    assert sum(count for true, predicted, count in found if true == predicted) == right


@pytest.mark.parametrize(
    ("path", "query", "status", "says"),
    [
        ("", {"limit": "0"}, 422, "limit must be a number from 1 to 100, got '0'"),
        ("", {"limit": "1e9"}, 422, "limit must be a number"),
        ("", {"true": "ten"}, 404, "true must be a class"),
        ("", {"predicted": "-1"}, 404, "predicted must be a class"),
        ("", {"correct": "yes"}, 422, "correct must be true or false, got 'yes'"),
        ("", {"older": "x"}, 422, "older must be what the page before gave, got 'x'"),
        ("", {"older": "nan:1"}, 422, "older must be what the page before gave, got 'nan:1'"),
        ("", {"older": "1:99999999999999999999"}, 422, "older must be what the page before gave"),
        ("", {"true": "9" * 5000}, 404, "true must be a class"),
        ("/%00/image", {}, 404, "is kept"),
        ("", {"id": ",".join(["a"] * 101)}, 422, "id must name at most 100 predictions, got 101"),
        ("", {"model": "none"}, 404, "there is no model none"),
        ("/none/image", {}, 404, "no image of none is kept"),
        ("/" + "x" * 300 + "/image", {}, 404, "is kept"),
        ("/..%2f..%2fetc%2fpasswd/image", {}, 404, ""),
    ],
)
def test_what_cannot_be_is_refused(kept: Kept, path: str, query: dict[str, str], status: int, says: str) -> None:
    answer = kept.ask(path, **query)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert says in answer.json()["detail"]


@pytest.mark.parametrize("path", ["", "/confusion", "/x/image"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Host": "elsewhere.example"},  # a name that somebody made point to this machine
        {"Host": "elsewhere.example", "Origin": "http://elsewhere.example"},
        {"Host": "[", "Origin": "http://["},
        {"X-Forwarded-For": "10.0.0.1"},
    ],
)
def test_without_tokens_no_page_from_elsewhere_may_ask(kept: Kept, path: str, headers: dict[str, str]) -> None:
    assert httpx.get(f"{kept.server.url}/predictions{path}", headers=headers).status_code == 403


def test_the_services_own_page_may_ask(kept: Kept) -> None:
    url = kept.server.url
    assert httpx.get(f"{url}/predictions", headers={"Origin": url}).status_code == 200
    named = url.replace("127.0.0.1", "localhost")
    assert httpx.get(f"{url}/predictions", headers={"Origin": named, "Host": named[7:]}).status_code == 200


def test_with_tokens_they_are_for_admins(grey: Bundle, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    monitor = {"folder": str(tmp_path / "monitor")}
    auth = {"secret_file": str(tmp_path / "secret")}
    with running(grey.path, workers=1, auth=auth, monitor=monitor) as server:
        asked = {
            scope: httpx.get(f"{server.url}/predictions", headers=bearing(token(scope=scope)) | {"Host": "a.example"})
            for scope in ("predict", "admin")
        }
        assert {scope: one.status_code for scope, one in asked.items()} == {"predict": 403, "admin": 200}
        assert httpx.get(f"{server.url}/predictions").status_code == 401


def test_other_machines_may_not_ask(grey: Bundle) -> None:
    application = create_app(grey, ServeConfig())

    async def near(address: str) -> bool:
        transport = httpx.ASGITransport(application, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return bool((await client.get("/ui/service.json")).json()["near"])

    with start_blocking_portal() as portal:
        assert [portal.call(near, address) for address in ("127.0.0.1", "::1", "10.0.0.1")] == [True, True, False]


def test_where_nothing_can_be_written_answers_go_on_and_the_log_says_why(grey: Bundle) -> None:
    with running(grey.path, workers=1, monitor={"folder": "/proc/eyas"}) as server:
        with httpx.Client(base_url=server.url) as client:
            asked = {"data": grey.golden().images[0].tolist(), "range": 255}
            assert client.post("/predict", json=asked).status_code == 200
            wait_until(lambda: client.get("/monitor").json().get("store"), 20)
            assert "could not be opened" in client.get("/monitor").json()["store"]["trouble"]
        code, said = server.stop()
    assert code == 0
    for what in ("predictions are not stored", "the monitor's state cannot be saved"):
        assert f"{what}: [Errno 2] No such file or directory: '/proc/eyas'" in said


def test_there_are_none_without_a_store(client: Client) -> None:
    assert client.get("/predictions").status_code == 404


def test_the_card_tells_how_it_did_on_the_held_out_images(client: Client, grey: Bundle) -> None:
    found = client.get("/model-card").json()
    assert found["card"].startswith("# digits")
    confusion = grey.reference()["confusion"]
    assert {(true, predicted): count for true, predicted, count in found["confusion"]} == {
        (int(i), int(j)): int(confusion[i, j]) for i, j in zip(*np.nonzero(confusion), strict=True)
    }
    assert found["held_out"] == confusion.sum() == sum(one["images"] for one in found["reliability"])
    right = sum(one["images"] * one["accuracy"] for one in found["reliability"])
    assert right == pytest.approx(np.trace(confusion))
    assert all(one["low"] < one["confidence"] <= one["high"] for one in found["reliability"])
    assert client.get("/model-card", params={"version": "9"}).status_code == 404
