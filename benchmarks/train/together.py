"""Small models trained as one program against each in a run of its own, on the same cores.

    make bench-together                                   all networks and sizes, 3 rounds: 15 minutes on 2 idle cores
    make bench-together BENCH="--rounds 3 --networks mlp-32 --models 16"

Built-in digits, batch 128, adam, dropout, 6 epochs. In turn:

alone              as many processes as cores, each with one thread, train one run after the other
programs of B      as many processes as cores, each with one thread, train B models each as one program
one program of B   one process with all cores trains B models

`steps/s` are steps of single models a second, of all processes: in the loop, and over the whole fit with its
validation and its files, which no side saves. The ratio is to `alone` of the same round.

Seen on 2 cores (AMD EPYC, AVX2) that other work shared, B = 8, 2 rounds of 8 epochs, ratios to `alone`:

                 alone, steps/s    programs of 8, loop and fit    one program of 8, loop and fit
    mlp-32                  469             3.5           1.2                3.4            1.0
    mlp-128                 410             2.8           1.6                2.2            1.2
    mlp-512                 397             1.0           0.8                0.9            0.7
    cnn-8-16                 98             2.9           2.0                2.2            1.5

mlp-32 over 3 rounds in the loop: programs of 4 3.0, of 8 4.3, of 16 5.5. The built-in digits have 12 steps an epoch, so
that most of a fit together goes into its checkpoints, three files a model and epoch; more images change that share.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from time import perf_counter

from eyas.core.config import load_config
from eyas.core.console import out, table
from eyas.core.machine import usable_cores
from eyas.data import open_dataset
from eyas.train import Callback, start_run
from eyas.train.together import train_together

NETWORKS = {
    "mlp-32": ("model=mlp", "model.hidden=[32]"),
    "mlp-128": ("model=mlp", "model.hidden=[128]"),
    "mlp-512": ("model=mlp", "model.hidden=[512]"),
    "cnn-8-16": ("model=cnn", "model.filters=[8, 16]", "model.dense=[32]"),
}
SETTINGS = ("data.source=digits", "train.epochs=6", "train.early_stopping=null", "train.precision=fp32")
ALONE_MODELS = 3  # one after the other: their number does not change their speed
ALONE = "alone"


def main() -> None:
    options = _options()
    if options.worker:
        work(**json.loads(options.worker))
        return
    rows = []
    for network in options.networks:
        rounds = [measure_round(network, options.models) for _ in range(options.rounds)]
        rows += report(network, rounds)
    columns = ("network", "side", "steps/s in the loop", "ratio", "steps/s of the fit", "ratio")
    out.print(table(f"Together or alone on {usable_cores()} cores, median of {options.rounds} rounds", columns, rows))


def measure_round(network: str, sizes: list[int]) -> dict[str, tuple[float, float]]:
    """Of each side, steps a second in the loop and over the fit."""
    cores = usable_cores()
    found = {ALONE: measure(network, ALONE_MODELS, processes=cores, threads=1, together=False)}
    for models in sizes:
        found[f"programs of {models}"] = measure(network, models, processes=cores, threads=1, together=True)
        found[f"one program of {models}"] = measure(network, models, processes=1, threads=cores, together=True)
    print(network, {side: [round(value) for value in pair] for side, pair in found.items()}, file=sys.stderr)
    return found


def measure(network: str, models: int, processes: int, threads: int, *, together: bool) -> tuple[float, float]:
    """Start the processes, let all begin at once when all are ready, and add up their speeds."""
    with tempfile.TemporaryDirectory() as folder:
        started = [
            _start(
                {
                    "network": network,
                    "models": models,
                    "threads": threads,
                    "together": together,
                    "runs": f"{folder}/{k}",
                }
            )
            for k in range(processes)
        ]
        for process in started:
            process.stdout.readline()
        for process in started:
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [json.loads(process.communicate()[0]) for process in started]
    return sum(a["steps"] / a["loop"] for a in answers), sum(a["steps"] / a["fit"] for a in answers)


def _start(task: dict[str, object]) -> subprocess.Popen[str]:
    env = {**os.environ, "OMP_NUM_THREADS": str(task["threads"])}
    command = [sys.executable, __file__, "--worker", json.dumps(task)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)


@dataclass
class Clock(Callback):
    """Counts steps, and the seconds from the start of each epoch to its last step."""

    steps: int = 0
    seconds: float = 0.0
    begun: float = 0.0
    last: float = field(default=0.0)

    def on_start(self, start: object) -> None:
        self.begun = perf_counter()

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        self.steps += 1
        self.last = perf_counter()

    def on_epoch(self, end: object) -> None:
        self.seconds += self.last - self.begun
        self.begun = perf_counter()


def work(network: str, models: int, threads: int, together: bool, runs: str) -> None:
    """One process: train once to warm up, say so, wait for the word, train, and print what it took."""
    words = (*SETTINGS, *NETWORKS[network], f"train.threads={threads}", f"runs_dir={runs}")
    configs = [load_config(None, [*words, f"train.learning_rate={0.001 * (k + 1)}"]) for k in range(models)]
    dataset = open_dataset(configs[0].data)
    fit(configs if together else configs[:1], dataset, together=together)
    print("ready", flush=True)
    sys.stdin.readline()
    started = perf_counter()
    steps, loop = fit(configs, dataset, together=together)
    print(json.dumps({"steps": steps, "loop": loop, "fit": perf_counter() - started}))


def fit(configs: list, dataset: object, *, together: bool) -> tuple[int, float]:
    """Steps of single models, and the seconds of them all."""
    if together:
        clock = Clock()  # the last one's epoch ends last
        train_together(configs, dataset, [[] for _ in configs[1:]] + [[clock]])
        return clock.steps * len(configs), clock.seconds
    clocks = [Clock() for _ in configs]
    for config, clock in zip(configs, clocks, strict=True):
        start_run(config, dataset, [clock])
    return sum(clock.steps for clock in clocks), sum(clock.seconds for clock in clocks)


def report(network: str, rounds: list[dict[str, tuple[float, float]]]) -> list[tuple[str, ...]]:
    """Medians, and the median of the ratios round by round."""
    rows = []
    for side in rounds[0]:
        cells = []
        for figure in (0, 1):
            speeds = [found[side][figure] for found in rounds]
            ratios = [found[side][figure] / found[ALONE][figure] for found in rounds]
            cells += [f"{statistics.median(speeds):,.0f}", f"{statistics.median(ratios):.2f}"]
        rows.append((network, side, *cells))
    return rows


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--models", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
