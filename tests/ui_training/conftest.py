"""Real runs on the digits and a real search, made once; a page that shows them; browsers' tabs that tell no error."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from following import Asked, Page, following
from searching_here import Here, Unseen

from eyas.api.training import run_training
from eyas.core.config import load_config
from eyas.data import Dataset, check_dataset
from eyas.report import write_evaluation
from eyas.train import evaluate_run
from eyas.tune.beginning import Wishes, begin_tuning
from eyas.tune.running import tune
from eyas.ui.server import make_app
from support.asgi import asgi_client
from support.browsing import Tab, open_tab

OpenTab = Callable[..., Tab]
SPACE = """\
train.optimizer: [adam, sgd]
train.learning_rate: {low: 1e-4, high: 1e-1, log: true}
model.hidden: [[16], [32, 16]]
"""


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> Path:
    """Two runs, the first of them evaluated, and a search over `SPACE`. Tests do not change it."""
    home = tmp_path_factory.mktemp("followed")
    folder = home / "runs"
    for name, words in {
        "small": ["model.hidden=[16]"],
        "large": ["model.hidden=[64]", "train.learning_rate=0.003"],
    }.items():
        config = load_config(
            None, ["data.source=digits", f"name={name}", f"runs_dir={folder}", "train.epochs=4", *words]
        )
        result = run_training(config, digits, report=check_dataset(config.data))
        if name == "small":
            write_evaluation(evaluate_run(result.run, digits, "test"), result.run.path / "evaluation-test")
    (home / "space.yaml").write_text(SPACE)
    settings = {"data": {"source": "digits"}, "train": {"epochs": 2}, "runs_dir": str(folder)}
    wishes = Wishes(trials=4, workers=1, space=home / "space.yaml", seeds=1, together=False)
    tune(begin_tuning(settings, (), wishes, digits), digits, Unseen(), 1, make_executor=Here)
    return folder


@pytest.fixture(scope="module")
def asked(runs: Path) -> Iterator[Asked]:
    with asgi_client(make_app(runs)) as client:
        yield Asked(client)


@pytest.fixture
def copied(runs: Path, tmp_path: Path) -> Iterator[tuple[Path, Asked]]:
    """A folder of runs to be changed, and a page of it."""
    folder = tmp_path / "runs"
    shutil.copytree(runs, folder)
    with asgi_client(make_app(folder)) as client:
        yield folder, Asked(client)


@pytest.fixture(scope="session")
def shown(runs: Path) -> Iterator[Page]:
    with following(runs) as page:
        yield page


@pytest.fixture
def tab(browser: Any, shown: Page) -> Iterator[OpenTab]:
    """Opens tabs; at the end none of them may have told an error."""
    opened: list[Tab] = []
    with ExitStack() as stack:

        def open_one(url: str = shown.url, **context: Any) -> Tab:
            opened.append(stack.enter_context(open_tab(browser, url, **context)))
            return opened[-1]

        yield open_one
        assert [error for one in opened for error in one.errors if error not in one.expected] == []


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Programs that tests start share the cores with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
        yield
