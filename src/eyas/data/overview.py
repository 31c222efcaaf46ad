"""`look_closely`: the check of the data with the images themselves, for near-duplicates, pictures and fixes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError
from eyas.core.schema import DataConfig
from eyas.data.importer import load
from eyas.data.near.canonical import SIDE
from eyas.data.near.finding import near_pairs
from eyas.data.near.kept import pairs_path, read_pairs, save_pairs
from eyas.data.near.pairs import NearPairs, no_pairs
from eyas.data.near.rules import of_near_duplicates
from eyas.data.report import CheckReport, check_survey
from eyas.data.sources import Source, open_source
from eyas.data.splits import Rows
from eyas.data.survey import Survey, take_survey


@dataclass(frozen=True, eq=False)
class Overview:
    """A dataset looked at as a whole."""

    report: CheckReport
    """With the findings on near-duplicates."""
    survey: Survey
    splits: Mapping[str, Rows]
    """Rows of train, val and test; the declared parts where no split can be made."""
    pairs: NearPairs
    images: NDArray[np.uint8] | None
    """(M, H, W, C) uint8, M the survey's rows; None where not one can be read."""


def look_closely(config: DataConfig) -> Overview:
    """Check the data as `check_dataset` does, and find near-duplicates, which are kept for the next look.

    Images of several sizes are looked at as 32×32, where `config` says no size.

    Raises:
        ConfigError: no source.
        DataError: the source cannot be read at all.
    """
    source = open_source(config.source)
    survey = take_survey(source, config.max_pixels)
    report, survey, splits = check_survey(source.name, survey, config)
    images, pairs = _images_and_pairs(source, config)
    found = tuple(of_near_duplicates(survey, splits, pairs))
    return Overview(replace(report, findings=report.findings + found), survey, splits, pairs, images)


def _images_and_pairs(source: Source, config: DataConfig) -> tuple[NDArray[np.uint8] | None, NearPairs]:
    try:
        entry = load(source, config)
    except DataError:  # the report has said why; what can be read is looked at all the same
        settings = config.model_copy(update={"force": True, "image_size": config.image_size or SIDE})
        try:
            entry = load(source, settings)
        except DataError:
            return None, no_pairs()
    path = pairs_path(entry.path)
    pairs = read_pairs(path)
    if pairs is None:
        pairs = near_pairs(entry.images, entry.digests)
        save_pairs(path, pairs)
    return entry.images, pairs
