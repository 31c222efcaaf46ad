"""The smoke test: each check asks the service, and says what it found or what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from eyas.bundle import Bundle, Golden
from eyas.client.calls import PROBLEM
from eyas.client.files import REFUSED
from eyas.core.errors import IntegrityError, ServiceError
from eyas.deploy.smoke.service import Answered, Service
from eyas.image import to_png

BAD_REQUEST = b'{"data": "no pixels"}'
WARM_UP = 3
METRIC = "eyas_model_requests"
SHOWN = 200  # characters of a service's own words


@dataclass(frozen=True)
class Expected:
    """What the service is held to."""

    bundle: Bundle
    latency_ms: float | None = None
    """For the p95; None: it is told and not judged."""
    requests: int = 50
    """Over which the p95 is taken, one after the other."""
    model: str = ""
    """Of a service with several; its default where empty."""

    @property
    def which(self) -> dict[str, str]:
        """The query that chooses the model."""
        return {"model": self.model} if self.model else {}

    @cached_property
    def golden(self) -> Golden:
        """The bundle's golden inputs and answers."""
        return self.bundle.golden()

    @cached_property
    def files(self) -> tuple[bytes, ...]:
        """The golden images as PNG files."""
        return tuple(to_png(image) for image in self.golden.images)


@dataclass(frozen=True)
class Check:
    """One question, and what came of it."""

    name: str
    passed: bool
    said: str


@dataclass(frozen=True)
class Report:
    """What came of all of them."""

    url: str
    model: str
    version: str
    """Of the bundle that was expected."""
    checks: tuple[Check, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether all did."""
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        """Those that did not."""
        return tuple(check for check in self.checks if not check.passed)


class _WrongError(Exception):
    """What a check found is not what it should be."""


def smoke(service: Service, expected: Expected) -> Report:
    """Ask a live service whether it is the bundle.

    Raises:
        IntegrityError: the bundle has no golden inputs.
    """
    if not len(expected.golden.images):
        raise IntegrityError(f"{expected.bundle.path} holds no golden inputs: nothing shows that a service is right")
    manifest = expected.bundle.manifest
    return Report(service.url, manifest.name, manifest.version, tuple(_checks(service, expected)))


def _checks(service: Service, expected: Expected) -> Iterator[Check]:
    for number, (name, check) in enumerate(CHECKS.items()):
        try:
            yield Check(name, True, check(service, expected))
        except _WrongError as wrong:
            yield Check(name, False, str(wrong))
        except ServiceError as error:
            yield Check(name, False, str(error))
            if number == 0:  # nobody is there: the rest would only wait as long again
                yield from (Check(other, False, "not asked") for other in [*CHECKS][1:])
                return


def _alive(service: Service, expected: Expected) -> str:
    return _ok(service.get("/livez"))


def _ready(service: Service, expected: Expected) -> str:
    return _ok(service.get("/readyz"))


def _version(service: Service, expected: Expected) -> str:
    answer = service.get("/model-info", expected.which)
    _ok(answer)
    said, wanted = answer.json().get("version"), expected.bundle.manifest.version
    if said != wanted:
        raise _WrongError(f"must be {wanted}, is {said}")
    return str(said)


def _golden(service: Service, expected: Expected) -> str:
    differences = [_difference(service, expected, index) for index in range(len(expected.files))]
    return f"{len(differences)} answers, none differs by more than {max(differences):.1e}"


def _difference(service: Service, expected: Expected, index: int) -> float:
    """The largest difference of a probability, for one golden image."""
    answer = _predict(service, expected, index)
    _ok(answer)
    said, wanted = answer.json(), expected.golden.probabilities[index]
    got = _row(said.get("probabilities"), len(wanted))
    if said.get("version") != expected.bundle.manifest.version:
        raise _WrongError(f"image {index} was answered by version {said.get('version')}")
    difference = float(np.abs(got - wanted).max())
    tolerance = expected.bundle.manifest.tolerance
    if not difference <= tolerance:
        raise _WrongError(f"a probability of image {index} differs by {difference:.1e}, more than {tolerance:.0e}")
    return difference


def _row(found: object, classes: int) -> NDArray[np.float64]:
    try:
        row = np.asarray(found, np.float64)
    except (ValueError, TypeError):
        row = np.empty(0)
    if row.shape != (1, classes):
        raise _WrongError(f"an answer must have {classes} probabilities, has the shape {row.shape}")
    only: NDArray[np.float64] = row[0]
    return only


def _refusal(service: Service, expected: Expected) -> str:
    answer = service.post("/predict", BAD_REQUEST, "application/json", expected.which)
    if answer.status in (401, 403):
        raise _WrongError(f"{answer.status}: the token is missing, or not for predictions{_words(answer)}")
    if answer.status not in REFUSED:
        raise _WrongError(f"what is no image must be refused with {', '.join(map(str, REFUSED))}, got {answer.status}")
    if answer.media_type != PROBLEM or answer.json().get("status") != answer.status:
        raise _WrongError(f"a refusal must be {PROBLEM} with its status, got {answer.media_type or 'no media type'}")
    return f"{answer.status} {PROBLEM}"


def _latency(service: Service, expected: Expected) -> str:
    for index in range(WARM_UP):
        _predict(service, expected, index)
    answers = [_predict(service, expected, index) for index in range(expected.requests)]
    for answer in answers:
        _ok(answer)
    times = [1000 * answer.seconds for answer in answers]
    p50, p95 = np.quantile(times, [0.5, 0.95], method="higher")  # those of a request, and on the safe side
    said = f"p50 {p50:.1f} ms, p95 {p95:.1f} ms of {len(times)} requests"
    if expected.latency_ms is not None and p95 > expected.latency_ms:
        raise _WrongError(f"{said}, more than {expected.latency_ms:g} ms")
    return said


def _metrics(service: Service, expected: Expected) -> str:
    answer = service.get("/metrics")
    _ok(answer)
    if METRIC.encode() not in answer.body:
        raise _WrongError(f"must have the family {METRIC}")
    return f"{len(answer.body):,} bytes"


def _predict(service: Service, expected: Expected, index: int) -> Answered:
    content = expected.files[index % len(expected.files)]
    return service.post("/predict", content, "image/png", expected.which)


def _ok(answer: Answered) -> str:
    if answer.status != 200:
        raise _WrongError(f"must be answered with 200, got {answer.status}{_words(answer)}")
    return f"{1000 * answer.seconds:.1f} ms"


def _words(answer: Answered) -> str:
    """What the service says of it, as an end of a sentence."""
    said = str(answer.json().get("detail") or "")
    return f": {said[:SHOWN]}" if said else ""


CHECKS: dict[str, Callable[[Service, Expected], str]] = {
    "alive": _alive,
    "ready": _ready,
    "version": _version,
    "golden predictions": _golden,
    "a bad request": _refusal,
    "latency": _latency,
    "metrics": _metrics,
}
