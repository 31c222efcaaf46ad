"""A cheap model of what points are worth: a Gaussian process on some of them.

Kernel, over features scaled by one length ℓ_d a dimension, r² = 5 Σ_f (x_f - x'_f)² / ℓ_d(f)²:

    k(x, x') = (1 + r + r²/3) exp(-r)      (Matérn 5/2; Rasmussen & Williams 2006, eq. 4.17)

The signal's variance is profiled out of the marginal likelihood; lengths and noise maximise it times log-normal priors,
by Rprop (Riedmiller & Braun 1993) on its gradient. Values are warped first: only the lower half of them matters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eyas.tune.swarm.encoding import Floats, Ints

# Priors of log ℓ and of log noise variance (as a share of the signal's), and the bounds of both.
LENGTH_PRIOR = (-0.35, 1.0)
NOISE_PRIOR = (-5.0, 2.0)
LENGTH_BOUNDS = (np.log(0.03), np.log(30.0))
NOISE_BOUNDS = (np.log(1e-6), 0.0)
RPROP_STEPS = 25
WARP = 3.0
BELIEF = 1e-6  # noise of a value that is only believed


@dataclass(frozen=True)
class Model:
    """A process that has seen some points. Its values are warped ones: mean 0, deviation 1 over those points."""

    features: Floats
    """(n, F) divided by the lengths."""
    scale: Floats
    """(F,) 1 / ℓ."""
    covariance: Floats
    """(n, n) as a share of the signal's variance, the noise with it."""
    z: Floats
    """(n,) warped values."""
    seen: int
    """How many of the points have a value of their own."""

    def predict(self, features: Floats) -> tuple[Floats, Floats]:
        """(M,) mean and (M,) standard deviation at (M, F) features."""
        near = _kernel(features * self.scale, self.features)
        solved = np.linalg.solve(self.covariance, np.concatenate([self.z[:, None], near.T], 1))
        weights, spread = solved[:, 0], solved[:, 1:]
        variance = max(float(self.z @ weights) / self.seen, 1e-12)
        left = 1.0 - (near.T * spread).sum(0)
        return near @ weights, np.sqrt(variance * np.maximum(left, 1e-12))

    def believing(self, features: Floats) -> Model:
        """As if its mean had been seen at (m, F) more points (the kriging believer, Ginsbourger et al. 2010).

        Points that are still being tried are thus not tried again. The mean stays as it is.
        """
        extra = features * self.scale
        cross, own = _kernel(extra, self.features), _kernel(extra, extra)
        own[np.diag_indices_from(own)] += BELIEF
        mean = cross @ np.linalg.solve(self.covariance, self.z)
        return Model(
            np.concatenate([self.features, extra]),
            self.scale,
            np.block([[self.covariance, cross.T], [cross, own]]),
            np.concatenate([self.z, mean]),
            self.seen,
        )


def warped(values: Floats) -> Floats:
    """(n,) log(1 + 3 (y - min) / (median - min)), then mean 0 and deviation 1: differences far above the median, which
    tell nothing of the best, shrink."""
    low = values.min()
    spread = np.partition(values, len(values) // 2)[len(values) // 2] - low
    spread = spread if spread > 0 else (values.mean() - low or 1.0)
    z = np.log1p(WARP * (values - low) / spread)
    standard: Floats = (z - z.mean()) / (z.std() or 1.0)
    return standard


def chosen_rows(values: Floats, most: int) -> Ints:
    """At most `most` rows: half of the room goes to the best, the rest spreads over the others' ranks."""
    order = np.argsort(values, kind="stable")
    if len(order) <= most:
        return order
    best = most // 2
    others = np.linspace(best, len(order) - 1, most - best).astype(np.int64)
    return np.concatenate([order[:best], order[others]])


def fitted(features: Floats, z: Floats, groups: Ints) -> Floats:
    """(G + 1,) log lengths and log noise that maximise the posterior of (n,) warped values at (n, F) features."""
    count = int(groups.max()) + 1
    theta = np.append(np.full(count, LENGTH_PRIOR[0]), NOISE_PRIOR[0])
    low = np.append(np.full(count, LENGTH_BOUNDS[0]), NOISE_BOUNDS[0])
    high = np.append(np.full(count, LENGTH_BOUNDS[1]), NOISE_BOUNDS[1])
    step, before, best = np.full(len(theta), 0.3), np.zeros(len(theta)), (-np.inf, theta)
    for _ in range(RPROP_STEPS):
        height, gradient = posterior(theta, features, z, groups)
        if height > best[0]:
            best = (height, theta)
        sign = np.sign(gradient)
        step = np.where(sign * before > 0, np.minimum(1.2 * step, 1.0), np.where(sign * before < 0, 0.5 * step, step))
        sign = np.where(sign * before < 0, 0.0, sign)
        theta, before = np.clip(theta + sign * step, low, high), sign
    return best[1]


def condition(theta: Floats, features: Floats, z: Floats, groups: Ints) -> Model:
    """The process with these lengths and this noise, given (n,) warped values at (n, F) features."""
    scale = np.exp(-theta[groups])
    scaled = features * scale
    covariance = _kernel(scaled, scaled)
    covariance[np.diag_indices_from(covariance)] += np.exp(theta[-1])
    return Model(scaled, scale, covariance, z, len(z))


def posterior(theta: Floats, features: Floats, z: Floats, groups: Ints) -> tuple[float, Floats]:
    """The log posterior density of theta up to a constant, and its gradient (Rasmussen & Williams 2006, eq. 5.9)."""
    n, scale = len(z), np.exp(-theta[groups])
    scaled = features * scale
    r = _distance(scaled, scaled)
    slope = 5.0 / 3.0 * (1.0 + r) * np.exp(-r)
    kernel = _kernel(scaled, scaled)
    kernel[np.diag_indices_from(kernel)] += np.exp(theta[-1])
    sign, log_determinant = np.linalg.slogdet(kernel)
    inverse = np.linalg.inv(kernel)
    alpha = inverse @ z
    variance = max(float(z @ alpha) / n, 1e-12)
    if sign <= 0:
        return -np.inf, np.zeros(len(theta))
    pull = np.outer(alpha, alpha) / variance - inverse
    # ∂k/∂log ℓ_d = slope Σ_{f in d} (z_f - z'_f)²; the sum over all pairs is expanded into products of matrices.
    weighted = pull * slope
    by_feature = weighted.sum(1) @ scaled**2 - (scaled * (weighted @ scaled)).sum(0)
    gradient = np.zeros(len(theta))
    np.add.at(gradient, groups, by_feature)
    gradient[-1] = 0.5 * np.trace(pull) * np.exp(theta[-1])
    height = -0.5 * (n * np.log(variance) + log_determinant)
    centre = np.append(np.full(len(theta) - 1, LENGTH_PRIOR[0]), NOISE_PRIOR[0])
    spread = np.append(np.full(len(theta) - 1, LENGTH_PRIOR[1]), NOISE_PRIOR[1])
    off = (theta - centre) / spread
    return height - 0.5 * float(off @ off), gradient - off / spread


def _kernel(a: Floats, b: Floats) -> Floats:
    """(m, n) k between (m, F) and (n, F) scaled features."""
    r = _distance(a, b)
    k = r / 3.0  # in place: this is where the time of an ask goes
    k += 1.0
    k *= r
    k += 1.0
    k *= np.exp(np.negative(r, out=r), out=r)
    return k


def _distance(a: Floats, b: Floats) -> Floats:
    """(m, n) r."""
    r: Floats = (a * a).sum(1)[:, None] + (b * b).sum(1)
    r -= 2.0 * (a @ b.T)
    np.maximum(r, 0.0, out=r)
    r *= 5.0
    return np.sqrt(r, out=r)
