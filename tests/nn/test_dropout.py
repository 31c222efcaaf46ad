"""The mask: its rate, its scale, its gradient, and that it repeats under a seed."""

import pytest
import torch

from eyas.nn.dropout import Dropout

N = 1_000_003  # odd, so that the last draw is used in part


@pytest.mark.parametrize("p", [0.0, 0.1, 0.2, 0.25, 0.5, 0.9, 0.999])
def test_the_rate_is_p_and_the_mean_is_kept(p):
    torch.manual_seed(0)
    y = Dropout(p)(torch.ones(N))
    zeros = (y == 0).float().mean().item()
    spread = (p * (1 - p) / N) ** 0.5
    assert abs(zeros - p) <= 5 * spread + 8e-6
    kept = y[y != 0]
    assert (kept == kept[0]).all()
    assert kept[0].item() == pytest.approx(1 / (1 - p), rel=0.01)
    assert y.mean().item() == pytest.approx(1, abs=5 * (p / (1 - p) / N) ** 0.5 + 1e-4)


def test_masks_of_one_draw_are_independent():
    torch.manual_seed(0)
    masks = (Dropout(0.5)(torch.ones(400_000)) != 0).float().view(-1, 4)
    correlation = torch.corrcoef(masks.T)
    assert (correlation - torch.eye(4)).abs().max() < 0.02


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_goes_through_the_same_mask(dtype, memory_format):
    x = torch.ones(3, 4, 5, 7, dtype=dtype).to(memory_format=memory_format).requires_grad_()
    y = Dropout(0.5)(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == dtype
    assert y.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(x.grad, y.detach())


def test_a_strided_view_is_masked_element_by_element():
    x = torch.ones(64, 64)[::2, ::2]
    y = Dropout(0.5)(x)
    assert y.shape == x.shape
    assert 0.3 < (y == 0).float().mean() < 0.7


def test_a_seed_repeats_the_mask():
    layer, x = Dropout(0.5), torch.ones(100)
    torch.manual_seed(3)
    first = layer(x)
    torch.manual_seed(3)
    torch.testing.assert_close(layer(x), first)
    assert not torch.equal(layer(x), first)


def test_in_evaluation_it_is_the_identity():
    x = torch.randn(10)
    assert Dropout(0.5).eval()(x) is x
