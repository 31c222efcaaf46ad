"""Every method on the same images: how often its map is reliable, and how long it takes.

    make bench-explain                                    3 networks, 8 methods, 30 images: 2 minutes on an idle core
    make bench-explain BENCH="--images 12 --networks resnet-32"

Built-in digits, networks trained here in seconds; the first test images, one thread, 5 s for each map as by default.
Each map is measured against 19 of the same values in random places: of maps that mean nothing 1 in 20 is reliable.
`seconds` are the median of an explanation, its measure included; `asked` are images and gradients.

Seen on 2 cores (AMD EPYC) that other work shared: reliable of 30 images, the methods of resnet-32 in two calls; and its
seconds by the second command:

                            mlp-8    cnn-8    resnet-32    seconds
    cam                         -        -           16       0.18
    occlusion                  30       30           23       0.27
    rise                       30       30           21       0.97
    lime                       30       30           24       0.58
    shap                       30       30           16       0.76
    integrated-gradients       30       30            1       0.22
    grad-cam                    -        6           16       0.21
    gradient-shap              30       30            0       0.77
"""

from __future__ import annotations

import argparse
import statistics
import tempfile

import torch

from eyas.attribution import METHODS, NetworkPredictor, explain
from eyas.core.config import load_config
from eyas.core.console import out, table
from eyas.core.errors import InputError
from eyas.data import open_dataset
from eyas.explain import Explanation
from eyas.explain.asking import Pixels
from eyas.train import start_run

SMALL = ("train.epochs=10", "train.batch_size=32")
NETWORKS = {
    "mlp-8": ("model=mlp", "model.hidden=[64]", *SMALL),
    "cnn-8": ("model=cnn", "model.filters=[16, 32]", "model.dense=[]", *SMALL),
    # the one of docs/howto/explaining.md
    "resnet-32": (
        "data.image_size=32",
        "model=resnet",
        "model.widths=[16, 32]",
        "train.epochs=6",
        "train.batch_size=32",
    ),
}
COLUMNS = ("method", "reliable", "gain", "random", "asked", "seconds")


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    for name in options.networks:
        with tempfile.TemporaryDirectory() as folder:
            network, images = trained(name, folder, options.images)
            rows = [(method, *compared(network, method, images)) for method in options.methods]
        out.print(table(f"{name}, {len(images)} test images", COLUMNS, rows))


def trained(name: str, folder: str, images: int) -> tuple[NetworkPredictor, Pixels]:
    """A network, and the first (N, H, W, C) uint8 images of the test split."""
    config = load_config(None, ["data.source=digits", f"runs_dir={folder}", *NETWORKS[name]])
    dataset = open_dataset(config.data)
    network = NetworkPredictor.of(start_run(config, dataset).run)
    _ = network.background_logits  # before the clock, as the first image of `eyas explain` would
    return network, dataset.test.take(slice(images))


def compared(network: NetworkPredictor, method: str, images: Pixels) -> tuple[str, ...]:
    """The cells of a method: reliable, gain, random, asked and seconds."""
    try:
        found = [explain(network, image, method) for image in images]
    except InputError:  # no convolutions, or no average of maps
        return ("", "", "", "", "")
    reliable = sum(one.reliability.is_reliable is True for one in found)
    return (
        f"{reliable}/{len(found)}",
        f"{statistics.mean(map(_gain, found)):+.3f}",
        f"{statistics.mean(one.reliability.random for one in found):+.3f}",
        f"{statistics.median(one.asked for one in found):.0f}",
        f"{statistics.median(one.seconds for one in found):.2f}",
    )


def _gain(found: Explanation) -> float:
    return found.reliability.insertion - found.reliability.deletion


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=30)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
