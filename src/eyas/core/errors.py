"""One exception tree. A message names the thing, the rule, and what it got.

EyasError                  exit code 1
├── ConfigError            2   a key or value in the configuration or on the command line
├── DataError              3   images, labels, splits
│   └── UnsafeDataError    3   a file that attacks its reader (path traversal, bomb, code in a pickle)
├── TrainingError          4
│   ├── DivergenceError    4   the loss is no longer a finite number
│   └── ResumeError        4   a checkpoint that does not belong to this run
├── BundleError            5
│   ├── IntegrityError     5   a file differs from its recorded hash, or the schema is unknown
│   ├── BackupError        5   a backup that cannot be made, or does not fit where it is to go
│   ├── ParityError        5   the exported graph and the trained network disagree
│   └── RolloutError       5   a move that a rollout cannot make
├── InputError             6   an image or array given for prediction
├── ServingError           7   the server cannot start or answer
│   └── ServiceError       7   a service that was asked gives an error, or no answer
├── MissingExtraError      8   an optional part is not installed
├── TrackingError          9   a tracker does not take what waits for it
└── StoreError             10  the prediction store cannot be opened, read or written

Some rooms refine these for themselves: `data.sources.download` has a DataError that a server's refusal raises,
`serve.http.problems` a ServingError with an HTTP status, `serve.alerts.posting` one for an event that a receiver does
not take, and `monitor.store.engine` a StoreError for a row that the database refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from types import MappingProxyType
from typing import NamedTuple


class ExitCode(NamedTuple):
    """What a code of the `eyas` command means."""

    short: str
    """A few words, for a line of all codes."""
    meaning: str
    """A sentence."""


EXIT_CODES: Mapping[int, ExitCode] = MappingProxyType(
    {
        0: ExitCode("done", "What was asked is done."),
        1: ExitCode(
            "no or a file",
            "The answer is no (`eyas rollout check` does not pass, `eyas replay` saw no alarm), or a file or folder "
            "cannot be read or written.",
        ),
        2: ExitCode("configuration", "A key, a value, a word or an option on the command line breaks its rule."),
        3: ExitCode("data", "Images, labels or splits cannot be used, or would harm who reads them."),
        4: ExitCode("training", "Training cannot start or go on, or its loss is no longer a number."),
        5: ExitCode("bundle", "A bundle, repository, rollout or backup is missing, damaged or refuses the move."),
        6: ExitCode("input", "An image or array that was given for prediction cannot be read."),
        7: ExitCode("serving", "The server cannot start, or a service gives an error, the wrong answer or none."),
        8: ExitCode("missing extra", "An optional part is not installed; the message has the command that does it."),
        9: ExitCode("tracking", "MLflow or Weights & Biases does not take what waits for it."),
        10: ExitCode("prediction store", "The prediction store cannot be opened, read or written."),
        130: ExitCode("Ctrl-C", "It was stopped by Ctrl-C; training and searches can be resumed."),
    }
)


class EyasError(Exception):
    """Base of every error that eyas raises on purpose."""

    exit_code = 1


class ConfigError(EyasError):
    """A configuration key or value breaks its rule."""

    exit_code = 2


class DataError(EyasError):
    """Images, labels or splits that cannot be used."""

    exit_code = 3


class UnsafeDataError(DataError):
    """A file that would harm its reader, refused before it could."""


class TrainingError(EyasError):
    """Training cannot start or go on."""

    exit_code = 4


class DivergenceError(TrainingError):
    """The loss became NaN or infinite."""


class ResumeError(TrainingError):
    """A checkpoint that does not belong to this configuration."""


class BundleError(EyasError):
    """A bundle that cannot be written or read."""

    exit_code = 5


class IntegrityError(BundleError):
    """A bundle whose content is not what its manifest says."""


class BackupError(BundleError):
    """A backup that cannot be made, or does not fit the place where it is to be restored."""


class ParityError(BundleError):
    """The exported graph does not predict what the trained network predicts."""


class RolloutError(BundleError):
    """A move that a rollout cannot make from where it stands."""


class InputError(EyasError):
    """An input to prediction that breaks its rule.

    `pointer` is where in the input, as a JSON pointer (RFC 6901), for example `/data/0/17`.
    """

    exit_code = 6

    def __init__(self, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer


class ServingError(EyasError):
    """The server cannot start or answer."""

    exit_code = 7


class ServiceError(ServingError):
    """A service that was asked gave an error, or no answer.

    Args:
        message: names the address, and what came.
        status: of HTTP; None where no answer came.
        detail: the service's own words: the rule, and what was found in its place.
        pointer: where in the body, as a JSON pointer (RFC 6901).
        request_id: under which the service's log has the request.
        retry_after: seconds after which the service asks to be tried again.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        detail: str = "",
        pointer: str = "",
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.detail, self.pointer = status, detail, pointer
        self.request_id, self.retry_after = request_id, retry_after


class MissingExtraError(EyasError):
    """An optional part is not installed; the message holds the command that installs it."""

    exit_code = 8


class TrackingError(EyasError):
    """A tracker does not take what waits for it. Training never raises this: it goes on untracked."""

    exit_code = 9


class StoreError(EyasError):
    """The prediction store cannot be opened, read or written. A prediction never fails by this."""

    exit_code = 10


EXTRA_OF = {"torch": "train", "keras": "keras", "tensorboard": "track", "mlflow": "track", "wandb": "wandb"}
"""Libraries that are looked for before work begins, and the extras that carry them."""


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Turn a failed third-party import inside the block into the command that mends it.

    Args:
        extra: the extra of the distribution that carries the library, for example `train`.

    Raises:
        MissingExtraError: a module outside eyas is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "eyas":
            raise
        raise MissingExtraError(
            f'{error.name} is not installed; this command needs it: pip install "eyas[{extra}]"'
        ) from error


def require_library(name: str) -> None:
    """Look, without the import.

    Args:
        name: of `EXTRA_OF`.

    Raises:
        MissingExtraError: the library is not installed.
    """
    with needs_extra(EXTRA_OF[name]):
        if find_spec(name) is None:
            raise ModuleNotFoundError(name=name)
