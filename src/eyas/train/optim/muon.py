"""Muon: momentum whose update is made orthogonal, for convolution kernels."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from eyas.train.optim.optimizers import Rule

# The quintic of Jordan et al. 2024: it lifts small singular values fast and leaves all of them near 1.
QUINTIC = (3.4445, -4.7750, 2.0315)
EPSILON = 1e-7


class Muon(Rule):
    """v ← μ v + g; u = orthogonal(g + μ v); w ← w √rows / ‖w‖ - η u.

    Each kernel is taken as a matrix of (filters, inputs · height · width). Rescaling w keeps its norm where batch norm
    would ignore it anyway, so that η alone says how far a step turns it.

    Args:
        weights: kernels of 2 dimensions or more, each followed by batch norm.
        iterations: of Newton-Schulz.
        dtype: of the products of large matrices; bfloat16 where training is.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".
    """

    def __init__(
        self,
        weights: Iterable[nn.Parameter],
        rate: float,
        momentum: float,
        iterations: int,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(weights, rate, ("velocity",))
        self.momentum, self.iterations, self.dtype = momentum, iterations, dtype

    def move(self, weights: list[Tensor], gradients: list[Tensor], steps: list[Tensor], **kept: list[Tensor]) -> None:
        """The momentum over all kernels at once, the rest kernel by kernel."""
        torch._foreach_mul_(kept["velocity"], self.momentum)
        torch._foreach_add_(kept["velocity"], gradients)
        ahead = torch._foreach_add(gradients, kept["velocity"], alpha=self.momentum)
        torch._foreach_mul_(weights, [len(w) ** 0.5 / (w.norm() + EPSILON) for w in weights])
        for weight, update in zip(weights, ahead, strict=True):
            turned = orthogonal(update.flatten(1), self.iterations, self.dtype)
            weight.add_(turned.view_as(weight), alpha=-self.rate)


def orthogonal(matrix: Tensor, iterations: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Nearly U Vᵀ of the singular value decomposition U S Vᵀ, by Newton-Schulz: X ← (a + b A + c A²) X, A = X Xᵀ.

    Every iterate is P X₀ with P a polynomial of the one small matrix A₀ = X₀ X₀ᵀ, so all but the first and the last
    product are of (m, m) matrices: P ← Q P and A ← Q A Q with Q = a + b A + c A².

    Args:
        matrix: (m, n) float32.
        iterations: at least 1.
        dtype: of the two products with X₀.

    Returns:
        (m, n): the same singular vectors, singular values within about 0.3 of 1 after 5 iterations.
    """
    a, b, c = QUINTIC
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = (wide / (wide.norm() + EPSILON)).to(dtype)
    gram = (wide @ wide.T).float()
    product = quintic = torch.eye(len(gram), device=gram.device)
    for iteration in range(iterations):
        if iteration:
            gram = quintic @ gram @ quintic
        quintic = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        quintic.diagonal().add_(a)
        product = quintic @ product if iteration else quintic
    near: Tensor = product.to(dtype) @ wide
    return near.T if matrix.shape[0] > matrix.shape[1] else near
