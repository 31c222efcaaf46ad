"""What proposes the next configuration, by name."""

from __future__ import annotations

import difflib
import warnings
import zlib
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from eyas.core.errors import ConfigError, MissingExtraError
from eyas.tune.sampler import SwarmSampler
from eyas.tune.space import Space

DEFAULT = "swarm"
Make = Callable[[int, Space], BaseSampler]
SAMPLERS: dict[str, Make] = {
    "swarm": lambda seed, space: SwarmSampler(seed, space),
    # Trials that run count: several are asked for at once.
    "tpe": lambda seed, _: TPESampler(seed=seed, constant_liar=True),
    "random": lambda seed, _: RandomSampler(seed=seed),
    "gp": lambda seed, _: GPSampler(seed=seed, warn_independent_sampling=False),
    "cmaes": lambda seed, _: CmaEsSampler(seed=seed, warn_independent_sampling=False),
    "qmc": lambda seed, _: QMCSampler(
        seed=seed, scramble=True, warn_independent_sampling=False, warn_asynchronous_seeding=False
    ),
    "nsga": lambda seed, _: NSGAIISampler(seed=seed),
}
# They draw from one stream, and one that begins anew beside finished trials would repeat their points.
STREAMS = ("tpe", "random", "gp", "cmaes", "nsga")


def require_sampler(name: str) -> None:
    """Refuse a name that there is no sampler for, or one whose library is missing.

    Raises:
        ConfigError: with the nearest name.
        MissingExtraError: with what installs it.
    """
    if name not in SAMPLERS:
        near = difflib.get_close_matches(name, SAMPLERS, n=1, cutoff=0.5)
        hint = f": did you mean {near[0]}?" if near else ""
        raise ConfigError(f"unknown sampler {name}{hint} (known: {', '.join(SAMPLERS)})")
    if name == "cmaes" and find_spec("cmaes") is None:
        raise MissingExtraError("cmaes is not installed; --sampler cmaes needs it: pip install cmaes")


def make_sampler(name: str, seed: int, space: Space, finished: int = 0, owner: str = "") -> BaseSampler:
    """The sampler.

    Args:
        name: as `require_sampler` allows.
        seed: the study's.
        space: what is searched; only the swarm needs to know it beforehand.
        finished: trials that the study has already.
        owner: where several search in it, who this one is: those that draw from streams must not draw the same points.
    """
    own = seed
    if name in STREAMS and (finished or owner):
        own = int(np.random.SeedSequence([seed, finished, zlib.crc32(owner.encode())]).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return SAMPLERS[name](own, space)
