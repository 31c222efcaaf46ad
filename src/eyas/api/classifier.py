"""`Classifier`: the whole road of an image classifier, with the names that scikit-learn and Keras have taught."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from sklearn.exceptions import NotFittedError

from eyas.api.estimator import NAMED, Estimator, labels_of, numbered
from eyas.api.fitted import Exported, Trained, require_classes
from eyas.api.images import Images, LabelsError, OneImage, batch_of, pixels_of
from eyas.api.looking_back import diagnose_runs, look_at
from eyas.api.results import Diagnosed, Explained, Measured, classifier_html, curves
from eyas.api.settings import SHORT, Model, config_of, require_known, seed_of, settings_of
from eyas.api.training import run_training
from eyas.bundle import Bundle, Precision
from eyas.bundle.folder import MANIFEST, read_manifest
from eyas.core import console
from eyas.core.errors import ConfigError, DataError, TrainingError
from eyas.core.runs import RunFolder, open_run
from eyas.core.schema import Config, DataConfig
from eyas.data import Dataset, Split
from eyas.data.split import SplitName
from eyas.diagnose.history import History, read_history
from eyas.evaluate import evaluate
from eyas.explain import explain
from eyas.export import export_run, quantise_run
from eyas.report import run_document, write_html, write_pdf
from eyas.train import evaluate_run

if TYPE_CHECKING:
    from eyas.tune.running import Outcome

Data = Dataset | str | Path
Optimizer = Literal["adam", "adamw", "sgd", "rmsprop", "muon"]


class Classifier(Estimator):
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
        verbose: show how training goes.
        keywords: any other key of the configuration, with `__` for its point: `model__dropout=0.3`.

    Attributes:
        classes_: (K,) labels as they were given to `fit`; class names after a `Dataset`.
        n_features_in_: H · W · C of an image.
        history_: columns of the run's `history.csv`, (epochs,) each.
        tuning_: what came of `tune`.

    Raises:
        ConfigError: a keyword that is no key; names the nearest known one. Values are looked at by `fit`.
    """

    classes_: NDArray[Any]
    n_features_in_: int
    history_: History
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
        require_known(keywords)
        self.model = model
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.random_state = random_state
        self.runs_dir = runs_dir
        self.verbose = verbose
        vars(self).update(keywords)

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
        settings, seed = self._settings()
        config, dataset, classes = self._opened(settings, seed, X, y)
        result = run_training(config, dataset, quiet=not self.verbose)
        if result.best is None:
            raise TrainingError(f"{result.run.path} was stopped before its first epoch was done: nothing is learnt yet")
        if not result.finished:
            console.err.print(f"stopped after epoch {len(result.history)}; the best so far is kept", markup=False)
        self._learnt(result.run, dataset, classes)
        return self

    def predict(self, X: Images) -> NDArray[Any]:  # noqa: N803
        """(N,) labels, of `classes_`.

        Args:
            X: images in an array, a path or a folder, one of Pillow's images, a split, or a list of such; files take
                the same way to the network as in the service.

        Raises:
            InputError: an image that cannot be read, or an array of another shape, type or range.
        """
        labels: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return labels

    def predict_proba(self, X: Images) -> NDArray[np.float32]:  # noqa: N803
        """(N, K) probabilities in the order of `classes_`, calibrated as the bundle's; rows sum to 1."""
        answering = self._fitted()
        return answering.run(pixels_of(X, answering.policy)).probabilities

    def score(self, X: Images, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> float:  # noqa: N803
        """The accuracy, in [0, 1].

        Args:
            X: as for `predict`.
            y: (N,) labels, of `classes_`; a split has its own.
            sample_weight: (N,) weights of the images.

        Raises:
            LabelsError: labels of another kind than those learnt.
        """
        predicted = self.predict(X)
        truth = self._truth(X, y)
        weights = None if sample_weight is None else np.asarray(sample_weight)
        return float(np.average(predicted == truth, weights=weights))

    def evaluate(self, data: Data | None = None, split: SplitName = "test") -> Measured:
        """Measure on one split, with intervals; the run's own data where none are given.

        On its own data the run's `metrics.json` gets the figures.

        Raises:
            DataError: no images, or other classes.
        """
        answering = self._fitted()
        dataset = self._dataset(data)
        if isinstance(answering, Trained) and dataset.fingerprint == self._own().fingerprint:
            return Measured.of(evaluate_run(self.run, dataset, split), split)
        require_classes(dataset, answering.classes)
        chosen = dataset.split(split)
        probabilities = answering.run(pixels_of(chosen, answering.policy)).probabilities
        return Measured.of(evaluate(probabilities, chosen.labels, dataset.classes), split)

    def explain(
        self, image: OneImage, method: str = "occlusion", *, label: object = None, seconds: float = 5.0, seed: int = 0
    ) -> Explained:
        """Which parts of one image speak for a class, and whether that can be trusted.

        Args:
            image: a path, one of Pillow's images, or (H, W) or (H, W, 1 or 3).
            method: `cam`, `occlusion`, `rise`, `lime` or `shap`.
            label: of `classes_`; the most probable one where None.
            seconds: roughly at most.
            seed: of what is random.

        Raises:
            ConfigError: no such method.
            InputError: no image, no such class, or a network that gives no `cam`.
        """
        answering = self._fitted()
        pixels = pixels_of([image], answering.policy)[0]
        index = None if label is None else int(self._places(np.array([label]))[0])
        found = explain(answering, pixels, method, index, seconds=seconds, seed=seed)
        return Explained.of(found, str(self.classes_[found.index]), pixels)

    def tune(
        self,
        X: Data | ArrayLike,  # noqa: N803
        y: ArrayLike | None = None,
        *,
        trials: int | None = None,
        minutes: float | None = None,
        seeds: int = 3,
        workers: int | None = None,
        space: Path | None = None,
    ) -> Self:
        """Search for better parameters, and take them on; `fit` then trains with them.

        Parameters that were given keep their value. The best is compared with what stood before on the test images,
        once: `tuning_.says`.

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
            TrainingError: every trial failed, or Ctrl-C stopped the search; it names the command that goes on.
        """
        from eyas.api.tuning import search  # loads Optuna

        settings, seed = self._settings()
        config, dataset, _ = self._opened(settings, seed, X, y)
        settings["data"] = config.data.model_dump(mode="json", exclude_unset=True)
        given = ["model.name", *(key for name, key in SHORT.items() if getattr(self, name) is not None)]
        fixed = [*given, *(name.replace("__", ".") for name in self._keywords())]
        self.tuning_ = search(settings, fixed, dataset, trials, minutes, seeds, workers, space)
        found = {key: value for key, value in self.tuning_.best.params.items() if key not in fixed}
        names = {key: name for name, key in SHORT.items()}
        return self.set_params(**{names.get(key, key.replace(".", "__")): value for key, value in found.items()})

    def export(self, path: str | Path | None = None, precision: Precision | None = None) -> Bundle:
        """Write a bundle, and prove that it answers as the network does.

        Args:
            path: must not exist; the run's own `bundle/` where None.
            precision: `int8` or `fp16`; float32 where None.

        Raises:
            BundleError: the path exists, or there are neither validation nor test images to prove it on.
            ParityError: the graph answers otherwise; nothing is written.
        """
        run, target = self.run, Path(path) if path is not None else None
        if precision:
            return quantise_run(run, self._own(), run.config().export, precision, target)
        return export_run(run, self._own(), run.config().export, target)

    def diagnose(self, *, human_error: float | None = None, tolerance: float = 0.02) -> Diagnosed:
        """What is wrong with the run or its data, how sure that is, and what to do next.

        Args:
            human_error: a person's error, or the least possible, in [0, 1).
            tolerance: a bias or variance above it is high.

        Raises:
            DataError: no validation split.
        """
        return Diagnosed.of(diagnose_runs([self.run.path], human_error, tolerance))

    def report(self, file: str | Path | None = None, language: str = "en") -> Path:
        """Write the run's report; the test split is measured for it.

        Args:
            file: `.html` or `.pdf`; the run's own `report-<language>.html` where None.
            language: `en` or `fr`.

        Returns:
            The file.
        """
        target = Path(file) if file else self.run.path / f"report-{language}.html"
        writers = {".html": write_html, ".pdf": write_pdf}
        if target.suffix not in writers:
            raise ConfigError(f"a report must be a file of .html or .pdf, got {target}")
        with TemporaryDirectory(prefix="eyas-") as folder:
            today = datetime.now().astimezone().date()
            writers[target.suffix](run_document(look_at(self.run.path), language, Path(folder), today), target)
        return target

    def plot(self) -> Image.Image:
        """Loss, accuracy and learning rate by epoch, as a picture."""
        return curves(self.run)

    @property
    def run(self) -> RunFolder:
        """The run folder.

        Raises:
            NotFittedError: nothing is learnt yet.
            ConfigError: it is not on this machine, or a bundle was loaded.
        """
        return self._fitted().run_folder

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """A run folder or a bundle as a fitted classifier; its classes are their names.

        Of a run whose data cannot be opened, the probabilities are not calibrated.

        Raises:
            ConfigError: neither of them.
            TrainingError: a run without a finished epoch.
            IntegrityError: a bundle that has changed.
        """
        path = Path(path)
        if (path / MANIFEST).is_file():
            made = cls(read_manifest(path).training["model"])
            made._take(Exported(path), None)
            return made
        run = open_run(path)
        made = cls(str(run.config_file))
        try:
            dataset = Dataset.of(run.config().data)
        except DataError as error:
            console.err.print(f"warning: probabilities are not calibrated: {error}", style="yellow", markup=False)
            dataset = None
        made._learnt(run, dataset, None)
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
        values = {name: getattr(self, name) for name in (*SHORT, *self._keywords())}
        quiet = [] if self.verbose else [("verbose", self.verbose)]
        return [(name, value) for name, value in values.items() if value is not None or name not in NAMED] + quiet

    def _settings(self) -> tuple[dict[str, Any], int | None]:
        """The nested settings, and the random state as a number."""
        short = {name: getattr(self, name) for name in SHORT} | {"random_state": seed_of(self.random_state)}
        keywords = {name: getattr(self, name) for name in self._keywords()}
        return settings_of(self.model, short, keywords), short["random_state"]

    def _opened(
        self, settings: dict[str, Any], seed: int | None, given: Data | ArrayLike, y: ArrayLike | None
    ) -> tuple[Config, Dataset, NDArray[Any] | None]:
        """The configuration, with the data that it is for; of arrays their labels too, as they were given."""
        if isinstance(given, Dataset | str | Path):
            if y is not None:
                raise LabelsError("a Dataset has its labels: y must be left out")
            return *_with_data(settings, given if isinstance(given, Dataset) else Dataset(given)), None
        labels = labels_of(y)
        images = batch_of(np.asarray(given))
        if len(images) != len(labels):
            raise LabelsError(f"X and y must be of one length, got {len(images)} images and {len(labels)} labels")
        classes, places = numbered(labels)
        base = config_of(settings).data
        wanted = base.model_dump(exclude_unset=True, exclude={"source"}) | {"test_fraction": 0.0}
        if seed is not None:
            wanted["seed"] = seed
        dataset = Dataset.from_arrays(images, places, classes=list(map(str, classes.tolist())), **wanted)
        return *_with_data(settings, dataset), classes

    def _learnt(self, run: RunFolder, dataset: Dataset | None, classes: NDArray[Any] | None) -> None:
        self._take(Trained.of(run, dataset), classes)
        self.history_ = read_history(run.history)

    def _take(self, answering: Trained | Exported, classes: NDArray[Any] | None) -> None:
        self._answering = answering
        self.classes_ = np.array(answering.classes) if classes is None else classes
        self.n_features_in_ = int(np.prod(answering.policy.shape))

    def _fitted(self) -> Trained | Exported:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError("this Classifier is not fitted yet: call fit, or Classifier.load")
        return self._answering

    def _own(self) -> Dataset:
        """The data of the run; of a bundle those that it names."""
        answering = self._fitted()
        if isinstance(answering, Exported):
            return Dataset.of(DataConfig.model_validate(answering.bundle.manifest.training["data"]))
        return Dataset.of(self.run.config().data)

    def _dataset(self, data: Data | None) -> Dataset:
        if data is None:
            return self._own()
        return data if isinstance(data, Dataset) else Dataset(data)

    def _truth(self, images: Images, labels: ArrayLike | None) -> NDArray[Any]:
        if labels is not None:
            found = labels_of(labels)
            self._places(np.unique(found))
            return found
        if not isinstance(images, Split):
            raise LabelsError("score needs labels y, but for a split, which has its own")
        return self.classes_[images.labels]

    def _places(self, labels: NDArray[Any]) -> NDArray[np.int64]:
        """The place of each in `classes_`.

        Raises:
            LabelsError: none of `classes_`.
        """
        known = {label: place for place, label in enumerate(self.classes_.tolist())}
        if unknown := [label for label in labels.tolist() if label not in known]:
            raise LabelsError(f"labels must be of classes_ {list(known)[:20]}, got {unknown[:5]}")
        return np.array([known[label] for label in labels.tolist()], np.int64)


def _with_data(settings: dict[str, Any], dataset: Dataset) -> tuple[Config, Dataset]:
    """The configuration with the keys of `data` that the dataset was opened with; a recipe's hold beside them.

    Where the two differ, the data are opened again by both.
    """
    own = dataset.config.model_dump(mode="json", exclude_unset=True)
    config = config_of({**settings, "data": {**settings.get("data", {}), **own}})
    if config.data.model_dump() == dataset.config.model_dump():
        return config, dataset
    return config, Dataset.of(config.data)
