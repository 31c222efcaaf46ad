"""The tour: the whole life of an image classifier on real images, by eyas's own commands.

    make tour                             CIFAR-100 and the recipe for a CPU (an hour on 2 cores)
    make tour TOUR="--data digits"        the built-in digits (4 minutes)

check ─ train ─ evaluate ─ diagnose ─ tune ─ report ─ export ─ publish ─ serve ─┬─ ask, look at the page
                                                                               ├─ a worse version: the gate says no
                                                                               └─ let in all the same: labels take it
                                                                                  back by themselves ─ report

build/tour then holds what each command printed (01-check.txt, …), the runs, the reports, and pictures of the page.
The page is looked at with a Chromium (Debian's package chromium); --no-page goes on without.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from page import look
from traffic import test_images, traffic

import eyas
from support.browsing import chromium
from support.waiting import wait_until

TARGET = Path("build/tour")
MODEL = "tour"
STOP_SECONDS = 30
READY_SECONDS = 60


@dataclass(frozen=True)
class Journey:
    """What is trained: words of `eyas train`, of `eyas tune`, and of a version that is worse."""

    source: str
    train: tuple[str, ...]
    tune: tuple[str, ...]
    worse: tuple[str, ...]


JOURNEYS = {
    "cifar100": Journey(
        "cifar100",
        ("--config", "cifar100-cpu"),
        ("cifar100", "model=cnn", "data.train_fraction=0.1", "train.epochs=4", "--trials", "6", "--seeds", "1"),
        ("cifar100", "model=mlp", "train.epochs=1"),
    ),
    "digits": Journey(
        "digits",
        ("digits", "train.batch_size=32", "train.epochs=15"),
        ("digits", "train.epochs=5", "--trials", "8", "--seeds", "2"),
        ("digits", "model=mlp", "train.epochs=1", "train.learning_rate=0.0001"),
    ),
}


class Tour:
    """Runs commands in one folder, shows what they print, and keeps it there.

    Args:
        folder: emptied first.
    """

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.folder, self._steps = folder, 0

    def heading(self, title: str) -> Path:
        """Begin a step; gives the file that its words go to."""
        self._steps += 1
        print(f"\n{self._steps:2}  {title}", flush=True)
        return self.folder / f"{self._steps:02}-{title.replace(' ', '-').replace(',', '')}.txt"

    def run(self, title: str, *words: str, code: int = 0) -> None:
        """A step that is one command.

        Args:
            words: behind `eyas`.
            code: that it must end with.
        """
        file = self.heading(title)
        said = f"$ eyas {' '.join(words)}\n"
        print(said, end="", flush=True)
        began = monotonic()
        with file.open("w") as kept:
            kept.write(said)
            with subprocess.Popen(eyas_command(*words), cwd=self.folder, stdout=-1, stderr=-2, text=True) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    kept.write(line)
                    print(f"    {line}", end="", flush=True)
        print(f"    ({monotonic() - began:.0f} s)")
        if process.returncode != code:
            sys.exit(f"eyas {words[0]} ended with {process.returncode}, and should with {code}; see {file}")

    @contextmanager
    def serving(self, *words: str) -> Iterator[str]:
        """A step that lasts: a service, and its URL once it is ready."""
        file = self.heading("serve")
        print(f"$ eyas serve {' '.join(words)}", flush=True)
        with file.open("w") as log:
            process = subprocess.Popen(eyas_command("serve", *words), cwd=self.folder, stdout=log, stderr=log)
            try:
                with eyas.Client(URL) as client:
                    wait_until(client.ready, READY_SECONDS)
                yield URL
            finally:
                process.terminate()
                process.wait(STOP_SECONDS)


PORT = 5871
URL = f"http://127.0.0.1:{PORT}"


def eyas_command(*words: str) -> list[str]:
    """This Python's eyas, whatever the shell would find."""
    return [sys.executable, "-m", "eyas", *words]


def main() -> None:
    """The whole way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=JOURNEYS, default="cifar100")
    parser.add_argument("--no-page", action="store_true", help="without a browser")
    options = parser.parse_args()
    if not options.no_page and chromium() is None:
        sys.exit("there is no Chromium: apt-get install chromium, or --no-page")
    os.environ["COLUMNS"] = "110"
    began, tour = monotonic(), Tour(TARGET)
    learn(tour, JOURNEYS[options.data])
    serve(tour, JOURNEYS[options.data], with_page=not options.no_page)
    print(f"\nall of it in {(monotonic() - began) / 60:.0f} min; see {TARGET}")


def learn(tour: Tour, journey: Journey) -> None:
    """From a folder of images to a bundle."""
    run = f"runs/{MODEL}-1"
    tour.run("check the data", "data", "check", journey.source, "--html", "data.html")
    tour.run("train", "train", *journey.train, f"name={MODEL}")
    tour.run("evaluate", "evaluate", run)
    tour.run("diagnose", "diagnose", run)
    tour.run("tune", "tune", *journey.tune)
    tour.run("export", "export", run)
    tour.run("report", "report", run, "--html", "--pdf")
    tour.run("publish", "models", "publish", run, "models", "--as", MODEL, "--live")
    tour.run("train a worse version", "train", *journey.worse, "name=worse")
    tour.run("export the worse version", "export", "runs/worse-1")
    tour.run("publish the worse version", "models", "publish", "runs/worse-1", "models", "--as", MODEL)


def serve(tour: Tour, journey: Journey, *, with_page: bool) -> None:
    """From a bundle to a service that takes a bad version back."""
    repository = eyas.Repository(tour.folder / "models")
    live = repository.live(MODEL)
    assert live is not None
    worse = next(version for version in repository.versions(MODEL) if version != live.version)
    images = test_images(journey.source, repository.open(MODEL, live.version))
    samples = images.write(tour.folder / "images", 6)
    words = ("models", "serve.monitor.folder=monitor", "serve.monitor.keep_images=1", f"serve.port={PORT}")
    with tour.serving(*words, "serve.admin=true", "serve.poll_seconds=0.5") as url:
        tour.run("ask", "predict", "--url", url, *(str(file.relative_to(tour.folder)) for file in samples))
        tour.heading("live traffic with labels")
        print(traffic(url, images, 400))
        tour.run("ask the gate", "rollout", "check", "models", MODEL, worse, "--data", journey.source, code=1)
        start = ("rollout", "start", "models", MODEL, worse, "--canary", "30%,100%", "--ungated")
        tour.run("start a canary all the same", *start, "--set", "latency_ratio=null", "--why", "the tour")
        tour.heading("more traffic until the labels decide")
        print(traffic(url, images, 4000, until=lambda: is_over(tour.folder)))
        tour.run("what the rollout did", "rollout", "status", "models", MODEL)
        tour.run("what the monitor knows", "monitor", "--url", url)
        if with_page:
            tour.heading("look at the page")
            look(url, samples[0], tour.folder)
    tour.run("report on the service", "report", "monitor", "--html")


def is_over(folder: Path) -> bool:
    """Whether the rollout has ended."""
    from eyas.rollout import rollouts_of

    current = rollouts_of(eyas.Repository(folder / "models"), MODEL).current()
    return current is not None and current.over


if __name__ == "__main__":
    main()
