"""Let the swarm and its peers minimise the same problems for the same number of trials, and print who won.

    make bench-tune                                              tables, then BBOB in 5 dimensions
    make bench-tune BENCH="--suite tables --seeds 10 --trials 100"

Every (method, problem, seed) is kept in build/tune-race as it ends, so that a race that was stopped goes on; --methods
picks some. SMAC3 needs about a minute for 100 trials and is left out unless it is named: 30 seeds on 15 tables would
take eight hours. The others take about an hour and a half for both suites on 2 cores.

Printed: regret after a quarter of the trials and after all (1 is the median configuration of a table), medians and
means with 95 % bootstrap intervals over seeds, Friedman's mean ranks with Nemenyi's critical distance; for all
problems, and for those that no setting of the swarm was chosen on.

Seen on 2 cores (AMD EPYC, AVX2), the 15 tables, 30 seeds; median (mean) regret, and the mean rank after 100 trials:

                     all 15, 25 trials   all 15, 100 trials   rank   held out 8, 100 trials   rank
    eyas swarm       .062 (.094)         .000 (.018)          1.69   .000 (.019)              1.44
    Optuna TPE       .118 (.147)         .023 (.041)          2.28   .036 (.050)              2.27
    Optuna CMA-ES    .155 (.190)         .066 (.090)          3.37   .093 (.109)              3.43
    Nevergrad NGOpt  .156 (.226)         .090 (.134)          4.20   .109 (.141)              4.19
    Optuna random    .175 (.213)         .109 (.131)          4.65   .143 (.160)              4.78
    Nevergrad PSO    .189 (.227)         .112 (.142)          4.82   .144 (.165)              4.89

And the 24 functions of BBOB in 5 dimensions, 5 seeds; median log10 regret, and the mean rank (Optuna 5's TPE is
multivariate by itself; the critical distance of ranks is 2.14 for all 24 and 3.03 for the 12):

                     all 24, 25 trials   all 24, 100 trials   rank   held out 12, 100 trials   rank   wins over TPE
    Nevergrad NGOpt  1.35                0.78                 2.86   0.88                      2.97   .72
    eyas swarm       1.58                0.76                 3.05   1.00                      3.03   .69 (.74 held out)
    Optuna TPE       1.62                1.11                 4.28   1.19                      4.45
    Optuna CMA-ES    1.64                1.25                 4.67   1.27                      4.50   .38
    Optuna random    1.90                1.65                 6.84   1.65                      6.78   .10
    Nevergrad PSO    1.95                1.75                 6.96   1.65                      6.73   .11
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from multiprocessing import Pool
from pathlib import Path
from time import perf_counter

import numpy as np
from judging import Curves, interval, mean_ranks, wins
from peers import METHODS, losses
from problems import problem, suite

KEPT = Path("build/tune-race")
SWARM = Path("src/eyas/tune")
SLOW = ("SMAC3",)
PEER = "Optuna TPE"
Task = tuple[str, str, int, int]
"""Method, problem, seed, trials."""


def main() -> None:
    options = _options()
    for name in options.suite:
        trials = options.trials
        tasks = [(m, p, s, trials) for s in range(options.seeds) for p in suite(name) for m in options.methods]
        left = [task for task in tasks if not _file(task).exists()]
        with Pool(options.processes) as pool:
            for done, _ in enumerate(pool.imap_unordered(run, left), 1):
                print(f"\r{name}: {len(tasks) - len(left) + done} of {len(tasks)}", end="", file=sys.stderr)
        report(name, options.methods, options.seeds, trials)


def run(task: Task) -> None:
    """One method on one problem, kept as JSON."""
    method, name, seed, trials = task
    given = problem(name, seed)
    began = perf_counter()
    found = losses(method, given.space, given.loss, trials, seed)
    file = _file(task)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps({"losses": found, "seconds": perf_counter() - began}))
    partial.replace(file)


def report(name: str, methods: Sequence[str], seeds: int, trials: int) -> None:
    """The tables."""
    curves = {method: _curves(method, name, seeds, trials) for method in methods}
    held_out = [p for p in suite(name) if problem(p, 0).held_out]
    print(f"\n{name}: {len(suite(name))} problems, {seeds} seeds, {trials} trials")
    for title, chosen in ((f"all {len(suite(name))}", suite(name)), (f"held out {len(held_out)}", held_out)):
        part = {method: {p: curves[method][p] for p in chosen} for method in methods}
        for at in sorted({max(1, trials // 4), trials}):
            _print(f"{title}, after {at} trials", part, at, log=name == "bbob")


def _print(title: str, part: dict[str, Curves], at: int, *, log: bool) -> None:
    ranks, distance, p = mean_ranks(list(part.values()), at)
    shown = {m: {k: np.log10(v) for k, v in c.items()} for m, c in part.items()} if log else part
    unit = "log10 regret" if log else "regret"
    print(f"\n{title}; critical distance of ranks {distance:.2f}, Friedman p {p:.1g}")
    print(f"{'':26}{'rank':>6}  {'median ' + unit:>26}  {'mean ' + unit:>26}  {'wins over TPE':>13}")
    for rank, method in sorted(zip(ranks, part, strict=True)):
        cells = [
            "{:.4f} [{:.4f}, {:.4f}]".format(*interval(shown[method], at, statistic))
            for statistic in ("median", "mean")
        ]
        won = f"{wins(part[method], part[PEER], at):.2f}" if PEER in part else ""
        print(f"{method:26}{rank:6.2f}  {cells[0]:>26}  {cells[1]:>26}  {won:>13}")


def _curves(method: str, name: str, seeds: int, trials: int) -> Curves:
    found = {}
    for p in suite(name):
        rows = []
        for seed in range(seeds):
            kept = json.loads(_file((method, p, seed, trials)).read_text())["losses"]
            rows.append([problem(p, seed).regret(loss) for loss in np.minimum.accumulate(kept)])
        found[p] = np.array(rows)
    return found


def _file(task: Task) -> Path:
    method, name, seed, trials = task
    return KEPT / f"{method.replace(' ', '-')}{_version(method)}" / name / f"{seed}-{trials}.json"


@cache
def _version(method: str) -> str:
    """Of our own code: what an older swarm did is not what this one does."""
    if not method.startswith("eyas"):
        return ""
    sources = [*sorted(SWARM.glob("swarm/*.py")), SWARM / "sampler.py"]
    return "-" + sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()[:8]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", nargs="+", default=["tables", "bbob"], choices=("tables", "bbob"))
    parser.add_argument("--methods", nargs="+", default=[m for m in METHODS if m not in SLOW], choices=list(METHODS))
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args()


if __name__ == "__main__":
    main()
