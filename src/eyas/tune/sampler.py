"""The swarm as an Optuna sampler: its particles live in the study's trials.

Each trial that the swarm moved to holds, in the system attribute `swarm:move`, which particle moved and the state that
it is in since. So a study that is loaded from any storage goes on where it stood, and several processes that share a
storage are one swarm.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from math import isfinite
from threading import Lock
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from eyas.core.errors import ConfigError
from eyas.tune.distributions import distribution, labelled
from eyas.tune.space import Choice, Dimension, Float, Int, Space
from eyas.tune.swarm import Move, State, Swarm
from eyas.tune.swarm.encoding import Encoding
from eyas.tune.swarm.moves import anywhere
from eyas.tune.swarm.swarm import PARTICLES

MOVE = "swarm:move"
PARTICLE = "swarm:particle"
CONTINUES = "continues"
"""User attribute: the number of the trial whose training this one took further; both are one point of the swarm."""
WITHDRAWN = "withdrawn"
"""User attribute of a failed trial that was given up before it began."""
FINAL = 1 << 30
"""The rung of a completed trial: a pruned one never counts before it."""


class SwarmSampler(BaseSampler):
    """A particle swarm with a model to guide it; see `eyas.tune.swarm`. One objective.

    A pruned trial counts by (last step, value there). A failed one counts as the worst value known.

    Args:
        seed: with one worker, the same seed suggests the same trials. None: another one each time.
        space: what the objective will suggest. Without it, the first trial is drawn at random, and a parameter that no
            finished trial had is too.
        particles: how many move in turn.
    """

    def __init__(self, seed: int | None = None, space: Space | None = None, particles: int = PARTICLES) -> None:
        self._seed = int(np.random.SeedSequence(seed).generate_state(1)[0]) if seed is None else seed
        if self._seed < 0:
            raise ConfigError(f"the seed of the swarm must be at least 0, got {seed}")
        self._space, self._particles = space and labelled(space), particles
        self._lock = Lock()
        self._mirror: _Mirror | None = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The space that was given, else every parameter of the finished trials that always had the same bounds."""
        if self._space is not None:
            return {dimension.name: distribution(dimension) for dimension in self._space}
        found: dict[str, BaseDistribution | None] = {}
        for finished in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)):
            for name, known in finished.distributions.items():
                found[name] = known if found.get(name, known) == known else None
        return {name: known for name, known in sorted(found.items()) if known is not None}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Move a particle.

        Raises:
            ValueError: a study of several objectives.
        """
        self._raise_error_if_multi_objective(study)
        fixed = trial.system_attrs.get("fixed_params", {})
        if not search_space or all(name in fixed for name in search_space):
            return {}
        with self._lock:
            mirror = self._mirror_of(study, search_space)
            mirror.take_in(study.get_trials(deepcopy=False), study.direction == StudyDirection.MAXIMIZE)
            move = mirror.ask(trial.number)
        storage, number = study._storage, trial._trial_id
        storage.set_trial_system_attr(number, MOVE, _kept(move, mirror.fingerprint))
        storage.set_trial_system_attr(number, PARTICLE, move.particle)
        return move.values

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Anywhere in the distribution.

        Raises:
            ValueError: a study of several objectives.
        """
        self._raise_error_if_multi_objective(study)
        encoding = Encoding(Space([dimension_of(param_name, param_distribution)]))
        rng = np.random.default_rng([self._seed, trial.number, zlib.crc32(param_name.encode())])
        return encoding.decode(anywhere(encoding, rng, 1).points, 0)[param_name]

    def _mirror_of(self, study: Study, search_space: Mapping[str, BaseDistribution]) -> _Mirror:
        space = self._space or Space([dimension_of(name, found) for name, found in search_space.items()])
        fingerprint = _fingerprint(study.study_name, search_space)
        if self._mirror is None or self._mirror.fingerprint != fingerprint:
            self._mirror = _Mirror(Swarm(space, self._seed, self._particles), fingerprint)
        return self._mirror

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_mirror": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = Lock()


class _Mirror:
    """A swarm in step with the trials of one study."""

    def __init__(self, swarm: Swarm, fingerprint: str) -> None:
        self.swarm, self.fingerprint = swarm, fingerprint
        self._asked: dict[int, dict[str, Any]] = {}
        self._open: set[int] = set()
        self._next = 0

    def ask(self, number: int) -> Move:
        """A move for this trial."""
        if number in self._asked:
            self.swarm.drop(number)
        move = self.swarm.ask(number)
        self._asked[number] = move.values
        return move

    def take_in(self, trials: list[FrozenTrial], maximize: bool) -> None:
        """Tell the swarm what is new in a study's trials, which come by number."""
        for number in sorted(self._open | set(range(self._next, len(trials)))):
            trial = trials[number]
            if trial.state.is_finished():
                self._settle(trial, trials, -1.0 if maximize else 1.0)
                self._open.discard(number)
            else:
                self._open.add(number)
                if trial.params and CONTINUES not in trial.user_attrs:
                    self._place(trial)
        self._next = len(trials)

    def _place(self, trial: FrozenTrial) -> None:
        """See that the swarm knows the point that is really being tried, which may have been fixed in part."""
        asked = self._asked.get(trial.number)
        # A trial under way is first seen with some of its values; a finished one has all that mattered.
        if asked == trial.params or (
            asked is not None and not trial.state.is_finished() and trial.params.items() <= asked.items()
        ):
            return
        if asked is not None:
            self.swarm.drop(trial.number)
        self._asked[trial.number] = dict(trial.params)
        kept = trial.system_attrs.get(MOVE)
        if kept is None or kept["space"] != self.fingerprint:
            self.swarm.add(trial.number, trial.params)
            return
        state = State(*(np.array(kept[part], dtype=float) for part in ("position", "velocity", "preferences")))
        self.swarm.add(trial.number, trial.params, kept["particle"], kept["life"], state)

    def _settle(self, trial: FrozenTrial, trials: list[FrozenTrial], sign: float) -> None:
        root = _root(trial, trials)
        if root is trial and trial.user_attrs.get(WITHDRAWN):
            self.swarm.drop(trial.number)  # never trained, which says nothing of its point
            return
        if root is not trial and trial.state == TrialState.FAIL:
            return  # what it was to take further stands as it was
        if not root.params:
            return
        self._place(root)
        if trial.state == TrialState.FAIL:
            self.swarm.tell(root.number, None)
            return
        curve = {step: sign * value for step, value in trial.intermediate_values.items() if isfinite(value)}
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            curve[FINAL] = sign * trial.value
        if curve:
            top = max(curve)
            self.swarm.tell(root.number, curve.pop(top), top, curve)
        elif root is trial:  # pruned before it reported anything, which says nothing
            self.swarm.drop(root.number)


def dimension_of(name: str, distribution: BaseDistribution) -> Dimension:
    """Optuna's distribution as a dimension."""
    match distribution:
        case FloatDistribution():
            return Float(name, distribution.low, distribution.high, distribution.log, distribution.step)
        case IntDistribution():
            return Int(name, distribution.low, distribution.high, distribution.log, distribution.step)
        case CategoricalDistribution():
            return Choice(name, tuple(distribution.choices))
    raise ValueError(f"{name} must be a float, an int or a categorical distribution, got {distribution!r}")


def _root(trial: FrozenTrial, trials: list[FrozenTrial]) -> FrozenTrial:
    """The trial whose training this one took further, at the beginning of the chain."""
    while CONTINUES in trial.user_attrs:
        trial = trials[trial.user_attrs[CONTINUES]]
    return trial


def _kept(move: Move, fingerprint: str) -> dict[str, Any]:
    state = move.state
    return {
        "space": fingerprint,
        "particle": move.particle,
        "life": move.life,
        "position": state.position.tolist(),
        "velocity": state.velocity.tolist(),
        "preferences": state.preferences.tolist(),
    }


def _fingerprint(study: str, search_space: Mapping[str, BaseDistribution]) -> str:
    return f"{zlib.crc32(repr((study, sorted(search_space.items()))).encode()):08x}"
