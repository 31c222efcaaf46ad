"""`eyas replay`: real images, changed on purpose, against a live service, to see its alarms before they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eyas.cli.monitor import Url
from eyas.core.errors import InputError, ServiceError, needs_extra

if TYPE_CHECKING:
    import numpy as np

    from eyas.client import Client
    from eyas.monitor.shifts import Pixels

LOOK_SECONDS = 0.5  # between two looks at the monitor
SETTLE_SECONDS = 3.0  # for the monitor to hear of the last ones


@dataclass
class _Images:
    """What is played, over and over in another order each time."""

    files: Sequence[Path]
    seed: int
    left_out: str | None = None
    """A class, the name of its folder."""
    shift: str | None = None
    amount: float | None = None
    _read: dict[Path, Pixels] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Pixels]:
        import numpy as np

        from eyas.monitor.shifts import shifted

        rng = np.random.default_rng(self.seed)
        files = [file for file in self.files if file.parent.name != self.left_out]
        while True:
            for at in rng.permutation(len(files)).tolist():
                image = self._image(files[at])
                yield shifted(image, self.shift, self.amount, rng) if self.shift else image

    def _image(self, file: Path) -> np.ndarray[Any, Any]:
        if file not in self._read:
            import numpy as np

            from eyas.image import open_image

            picture = open_image(file)
            picture = picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
            pixels = np.asarray(picture, np.uint8)
            self._read[file] = pixels if pixels.ndim == 3 else pixels[..., None]
        return self._read[file]


def replay(
    folder: Annotated[Path, typer.Argument(help="Image files; a class's in a folder of its name.", metavar="FOLDER")],
    shift: Annotated[
        str | None,
        typer.Option(help="noise, blur, rotate, translate, darken, contrast or occlude.", metavar="NAME[=AMOUNT]"),
    ] = None,
    knockout: Annotated[str | None, typer.Option(help="A class that no longer comes.", metavar="CLASS")] = None,
    clean: Annotated[int, typer.Option(help="Images as they are, before.", min=0)] = 500,
    changed: Annotated[int, typer.Option(help="Changed images after them, at most.", min=1)] = 2000,
    rate: Annotated[float, typer.Option(help="Images a second, at most.", min=0.1)] = 100.0,
    seed: Annotated[int, typer.Option(help="Of the order and the noise.", min=0)] = 0,
    url: Url = None,
) -> None:
    """Play images against a service, first as they are, then changed, until its monitor raises an alarm.

    The service counts them as any others: try it on one that stands apart. Where no alarm comes, the exit code is 1.

    Example: eyas replay holdout --shift rotate=40 --url http://localhost:5000
    """
    with needs_extra("client"):
        from eyas.client import Client
        from eyas.files import find_images

    files = [one.source for one in find_images([folder]) if isinstance(one.source, Path)]
    if not files:
        raise InputError(f"{folder} must hold image files, has none")
    classes = {file.parent.name for file in files}
    if knockout is not None and (knockout not in classes or len(classes) < 2):
        raise InputError(f"{folder} must have a folder {knockout} and others, has {', '.join(sorted(classes))}")
    if (shift is None) == (knockout is None):
        raise InputError("one of --shift and --knockout must be given")
    name, _, amount = (shift or "").partition("=")
    after = _Images(files, seed + 1, knockout, name or None, _number(amount))
    with Client(url) as client:
        before = _alarms(client)
        sent = _play(client, _Images(files, seed), clean, rate, before)
        if sent.alarm:
            typer.echo(f"alarm after {sent.count} images as they are: {sent.alarm}")
            raise typer.Exit(1)
        typer.echo(f"{sent.count} images as they are: no alarm")
        sent = _play(client, after, changed, rate, before)
    what = shift or f"without {knockout}"
    typer.echo(f"{what}: {f'alarm within {sent.count} images, {sent.alarm}' if sent.alarm else 'no alarm'}")
    if sent.alarm is None:
        raise typer.Exit(1)


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
