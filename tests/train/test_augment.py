"""What holds for every augmented batch, whatever is drawn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.core.errors import ConfigError
from eyas.core.schema import AugmentConfig
from eyas.train.augment import Augment, check_augment
from eyas.train.augment.draws import fair_coin

SHAPES = st.tuples(st.integers(2, 9), st.integers(2, 9), st.sampled_from([1, 3]))
SEEDS = st.integers(0, 2**40)


@st.composite
def configs(draw, shape):
    side = min(shape[:2])
    return AugmentConfig(
        flip=draw(st.sampled_from(["none", "random", "alternating"])),
        policy=draw(st.sampled_from(["none", "randaugment", "trivialaugment"])),
        policy_ops=draw(st.integers(1, 3)),
        policy_magnitude=draw(st.integers(0, 30)),
        color_jitter=draw(st.sampled_from([0.0, 0.4, 0.99])),
        crop=draw(st.integers(0, side - 1)),
        cutout=draw(st.integers(0, side)),
        mixup=draw(st.sampled_from([0.0, 0.2, 1.0])),
        cutmix=draw(st.sampled_from([0.0, 0.2, 1.0])),
    )


def batch(n, shape, seed=0):
    """Images of pixels that differ, labels that differ, rows that differ."""
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.integers(0, 256, (n, *shape), dtype=np.uint8))
    return images, torch.arange(n), rng.permutation(10 * n)[:n]


def run(config, images, labels, rows, epoch=0, step=0, seed=0, rank=0):
    return Augment(config, tuple(images.shape[1:]), seed, epochs=None)(images, labels, rows, epoch, step, rank)


def same(a, b):
    pairs = ((a.images, b.images), (a.labels, b.labels), (a.partners, b.partners), (a.share, b.share))
    return all((x is None and y is None) or torch.equal(x, y) for x, y in pairs)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), shape=SHAPES, n=st.integers(1, 17), seed=SEEDS, epoch=st.integers(0, 9), step=st.integers(0, 99))
def test_every_configuration_keeps_the_contract(data, shape, n, seed, epoch, step):
    config = data.draw(configs(shape))
    check_augment(config, shape)
    images, labels, rows = batch(n, shape)
    before, state = images.clone(), torch.get_rng_state()
    out = run(config, images, labels, rows, epoch, step, seed)
    assert out.images.shape == images.shape
    assert out.images.dtype == torch.uint8
    assert torch.equal(out.labels, labels)
    assert (out.partners is None) == (out.share is None) == (not (config.mixup or config.cutmix))
    if out.share is not None:
        assert out.partners.dtype == torch.int64
        assert out.share.dtype == torch.float32
        assert ((out.share >= 0) & (out.share <= 1)).all()
        assert sorted(out.partners.tolist()) == list(range(n))  # labels differ: each is somebody's partner once
        assert n == 1 or (out.partners != labels).all()
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert same(out, run(config, images, labels, rows, epoch, step, seed))


def test_the_identity_gives_the_tensors_back():
    images, labels, rows = batch(4, (8, 8, 3))
    assert Augment(AugmentConfig(), (8, 8, 3), 0, epochs=None).is_identity
    out = run(AugmentConfig(policy_ops=3, policy_magnitude=0), images, labels, rows)
    assert out.images is images
    assert out.labels is labels
    assert out.partners is None


@pytest.mark.parametrize(
    "key",
    [
        {"flip": "random"},
        {"crop": 3},
        {"cutout": 4},
        {"mixup": 0.4},
        {"cutmix": 1.0},
        {"policy": "randaugment"},
        {"policy": "trivialaugment"},
        {"color_jitter": 0.3},
    ],
)
@pytest.mark.parametrize("other", [{"seed": 1}, {"epoch": 1}, {"step": 1}, {"rank": 1}])
def test_seed_epoch_step_and_rank_each_change_the_draws(key, other):
    images, labels, rows = batch(16, (8, 8, 3))
    config = AugmentConfig(**key)
    assert not Augment(config, (8, 8, 3), 0, epochs=None).is_identity
    assert not same(run(config, images, labels, rows), run(config, images, labels, rows, **other))


@pytest.mark.parametrize(
    "strong",
    [{"policy": "trivialaugment"}, {"color_jitter": 0.9}, {"cutout": 8}, {"mixup": 1.0}, {"cutmix": 1.0}],
)
def test_the_last_epochs_are_only_flipped_and_cropped(strong):
    images, labels, rows = batch(16, (8, 8, 3))
    config = AugmentConfig(flip="alternating", crop=2, strong_until=0.28, **strong)
    augment = Augment(config, (8, 8, 3), 0, epochs=25)
    always, mild = (Augment(each, (8, 8, 3), 0, epochs=None) for each in (config, config.mild))
    for epoch in range(25):
        out, *others = (each(images, labels, rows, epoch, 3) for each in (augment, always, mild))
        assert [same(out, each) for each in others] == [epoch < 7, epoch >= 7]


@given(shape=SHAPES, n=st.integers(1, 40), seed=SEEDS)
def test_alternating_flip_shows_both_sides_in_two_epochs(shape, n, seed):
    images, labels, rows = batch(n, shape)
    config = AugmentConfig(flip="alternating")
    first, second, third = (run(config, images, labels, rows, epoch, epoch, seed).images for epoch in range(3))
    turned = torch.from_numpy(fair_coin(rows, seed))[:, None, None, None]
    assert torch.equal(first, torch.where(turned, images.flip(2), images))
    assert torch.equal(second, torch.where(turned, images, images.flip(2)))
    assert torch.equal(third, first)


@given(n=st.integers(1, 1000), seed=SEEDS)
def test_alternating_flip_turns_exactly_half(n, seed):
    assert abs(2 * fair_coin(np.arange(n), seed).sum() - n) <= 1


def test_which_half_is_turned_looks_random():
    heads = np.stack([fair_coin(np.arange(4000), seed) for seed in range(50)])
    assert np.abs(heads.mean(0) - 0.5).max() < 0.35  # five standard deviations of 50 coins
    even = heads[:, ::2] * 2.0 - 1
    assert abs((even[:, 1:] * even[:, :-1]).mean()) < 0.02  # neighbouring pairs
    assert abs((even[1:] * even[:-1]).mean()) < 0.02  # neighbouring seeds


def test_random_flip_turns_half_of_many():
    images, labels, rows = batch(4000, (1, 2, 1))
    images[:] = torch.tensor([0, 255], dtype=torch.uint8)[None, None, :, None]
    out = run(AugmentConfig(flip="random"), images, labels, rows).images
    assert abs((out[:, 0, 0, 0] == 255).float().mean() - 0.5) < 0.04


@settings(deadline=None)
@given(data=st.data(), shape=SHAPES, n=st.integers(1, 9), seed=SEEDS)
def test_a_crop_is_a_window_of_the_padded_image(data, shape, n, seed):
    height, width, _ = shape
    pad = data.draw(st.integers(1, min(shape[:2]) - 1))
    images, labels, rows = batch(n, shape)
    out = run(AugmentConfig(crop=pad, flip="alternating"), images, labels, rows, seed=seed).images.numpy()
    turned = fair_coin(rows, seed)
    for image, flip, found in zip(images.numpy(), turned, out, strict=True):
        upright = image[:, ::-1] if flip else image
        padded = np.pad(upright, ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(0, 1))
        windows = windows.transpose(0, 1, 3, 4, 2).reshape(-1, *shape)
        assert (windows == found).all((1, 2, 3)).any()


def test_crop_offsets_cover_all_places_evenly():
    side, pad, n = 9, 3, 49 * 100
    images = torch.arange(side * side, dtype=torch.uint8).view(1, side, side, 1).expand(n, -1, -1, -1).contiguous()
    out = run(AugmentConfig(crop=pad), images, torch.arange(n), np.arange(n)).images
    middles, counts = out[:, side // 2, side // 2, 0].unique(return_counts=True)
    assert len(middles) == (2 * pad + 1) ** 2
    assert counts.min() > 50
    assert counts.max() < 160


@given(data=st.data(), shape=SHAPES, n=st.integers(1, 20), seed=SEEDS)
def test_cutout_greys_one_square_cut_off_at_the_edge(data, shape, n, seed):
    height, width, _ = shape
    side = data.draw(st.integers(1, min(height, width)))
    images, labels, rows = batch(n, shape)
    images = images // 2  # no pixel is 128 yet
    out = run(AugmentConfig(cutout=side), images, labels, rows, seed=seed).images
    grey = (out == 128).all(-1)
    assert torch.equal(torch.where(grey[..., None], images, out), images)
    for mask in grey:
        down, right = mask.any(1).nonzero().view(-1), mask.any(0).nonzero().view(-1)
        assert mask.sum() == len(down) * len(right)
        for index, size in ((down, height), (right, width)):
            assert index[-1] - index[0] + 1 == len(index)
            whole = len(index) == side
            assert whole or (index[0] == 0 or index[-1] == size - 1)
            assert side // 2 <= len(index) <= side


def test_cutout_is_centred_on_every_pixel_alike():
    n, side = 6400, 8
    images = torch.zeros(n, side, side, 1, dtype=torch.uint8)
    out = run(AugmentConfig(cutout=1), images, torch.arange(n), np.arange(n)).images
    hits = (out == 128).sum((0, 3))
    assert hits.sum() == n
    assert hits.min() > 50
    assert hits.max() < 160


@settings(deadline=None)
@given(shape=SHAPES, n=st.integers(2, 20), seed=SEEDS, alpha=st.sampled_from([0.1, 1.0, 5.0]))
def test_cutmix_labels_by_the_true_share_of_pixels(shape, n, seed, alpha):
    images = torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, *shape).contiguous()
    out = run(AugmentConfig(cutmix=alpha), images, torch.arange(n), np.arange(n), seed=seed)
    own = (out.images == out.labels.view(-1, 1, 1, 1)).all(-1)
    other = (out.images == out.partners.view(-1, 1, 1, 1)).all(-1)
    assert (own ^ other).all()
    assert torch.equal(own.float().mean((1, 2)), out.share)
    for mask in other:
        assert mask.sum() == mask.any(0).sum() * mask.any(1).sum()  # one rectangle


@settings(deadline=None)
@given(shape=SHAPES, n=st.integers(2, 20), seed=SEEDS, alpha=st.sampled_from([0.1, 1.0, 5.0]))
def test_mixup_is_the_rounded_mean_by_share(shape, n, seed, alpha):
    images, labels, rows = batch(n, shape)
    out = run(AugmentConfig(mixup=alpha), images, labels, rows, seed=seed)
    share = out.share.double()[:, None, None, None]
    exact = share * images + (1 - share) * images[out.partners]
    assert (out.images - exact).abs().max() <= 0.5


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_follow_the_beta_distribution(alpha):
    n = 20000
    images = torch.zeros(n, 1, 1, 1, dtype=torch.uint8)
    share = run(AugmentConfig(mixup=alpha), images, torch.arange(n), np.arange(n)).share
    assert abs(share.mean() - 0.5) < 0.015
    assert abs(share.var() * 4 * (2 * alpha + 1) - 1) < 0.05  # Var = 1 / (4 (2α + 1))


def test_with_both_each_batch_takes_one():
    images, labels, rows = batch(2, (16, 16, 1))
    images[0], images[1] = 0, 255
    config = AugmentConfig(mixup=1.0, cutmix=1.0)
    blended = [
        bool(((out.images != 0) & (out.images != 255)).any())
        for out in (run(config, images, labels, rows, step=step) for step in range(400))
    ]
    assert 0.4 < np.mean(blended) < 0.6


def test_channels_last_images_and_a_view_do():
    images, labels, rows = batch(8, (6, 5, 3))
    strided = images.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    config = AugmentConfig(flip="random", crop=2, cutout=2, policy="randaugment", cutmix=1.0)
    assert same(run(config, strided, labels, rows), run(config, images, labels, rows))


@pytest.mark.parametrize(
    ("config", "shape", "message"),
    [
        ({"crop": 9}, (8, 8, 1), "augment.crop must be below the image's smaller side 8, got 9"),
        ({"crop": 8}, (32, 8, 3), "augment.crop must be below the image's smaller side 8, got 8"),
        ({"cutout": 9}, (8, 9, 1), "augment.cutout must be at most the image's smaller side 8, got 9"),
        ({"flip": "random"}, (8, 1, 1), "augment.flip must be none for images that are 1 pixel wide, got random"),
        ({"cutmix": 1.0}, (1, 1, 1), "augment.cutmix must be 0 for images of 1 pixel, got 1"),
        ({"mixup": float("inf")}, (8, 8, 1), "augment.mixup must be a finite number, got inf"),
    ],
)
def test_what_cannot_fit_is_refused(config, shape, message):
    with pytest.raises(ConfigError) as caught:
        check_augment(AugmentConfig(**config), shape)
    assert str(caught.value) == message


def test_the_largest_that_fits_is_accepted():
    check_augment(AugmentConfig(crop=7, cutout=8, flip="alternating", mixup=0.2, cutmix=1.0), (8, 9, 3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("config", [{"flip": "random", "crop": 4, "cutout": 8, "mixup": 0.2, "cutmix": 1.0}])
def test_cuda_gives_the_same_pixels_and_never_waits(config):
    images, labels, rows = batch(64, (32, 32, 3))
    there = images.cuda(), labels.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        out = [run(AugmentConfig(**config), *there, rows, step=step) for step in range(4)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for step, found in enumerate(out):
        expected = run(AugmentConfig(**config), images, labels, rows, step=step)
        assert torch.equal(found.images.cpu(), expected.images)
        assert torch.equal(found.share.cpu(), expected.share)
