"""The moves that a particle may make next. Many are drawn; a model, or chance, chooses one.

With x the particle's position, v its velocity, p its own best point and g an informant, drawn anew for each move among
the best points of the whole swarm:

    v' = ω v + c₁ r₁ (p - x) + c₂ r₂ (g - x),  x' = x + v',  r₁, r₂ ~ U(0, 1) by coordinate

with ω and c of Clerc & Kennedy 2002, and ω scaled by a draw from U(0, 2) for each move, so that they differ in reach. A
number that leaves [0, 1] is reflected: clipped, swarms park on the bounds (Helwig et al. 2013). A choice has a
probability for each of its values instead of a number (Strasser et al. 2016): the preferences q move as

    q' ∝ ω q + c₁ r₁ 1[p] + c₂ r₂ 1[g] + ε / K

and the value is drawn from them. Some coordinates are disturbed (Higashi & Iba 2003). A share of the moves starts at
the informant and changes little, and a share goes anywhere.

Sources: Kennedy & Eberhart 1995; Clerc & Kennedy 2002, *The particle swarm: explosion, stability, and convergence*;
Strasser, Goodman, Sheppard & Butcher 2016, *A new discrete particle swarm optimization algorithm*; Helwig, Branke &
Mostaghim 2013, *Experimental analysis of bound handling techniques*; Higashi & Iba 2003, *PSO with Gaussian mutation*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from eyas.tune.swarm.encoding import Encoding, Flags, Floats, Ints, Points

INERTIA = 0.7298  # ω
PULL = 1.49618  # c₁ and c₂
DRAWN = 128
ANYWHERE, NEAR = 0.25, 0.25  # shares of the moves
CHOICE_FLOOR = 0.1  # ε
LEAST_REACH, MOST_REACH = 10**-2.5, 10**-0.3  # deviation of a disturbance


@dataclass(frozen=True)
class State:
    """Where a particle is and where it is heading."""

    position: Floats
    """(A,) in [0, 1]."""
    velocity: Floats
    """(A,)."""
    preferences: Floats
    """(K_1 + … + K_B,) probabilities of each choice's values, one choice after the other."""


@dataclass(frozen=True)
class Moves:
    """Where the moves lead, and the state that each leaves the particle in."""

    points: Points
    """Rounded."""
    positions: Floats
    velocities: Floats
    preferences: Floats

    def __getitem__(self, rows: Ints) -> Moves:
        return Moves(self.points[rows], self.positions[rows], self.velocities[rows], self.preferences[rows])

    def state(self, row: int) -> State:
        """After the move in this row, to 6 decimals: what is kept as text is then what it was."""
        return State(*(np.round(part[row], 6) for part in (self.positions, self.velocities, self.preferences)))


def at_rest(encoding: Encoding, position: Floats) -> State:
    """A particle that has just been placed: no velocity, no preference."""
    return State(position, np.zeros(len(position)), np.repeat(1.0 / encoding.sizes, encoding.sizes))


def anywhere(encoding: Encoding, rng: Generator, count: int = DRAWN) -> Moves:
    """Moves to points drawn evenly from the space."""
    numbers, choices = encoding.width
    positions = rng.random((count, numbers))
    picks = (rng.random((count, choices)) * encoding.sizes).astype(np.int64)
    rest = at_rest(encoding, np.zeros(numbers))
    return Moves(
        Points(encoding.rounded(positions), picks),
        positions,
        np.zeros_like(positions),
        np.tile(rest.preferences, (count, 1)),
    )


def draw(encoding: Encoding, rng: Generator, state: State, own: Points, informants: Points) -> Moves:
    """Possible moves of one particle.

    Args:
        state: before the move.
        own: its best point, one row.
        informants: (M,) one for each move.
    """
    far, near = int(ANYWHERE * len(informants)), int(NEAR * len(informants))
    near_rows = slice(far, far + near)
    positions = _new_positions(rng, state, own, informants, near_rows)
    velocities = positions - state.position
    positions = reflected(positions)
    preferences, picks = _new_picks(encoding, rng, state, own, informants, near_rows)
    positions[:far], velocities[:far] = rng.random((far, positions.shape[1])), 0.0
    preferences[:far] = np.repeat(1.0 / encoding.sizes, encoding.sizes)
    picks[:far] = rng.random((far, picks.shape[1])) * encoding.sizes
    return Moves(Points(encoding.rounded(positions), picks), positions, velocities, preferences)


def reflected(x: Floats) -> Floats:
    """Coordinates outside [0, 1], mirrored at the bounds until they lie inside."""
    folded = np.abs(x) % 2.0
    inside: Floats = np.where(folded > 1.0, 2.0 - folded, folded)
    return inside


def _new_positions(rng: Generator, state: State, own: Points, informants: Points, near: slice) -> Floats:
    count, width = informants.numbers.shape
    x = state.position
    inertia = INERTIA * 2.0 * rng.random((count, 1))
    to_own, to_informant = own.numbers - x, informants.numbers - x
    moved: Floats = (
        x
        + inertia * state.velocity
        + PULL * rng.random((count, width)) * to_own
        + PULL * rng.random((count, width)) * to_informant
    )
    moved[near] = informants.numbers[near]
    reach = np.exp(rng.uniform(np.log(LEAST_REACH), np.log(MOST_REACH), (count, 1)))
    return moved + _some(rng, informants, width) * reach * rng.standard_normal((count, width))


def _some(rng: Generator, informants: Points, width: int) -> Flags:
    """(count, width) which coordinates are disturbed: one or two of each move on average, at most half of them."""
    dimensions = informants.numbers.shape[1] + informants.picks.shape[1]
    chosen: Flags = rng.random((len(informants), width)) < min(0.5, 1.5 / dimensions)
    return chosen


def _new_picks(
    encoding: Encoding, rng: Generator, state: State, own: Points, informants: Points, near: slice
) -> tuple[Floats, Ints]:
    """(M, K_1 + … + K_B) preferences and (M, B) the values that were drawn from them, all choices at once."""
    sizes, first, shape = encoding.sizes, encoding.first[:-1], informants.picks.shape
    if not len(sizes):
        return np.empty((shape[0], 0)), np.empty(shape, dtype=np.int64)
    choice_of = np.repeat(np.arange(len(sizes)), sizes)
    q = np.tile(INERTIA * state.preferences + CHOICE_FLOOR / sizes[choice_of], (shape[0], 1))
    q[:, first + own.picks[0]] += PULL * rng.random(shape)
    q[np.arange(shape[0])[:, None], first + informants.picks] += PULL * rng.random(shape)
    sums = q.cumsum(1)
    ends = sums[:, encoding.first[1:] - 1]
    starts = np.concatenate([np.zeros((shape[0], 1)), ends[:, :-1]], 1)
    thresholds = starts + rng.random(shape) * (ends - starts)
    picks = np.minimum(np.add.reduceat(sums < thresholds[:, choice_of], first, axis=1, dtype=np.int64), sizes - 1)
    changed = (rng.random(shape) * sizes).astype(np.int64)
    nearby = np.where(_some(rng, informants, shape[1]), changed, informants.picks)
    picks[near] = nearby[near]
    return q / (ends - starts)[:, choice_of], picks
