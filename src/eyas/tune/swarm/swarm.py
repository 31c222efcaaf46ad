"""A particle swarm that is asked for points one at a time and told their values whenever they are known.

ask ──► a free particle ──► many moves are drawn ──► those already tried are dropped ──► the model chooses ──► Move
tell ─► (rung, value) of that move ──► its particle's best, the swarm's informants, the model

There is no generation: whichever particle is free moves next, from what is known at that moment. A particle whose own
best has not bettered for `PATIENCE` of its moves is placed anew. The choice among drawn moves is by randomised GP-UCB
(Berk et al. 2020), for values to be made small:

    score = mean - |κ| deviation,  κ ~ N(0, 1.5²) anew for each move.

Values may come from several rungs of a budget (successive halving): a higher rung counts before a better value at a
lower one, and the model sees a low rung's value moved by what others gained between the two. The state is a function of
the moves and of what was told of them, so that it can be kept in a study's trials and made again from there.

Source: Berk, Gupta, Rana & Venkatesh 2020, *Randomised Gaussian process upper confidence bound for Bayesian
optimisation*; the rest stands in `moves` and `surrogate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Any

import numpy as np
from numpy.random import Generator

from eyas.core.errors import ConfigError
from eyas.tune.space import Space
from eyas.tune.swarm import moves, surrogate
from eyas.tune.swarm.encoding import Encoding, Floats, Points
from eyas.tune.swarm.history import History
from eyas.tune.swarm.moves import Moves, State

PARTICLES = 8
PATIENCE = 15
UNGUIDED = 5  # points before there is a model
REFIT = 1.25  # lengths are fitted anew when the points have grown by this factor
# Points that are known: moves that are drawn, points that the model sees. A long search has many moves to make, each on
# little news, and is to spend under a millisecond on one.
EFFORT = {0: (128, 100), 201: (64, 100), 401: (48, 70)}
CAUTION = 1.5  # deviation of κ


@dataclass(frozen=True)
class Move:
    """A point to try."""

    number: int
    values: dict[str, Any]
    """The active dimensions, in the space's order."""
    particle: int
    life: int
    """How often the particle has been placed anew."""
    state: State
    """Of the particle after this move."""


class Swarm:
    """Minimises over a space.

    Args:
        space: of the values that moves name.
        seed: with the same values told in the same order, the same seed asks for the same points.
        particles: how many move in turn.
    """

    def __init__(self, space: Space, seed: int = 0, particles: int = PARTICLES) -> None:
        if particles < 1:
            raise ConfigError(f"a swarm must have at least 1 particle, got {particles}")
        self.space, self.seed, self.particles = space, seed, particles
        self._encoding = Encoding(space)
        self._history = History(self._encoding)
        self._theta: Floats = np.empty(0)
        self._gains: dict[int, float] = {}
        self._fitted_at = 0
        rng = np.random.default_rng(seed)
        self._shift = rng.random(sum(self._encoding.width))

    def ask(self, number: int | None = None) -> Move:
        """The next point to try; it is pending until it is told.

        Args:
            number: the move's own, never used before; by default one more than the largest so far.
        """
        number = self._history.next_number() if number is None else number
        rng = np.random.default_rng([self.seed, number])
        particle = self._free_particle(number)
        life = self._history.life(particle, PATIENCE)
        drawn, features = self._drawn(rng, number, particle, life)
        row = self._choose(rng, features)
        move = Move(number, self._encoding.decode(drawn.points, row), particle, life, drawn.state(row))
        self._history.add(number, drawn.points[[row]], None, (particle, life, move.state))
        return move

    def tell(self, number: int, value: float | None, rung: int = 0, before: Mapping[int, float] | None = None) -> None:
        """What a move, or a point that was added, is worth.

        Args:
            number: the move's.
            value: to be made small; None, NaN or infinite for a failure, which counts as the worst value known.
            rung: of the budget that the value was reached with; the same move may be told again for a higher one.
            before: values that it had at rungs below, on the way.

        Raises:
            ConfigError: no such move.
        """
        finite = value is not None and isfinite(value)
        self._history.tell(number, value if finite else None, rung, before or {})

    def add(
        self,
        number: int,
        values: Mapping[str, Any],
        particle: int | None = None,
        life: int = 0,
        state: State | None = None,
    ) -> None:
        """A point from elsewhere: a move of this swarm's that was kept, or somebody's own choice.

        Args:
            number: never used before.
            values: those of its active dimensions; others are ignored.
            particle, life, state: as of the move; without them the point informs all particles and moves none.
        """
        points, given = self._encoding.encode(values)
        kept = None if particle is None or state is None else (particle, life, state)
        self._history.add(number, points, given if not given.all() else None, kept)

    def drop(self, number: int) -> None:
        """Forget a move whose value will never come."""
        self._history.drop(number)

    def _free_particle(self, number: int) -> int:
        """They move in turn; one whose move is pending is passed over while another is free."""
        busy = self._history.busy()
        turns = ((number + k) % self.particles for k in range(self.particles))
        return next((p for p in turns if p not in busy), number % self.particles)

    def _drawn(self, rng: Generator, number: int, particle: int, life: int) -> tuple[Moves, Floats]:
        """Moves to choose from, and their features; none was tried before, where the space has others left."""
        encoding, history = self._encoding, self._history
        if history.told < UNGUIDED:
            return self._untried(self._spread(number), rng)
        state, own = history.particle(particle, life)
        if state is None:
            state = moves.at_rest(encoding, rng.random(encoding.width[0]))
        informants = history.informants(rng, self._effort()[0], self.particles)
        own = own if own is not None else informants[[0]]
        return self._untried(moves.draw(encoding, rng, state, own, informants), rng)

    def _effort(self) -> tuple[int, int]:
        """Moves to draw, and points for the model to see."""
        return next(effort for known, effort in reversed(EFFORT.items()) if self._history.told >= known)

    def _spread(self, number: int) -> Moves:
        """One point of a sequence that fills the space evenly: (shift + n φ_d^-k) mod 1, with φ_d^(d+1) = φ_d + 1.

        Source: Roberts 2018, *The unreasonable effectiveness of quasirandom sequences*.
        """
        numbers, choices = self._encoding.width
        phi = 2.0
        for _ in range(30):
            phi = (1.0 + phi) ** (1.0 / (numbers + choices + 1))
        u = (self._shift + (number + 1) * phi ** -np.arange(1.0, numbers + choices + 1)) % 1.0
        picks = (u[numbers:] * self._encoding.sizes).astype(np.int64)
        rest = moves.at_rest(self._encoding, u[:numbers])
        points = Points(self._encoding.rounded(rest.position[None]), picks[None])
        return Moves(points, rest.position[None], rest.velocity[None], rest.preferences[None])

    def _untried(self, drawn: Moves, rng: Generator) -> tuple[Moves, Floats]:
        for further in range(20):
            features = self._encoding.features(drawn.points)
            fresh = self._history.untried(features)
            if len(fresh):
                return drawn[fresh], features[fresh]
            drawn = moves.anywhere(self._encoding, rng, moves.DRAWN << min(further, 5))
        return drawn, self._encoding.features(drawn.points)  # everything has been tried, or nearly so

    def _choose(self, rng: Generator, features: Floats) -> int:
        if len(features) == 1 or self._history.told < UNGUIDED:
            return 0
        mean, deviation = self._model().predict(features)
        return int(np.argmin(mean - abs(rng.normal(0.0, CAUTION)) * deviation))

    def _model(self) -> surrogate.Model:
        due, groups = _last_fit(self._history.told), self._encoding.groups
        if due != self._fitted_at:
            self._gains, self._fitted_at = self._history.gains(), due
            z, x = self._seen(due)
            self._theta = surrogate.fitted(x, z, groups)
        z, x = self._seen(self._history.told)
        model = surrogate.condition(self._theta, x, z, groups)
        pending = self._history.pending()
        return model.believing(pending) if len(pending) else model

    def _seen(self, count: int) -> tuple[Floats, Floats]:
        """What the model is to see of the first `count` points: (n,) warped values and (n, F) features."""
        rows, values = self._history.known(self._gains)
        chosen = surrogate.chosen_rows(values[:count], self._effort()[1])
        return surrogate.warped(values[chosen]), self._history.features(rows[chosen])


def _last_fit(told: int) -> int:
    """How many points the lengths are fitted to: first `UNGUIDED`, then a quarter more each time.

    It hangs on the number of points alone, so that a swarm made again from its moves has the same lengths.
    """
    due = UNGUIDED
    while (following := ceil(due * REFIT)) <= told:
        due = following
    return due
