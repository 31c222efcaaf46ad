"""What pairing means: a seed gives all arms the same first weights and the same order of images."""

import numpy as np
import torch

from eyas.compare.making import plan_comparison
from eyas.core.schema import MLPConfig
from eyas.data import open_dataset
from eyas.nn import build_network
from eyas.train.loop import batches


def first_weights(config, seed):
    torch.manual_seed(seed)
    network = build_network(config, (8, 8, 1), 10, [0.0], [1.0])
    kernels = [p for p in network.parameters() if p.ndim == 2]
    return [kernel.detach().clone() for kernel in kernels]


def test_arms_begin_with_the_same_weights():
    plan = plan_comparison("all", {"data.source": "digits"})
    models = [t.config.model for t in plan.trainings() if t.config.model.hidden]
    assert {(m.batch_norm, m.input_dropout > 0, m.l2 > 0) for m in models} >= {
        (True, False, False),
        (False, True, True),
    }
    reference = first_weights(MLPConfig(), 1)
    for model in models:
        for one, other in zip(first_weights(model, 1), reference, strict=True):
            assert torch.equal(one, other)
    assert not torch.equal(first_weights(MLPConfig(), 2)[0], reference[0])


def test_arms_see_the_images_in_the_same_order():
    plan = plan_comparison("all", {"data.source": "digits"})
    orders = {tuple(np.concatenate(batches(1000, t.config.train.batch_size, 1, 0))) for t in plan.trainings()}
    assert len(orders) == 1


def test_arms_are_judged_on_the_same_images(digits):
    plan = plan_comparison("all", {"data.source": "digits"})
    for training in plan.trainings():
        data = training.for_seed(2, "runs").data
        assert open_dataset(data).fingerprint == open_dataset(plan.base().data).fingerprint


def test_shares_are_nested_stratified_and_leave_the_other_splits_alone(digits):
    def opened(share, seed):
        return open_dataset(plan_comparison("all", {
            "data.source": "digits", "data.train_fraction": share, "data.train_fraction_seed": seed,
        }).base().data)  # fmt: skip

    small, large, other = opened(0.1, 0), opened(0.5, 0), opened(0.1, 1)
    assert set(small.train.rows) < set(large.train.rows) < set(digits.train.rows)
    assert set(small.train.rows) != set(other.train.rows)
    for found in (small, large, other):
        assert (found.val.rows == digits.val.rows).all()
        assert (found.test.rows == digits.test.rows).all()
    counts = np.bincount(digits.train.labels)
    assert (np.bincount(small.train.labels) == np.round(0.1 * counts)).all()
    assert small.fingerprint != large.fingerprint
    tiny = opened(1e-6, 0)
    assert (np.bincount(tiny.train.labels) == 1).all()
