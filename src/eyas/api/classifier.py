"""`Classifier`: the whole road of an image classifier, with the names that scikit-learn and Keras have taught."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eyas.api.asking import Asking
from eyas.api.estimator import NAMED
from eyas.api.fitted import Exported, Trained
from eyas.api.material import Data, material
from eyas.api.results import classifier_html
from eyas.api.settings import SHORT, Model, Settings, settings_of, told_as_keywords
from eyas.api.training import require_main_guard, run_training
from eyas.bundle.folder import read_manifest, temperature_in
from eyas.core import console
from eyas.core.errors import EyasError, TrainingError
from eyas.core.marks import is_bundle
from eyas.core.runs import RunFolder, open_run
from eyas.data import Dataset
from eyas.diagnose.history import read_history

if TYPE_CHECKING:
    from eyas.tune.running import Outcome

Optimizer = Literal["adam", "adamw", "sgd", "rmsprop", "muon"]


class Classifier(Asking):
    """An image classifier: `Classifier("cnn").fit(Dataset("digits")).evaluate()`.

    It follows scikit-learn's contract, and works in its searches, validations and pipelines. What is learnt is an
    ordinary run folder.

    Args:
        model: a value of `model` (`mlp`, `cnn`, `resnet`, `wide_resnet`, `file.py:function`, or a mapping with
            `name`), a recipe that ships (`cifar100-cpu`), or a YAML file.
        epochs: at most; None leaves this and the next ones to the recipe or the configuration's defaults.
        batch_size: images a step.
        learning_rate: of the optimiser.
        optimizer: `adam`, `adamw`, `sgd`, `rmsprop` or `muon`.
        random_state: of weights, order and the split of arrays. None is a seed too, the configuration's.
        runs_dir: where run folders go.
        verbose: show how training goes, and draw its curves in the run folder.
        keywords: any other key of the configuration, with `__` for its point: `model__dropout=0.3`.

    Attributes:
        classes_: (K,) labels as they were given to `fit`; class names after a `Dataset`.
        n_features_in_: H · W · C of an image.
        history_: columns of the run's `history.csv`, (epochs,) each.
        tuning_: what came of `tune`.

    Raises:
        ConfigError: a keyword that is no key; names the nearest known one. Values are looked at by `fit`.
    """

    tuning_: Outcome

    def __init__(
        self,
        model: Model = "mlp",
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        optimizer: Optimizer | None = None,
        random_state: int | np.random.RandomState | None = None,
        runs_dir: str | Path | None = None,
        verbose: bool = True,
        **keywords: object,
    ) -> None:
        self.model = model
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.random_state = random_state
        self.runs_dir = runs_dir
        self.verbose = verbose
        self.set_params(**keywords)

    def fit(self, X: Data | ArrayLike, y: ArrayLike | None = None) -> Self:  # noqa: N803
        """Train in a new run folder. Ctrl-C stops after the step, and the best epoch so far is kept.

        Args:
            X: a `Dataset`, what opens one, or images: (N, H, W) or (N, H, W, 1 or 3), uint8 or floats from 0 to 1.
            y: (N,) labels of the images. A share of them, `data__val_fraction`, is kept for validation.

        Raises:
            ConfigError: a value that breaks its rule.
            DataError: images or labels that cannot be used.
            TrainingError: the loss diverges, or Ctrl-C came before the first epoch was done.
        """
        require_main_guard()
        with told_as_keywords():
            found = material(self._settings(), X, y)
            if self.verbose:
                found.tell_warnings()
            result = run_training(found.config, found.dataset, report=found.report, quiet=not self.verbose)
        if result.best is None:
            raise TrainingError(f"{result.run.path} was stopped before its first epoch was done: nothing is learnt yet")
        if not result.finished:
            console.err.print(f"stopped after epoch {len(result.history)}; the best so far is kept", markup=False)
        self._learnt(result.run, Trained.of(result.run).calibrated(found.dataset), found.classes)
        return self

    def tune(
        self,
        X: Data | ArrayLike,  # noqa: N803
        y: ArrayLike | None = None,
        *,
        trials: int | None = None,
        minutes: float | None = None,
        seeds: int = 3,
        workers: int | None = None,
        space: str | Path | None = None,
    ) -> Self:
        """Search for better parameters, and take them on; `fit` then trains with them.

        Parameters that were given keep their value; what a recipe or a file says is only a beginning. The best is
        compared with what stood before on the test images, once: `tuning_.says`.

        Trials run in processes of their own. Python starts them by reading the script again: a script must call this
        under `if __name__ == "__main__":`.

        Args:
            X: as for `fit`.
            y: as for `fit`.
            trials: configurations to try; 40 where there is no limit of time either.
            minutes: time for the search.
            seeds: of the comparison at the end.
            workers: trials at once; by cores where None.
            space: a YAML file with the keys to search.

        Raises:
            ConfigError: a value that breaks its rule.
            TrainingError: every trial failed, Ctrl-C stopped the search (it names the command that goes on), or a
                script has no `if __name__ == "__main__":`.
        """
        from eyas.api.tuning import Wishes, as_parameters, check_wishes, search  # loads Optuna

        require_main_guard()
        with told_as_keywords():
            settings = self._settings()
            file = Path(space) if space else None
            wishes = Wishes(trials, minutes, workers, seed=settings.seed or 0, seeds=seeds, space=file)
            check_wishes(wishes)
            found = material(settings, X, y)
            self.tuning_ = search(settings, found, wishes, quiet=not self.verbose)
        return self.set_params(**as_parameters(self.tuning_.best.params, settings.given))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """A run folder or a bundle as a fitted classifier; its classes are their names.

        A run's probabilities are calibrated as those of the bundle in its folder, else by its data. Where there is no
        bundle, and the data have changed or cannot be opened, they are not calibrated.

        Raises:
            ConfigError: neither of them.
            TrainingError: a run without a finished epoch.
            IntegrityError: a bundle that has changed.
        """
        path = Path(path)
        if is_bundle(path):
            manifest = read_manifest(path)
            made = cls(manifest.training.get("model", manifest.architecture))
            made._take(Exported(path))
            return made
        run = open_run(path)
        made = cls(str(run.config_file.resolve()))
        made._learnt(run, _calibrated(Trained.of(run), run))
        return made

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self._given())
        return f"Classifier({self.model!r}{', ' if given else ''}{given})"

    def _repr_html_(self) -> str:
        trained = f": {self._answering.path}" if self.__sklearn_is_fitted__() else ": not trained"
        return classifier_html(repr(self) + trained, self._given(), getattr(self, "history_", {}))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}  # not scikit-learn's diagram

    def _given(self) -> Sequence[tuple[str, object]]:
        """What differs from the defaults, but for `model`."""
        values = {name: getattr(self, name) for name in (*SHORT, *self._keywords)}
        quiet = [] if self.verbose else [("verbose", self.verbose)]
        return [(name, value) for name, value in values.items() if value is not None or name not in NAMED] + quiet

    def _settings(self) -> Settings:
        short = {name: getattr(self, name) for name in SHORT}
        return settings_of(self.model, short, {name: getattr(self, name) for name in self._keywords})

    def _learnt(self, run: RunFolder, trained: Trained, classes: NDArray[Any] | None = None) -> None:
        self._take(trained, classes)
        self.history_ = read_history(run.history)


def _calibrated(trained: Trained, run: RunFolder) -> Trained:
    if (temperature := temperature_in(run.bundle)) is not None:
        return trained.at(temperature)
    try:
        return trained.calibrated(Dataset.of(run.config().data))
    except EyasError as error:  # of the data alone: the network has answered for itself
        console.warn(f"probabilities are not calibrated: {error}")
        return trained
