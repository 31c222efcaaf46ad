"""Image files, folders and standard input, sent file by file: what `eyas predict --url URL IMAGE…` prints.

sources ─ found, in order ─ sent, a few at once ─► one row a file; those that cannot be read or are refused included
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np

from eyas.client.answer import Answer
from eyas.client.clients import Client
from eyas.core.errors import InputError, ServiceError
from eyas.files import NO_IMAGE, FileRow, ImageFile, find_images

AT_ONCE = 4
REFUSED = (400, 413, 415, 422)  # for what this file is; any other error would meet the next file too


def predict_files(
    client: Client,
    sources: Iterable[str | Path],
    *,
    top: int = 5,
    model: str = "",
    version: str = "",
    stdin: BinaryIO | None = None,
) -> Iterator[FileRow]:
    """Have every image of `sources` predicted, in order.

    Args:
        client: of the service.
        sources: files, folders (searched through, sorted), or `-` for an image on standard input.
        top: classes to list in each row; K where there are fewer.
        model, version: as of `Client.predict`.
        stdin: read in place of the process's standard input.

    Yields:
        One row a file. A file that cannot be read, or that the service refuses, is a row with `error`.

    Raises:
        ServiceError: the service gave an error that has nothing to do with the file, or no answer.
    """

    def ask(file: ImageFile) -> tuple[ImageFile, Answer | str]:
        if file.source is None:
            return file, file.tell(NO_IMAGE)
        try:
            return file, client.predict(file.source, model=model, version=version)
        except InputError as error:
            return file, str(error)
        except ServiceError as error:
            if error.status not in REFUSED:
                raise
            return file, file.tell(error.detail or error)

    classes: dict[str, list[str]] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for file, answer in pool.map(ask, find_images(sources, stdin)):
            if isinstance(answer, str):
                yield FileRow(file.name, error=answer)
                continue
            if answer.version not in classes:
                classes[answer.version] = client.model_info(model=model, version=answer.version)["classes"]
            (image,) = answer
            probabilities = np.asarray(image.probabilities, np.float32)  # as the graph gave them
            yield FileRow.of(file.name, classes[answer.version], probabilities, image.needs_review, image.unknown, top)
