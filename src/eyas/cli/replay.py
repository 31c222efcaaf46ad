"""`eyas replay`: real images, changed on purpose, against a live service, to see its alarms before they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eyas.cli.monitor import Url
from eyas.cli.words import AsJson, print_json, tell
from eyas.core.errors import InputError, ServiceError, StoreError, needs_extra

if TYPE_CHECKING:
    import numpy as np

    from eyas.client import Client
    from eyas.monitor.shifts import Pixels

LOOK_SECONDS = 0.5  # between two looks at the monitor
SETTLE_SECONDS = 3.0  # for the monitor to hear of the last ones
MOST_KEPT = 10_000  # images of a store


@dataclass(frozen=True)
class _Picture:
    """An image, read when it is needed."""

    label: str
    """Its folder's name; of a store, the index of its true class where that is known, else of the one predicted."""
    source: Callable[[], Path | bytes]


@dataclass(frozen=True)
class _Images:
    """What is played, over and over in another order each time."""

    pictures: Sequence[_Picture]
    seed: int
    left_out: str | None = None
    """A class."""
    shift: str | None = None
    amount: float | None = None

    def __iter__(self) -> Iterator[Pixels]:
        import numpy as np

        from eyas.monitor.shifts import shifted

        rng = np.random.default_rng(self.seed)
        kept = [at for at, picture in enumerate(self.pictures) if picture.label != self.left_out]
        while True:
            for at in rng.permutation(kept).tolist():
                image = self._image(at)
                yield shifted(image, self.shift, self.amount, rng) if self.shift else image

    def _image(self, at: int) -> np.ndarray[Any, Any]:
        import numpy as np

        from eyas.image import open_image

        picture = open_image(self.pictures[at].source())
        picture = picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
        pixels = np.asarray(picture, np.uint8)
        return pixels if pixels.ndim == 3 else pixels[..., None]


def replay(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder of image files, a class's in a folder of its name; or a prediction store, a file or a URL: "
            "the images that it has kept.",
            metavar="FOLDER|STORE",
        ),
    ],
    shift: Annotated[
        str | None,
        typer.Option(help="noise, blur, rotate, translate, darken, contrast or occlude.", metavar="NAME[=AMOUNT]"),
    ] = None,
    knockout: Annotated[
        str | None, typer.Option(help="A class that no longer comes; of a store, its index.", metavar="CLASS")
    ] = None,
    clean: Annotated[int, typer.Option(help="Images as they are, before.", min=0)] = 500,
    changed: Annotated[int, typer.Option(help="Changed images after them, at most.", min=1)] = 2000,
    rate: Annotated[float, typer.Option(help="Images a second, at most.", min=0.1)] = 100.0,
    seed: Annotated[int, typer.Option(help="Of the order and the noise.", min=0)] = 0,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Play images against a service, first as they are, then changed, until its monitor raises an alarm.

    The service counts them as any others: try it on one that stands apart. Where no alarm comes, the exit code is 1.

    Example: eyas replay holdout --shift rotate=40 --url http://localhost:5000;
    eyas replay monitor/predictions.db --knockout 3
    """
    with needs_extra("client"):
        from eyas.client import Client

    pictures = _in_folder(Path(source)) if Path(source).is_dir() else _in_store(source)
    classes = {picture.label for picture in pictures}
    if knockout is not None and (knockout not in classes or len(classes) < 2):
        raise InputError(f"{source} must have images of {knockout} and of others, has {', '.join(sorted(classes))}")
    if (shift is None) == (knockout is None):
        raise InputError("one of --shift and --knockout must be given")
    name, _, amount = (shift or "").partition("=")
    after = _Images(pictures, seed + 1, knockout, name or None, _number(amount))
    with Client(url) as client:
        before = _alarms(client)
        as_they_are = _play(client, _Images(pictures, seed), clean, rate, before)
        if not as_json:
            _tell_clean(as_they_are)
        sent = None if as_they_are.alarm else _play(client, after, changed, rate, before)
    what = shift or f"without {knockout}"
    said = {"clean": asdict(as_they_are), "changed": {"by": what, **asdict(sent)} if sent else None}
    if sent:
        tell(
            as_json, said, f"{what}: {f'alarm within {sent.count} images, {sent.alarm}' if sent.alarm else 'no alarm'}"
        )
    elif as_json:
        print_json(said)
    if sent is None or sent.alarm is None:
        raise typer.Exit(1)


def _tell_clean(sent: _Sent) -> None:
    if sent.alarm:
        typer.echo(f"alarm after {sent.count} images as they are: {sent.alarm}")
    else:
        typer.echo(f"{sent.count} images as they are: no alarm")


def _in_folder(folder: Path) -> list[_Picture]:
    with needs_extra("client"):
        from eyas.files import find_images

    files = [one.source for one in find_images([folder]) if isinstance(one.source, Path)]
    if not files:
        raise InputError(f"{folder} must hold image files, has none")
    return [_Picture(file.parent.name, partial(Path, file)) for file in files]


def _in_store(place: str) -> list[_Picture]:
    """The newest images that a service's store has kept."""
    with needs_extra("client"):
        from eyas.monitor.store import Filter, open_store, require_there

    try:
        require_there(place)
    except StoreError as error:
        raise StoreError(f"{error}, and no folder of images") from error
    store = open_store(place)
    rows = store.recent(MOST_KEPT, Filter(has_image=True)).rows
    found = [row for row in rows if row.prediction.arm != "shadow"]
    if len(models := {row.prediction.model for row in found}) > 1:
        raise InputError(f"{store.where} must hold images of one model, has those of {', '.join(sorted(models))}")
    if not found:
        raise InputError(f"{store.where} must hold images, has none: serve.monitor.keep_images keeps a share of them")

    def content(id_: str) -> bytes:
        if (image := store.image(id_)) is None:
            raise InputError(f"{store.where} no longer has the image of {id_}")
        return image.content

    return [
        _Picture(
            str(row.feedback.true_class if row.feedback else row.prediction.predicted),
            partial(content, row.prediction.id),
        )
        for row in found
    ]


@dataclass(frozen=True)
class _Sent:
    count: int
    alarm: str | None


def _play(client: Client, images: _Images, most: int, rate: float, before: set[str]) -> _Sent:
    """Send until an alarm is told that was not there before."""
    began = looked = monotonic()
    for count, image in enumerate(images):
        if count == most:
            break
        sleep(max(0.0, began + count / rate - monotonic()))
        client.predict(image)
        if monotonic() - looked > LOOK_SECONDS:
            looked = monotonic()
            if new := _new(client, before):
                return _Sent(count + 1, new)
    until = monotonic() + SETTLE_SECONDS
    while monotonic() < until:
        if new := _new(client, before):
            return _Sent(most, new)
        sleep(LOOK_SECONDS)
    return _Sent(most, None)


def _new(client: Client, before: set[str]) -> str | None:
    return next(iter(_alarms(client) - before), None)


def _alarms(client: Client) -> set[str]:
    """One line each."""
    until = monotonic() + SETTLE_SECONDS
    while True:
        try:
            versions = client.monitor()["versions"]
        except ServiceError as error:
            if error.status != 503 or monotonic() > until:
                raise
            sleep(LOOK_SECONDS)
            continue
        return {
            f"{alarm['kind']} since prediction {alarm['since']} of {alarm['at']}, by {', '.join(alarm['streams'])} "
            f"({one['model']} {one['version']})"
            for one in versions
            for alarm in one["alarms"]
        }


def _number(text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--shift must be NAME or NAME=AMOUNT with a number, got {text}") from None
