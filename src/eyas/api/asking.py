"""What a classifier can be asked, once it is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from sklearn.exceptions import NotFittedError

from eyas.api.estimator import Estimator
from eyas.api.fitted import Exported, Trained, require_classes
from eyas.api.images import Images, OneImage, pixels_of
from eyas.api.labels import LabelsError, labels_of, places_of
from eyas.api.looking_back import diagnose_runs, write_report
from eyas.api.material import Data, opened
from eyas.api.results import Diagnosed, Explained, Measured, curves
from eyas.bundle import Bundle, Precision
from eyas.core.errors import ConfigError, DataError
from eyas.core.runs import RunFolder
from eyas.core.schema import DataConfig
from eyas.data import Dataset, Split
from eyas.data.split import SplitName
from eyas.diagnose.history import History
from eyas.evaluate import evaluate
from eyas.export import export_run, quantise_run


class Asking(Estimator):
    """A classifier's questions. They raise scikit-learn's NotFittedError before anything is learnt."""

    _answering: Trained | Exported
    classes_: NDArray[Any]
    n_features_in_: int
    history_: History

    def predict(self, X: Images) -> NDArray[Any]:  # noqa: N803
        """(N,) labels, of `classes_`.

        Args:
            X: images in an array, a path or a folder, one of Pillow's images, a split, or a list of such (a Series
                too); files take the same way to the network as in the service.

        Raises:
            InputError: an image that cannot be read, or an array of another shape, type or range.
        """
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
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
            LabelsError: labels of another kind than those learnt, or of another number than the images.
        """
        predicted = self.predict_proba(X).argmax(axis=1)
        places = self._places(X, y, len(predicted))
        weights = None if sample_weight is None else np.asarray(sample_weight)
        return float(np.average(predicted == places, weights=weights))

    def evaluate(
        self, data: Data | Images | None = None, y: ArrayLike | None = None, *, split: SplitName = "test"
    ) -> Measured:
        """Measure the probabilities of `predict_proba`, with intervals; on the run's own data where none are given.

        On its own data the run, where it still has this network, gets the figures of `eyas evaluate` in its
        `metrics.json` and its trackers: those of the probabilities before calibration.

        Args:
            data: a dataset, a split, or images where labels come with them.
            y: (N,) labels of the images, of `classes_`.
            split: of a dataset.

        Raises:
            DataError: no images, other classes, or labels that are none of `classes_`.
        """
        answering = self._fitted()
        if isinstance(data, Split) or (y is not None and data is not None and not isinstance(data, Dataset)):
            probabilities = self.predict_proba(data)
            places = self._places(data, y, len(probabilities))
            name = data.name if isinstance(data, Split) else "the images given"
            return Measured.of(evaluate(probabilities, places, answering.classes), name)
        if y is not None or not isinstance(data, Dataset | str | Path | None):
            raise LabelsError("labels y belong to images, and images need them; a Dataset and a split have their own")
        dataset = self._own() if data is None else opened(data)
        require_classes(dataset, answering.classes)
        chosen = _filled(dataset, split)
        answers = answering.run(pixels_of(chosen, answering.policy))
        if isinstance(answering, Trained) and dataset.fingerprint == answering.fingerprint:
            answering.record(split, answers.logits, chosen.labels)
        return Measured.of(evaluate(answers.probabilities, chosen.labels, dataset.classes), split)

    def explain(
        self, image: OneImage, method: str = "occlusion", *, label: object = None, seconds: float = 5.0, seed: int = 0
    ) -> Explained:
        """Which parts of one image speak for a class, and whether that can be trusted.

        Args:
            image: a path, one of Pillow's images, or (H, W) or (H, W, 1 or 3).
            method: `cam`, `occlusion`, `rise`, `lime` or `shap`; of a run also `integrated-gradients`, `grad-cam` or
                `gradient-shap`.
            label: of `classes_`; the most probable one where None.
            seconds: roughly at most.
            seed: of what is random.

        Raises:
            ConfigError: no such method, or one by gradients for a bundle.
            DataError: `gradient-shap`, and the run's data have changed or are gone.
            InputError: no image, no such class, or a network that has not what the method needs.
            OutOfTimeError: the network is too slow for the method.
        """
        answering = self._fitted()
        pixels = pixels_of([image], answering.policy)[0]
        index = None if label is None else int(places_of(np.array([label]), self.classes_)[0])
        found = answering.explain(pixels, method, index, seconds=seconds, seed=seed)
        return Explained.of(found, str(self.classes_[found.index]), pixels)

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
        """Write the run's report; the test split is measured for it, and recorded in the run where no file is named.

        Args:
            file: `.html` or `.pdf`; the run's own `report-<language>.html` where None.
            language: `en` or `fr`.

        Returns:
            The file.
        """
        target = Path(file) if file else self.run.path / f"report-{language}.html"
        write_report(self.run.path, target, language, record=not file)
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

    def _take(self, answering: Trained | Exported, classes: NDArray[Any] | None = None) -> None:
        self._answering = answering
        self.classes_ = np.array(answering.classes) if classes is None else classes
        self.n_features_in_ = int(np.prod(answering.policy.shape))

    def _fitted(self) -> Trained | Exported:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError("this Classifier is not fitted yet: call fit, or Classifier.load")
        return self._answering

    def _own(self) -> Dataset:
        """The data of the run; of a bundle those that it names.

        Raises:
            ConfigError: a bundle that names none, or a run that is not on this machine.
            DataError: they cannot be opened, or have changed since a run was trained on them.
        """
        answering = self._fitted()
        if isinstance(answering, Trained):
            dataset = Dataset.of(self.run.config().data)
            dataset.require(answering.fingerprint, answering.path)
            return dataset
        data = answering.bundle.manifest.training.get("data")
        if data is None:
            raise ConfigError(f"{answering.path} does not say what it was trained on: name the data")
        return Dataset.of(DataConfig.model_validate(data))

    def _places(self, images: Images, labels: ArrayLike | None, count: int) -> NDArray[np.int64]:
        """The place of each image's label in `classes_`, (N,).

        Raises:
            LabelsError: none, or not so many.
        """
        if labels is None and isinstance(images, Split):
            return images.labels
        if labels is None:
            raise LabelsError("score needs labels y, but for a split, which has its own")
        found = labels_of(labels)
        if len(found) != count:
            raise LabelsError(
                f"images and labels must be of one length, got {count:,} images and {len(found):,} labels"
            )
        return places_of(found, self.classes_)


def _filled(dataset: Dataset, name: SplitName) -> Split:
    """A split with images.

    Raises:
        DataError: it has none.
    """
    if len(chosen := dataset.split(name)):
        return chosen
    others = " or ".join(f"split={one.name!r}" for one in reversed(dataset.splits) if len(one))
    raise DataError(f"the {name} split of {dataset.name} is empty: give images and labels, or {others}")
