"""`kaggle:owner/name`: a data set of kaggle.com, with the user's own credentials."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path

from eyas.core.errors import ConfigError, DataError
from eyas.core.io import cache_dir
from eyas.data.sources.download import RefusedError, download
from eyas.data.writing import writing_cache

SCHEME = "kaggle:"
ENDPOINT = "https://www.kaggle.com"
REFERENCE = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
CREDENTIALS = "KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY, or ~/.kaggle/kaggle.json"
MEANING = {
    401: f"Kaggle does not know these credentials; give {CREDENTIALS}",
    403: f"Kaggle refuses: accept the data set's terms on its page, or give {CREDENTIALS}",
    404: "there is no such data set on Kaggle, or it is private",
}


@writing_cache()
def fetch(spec: str) -> Path:
    """The data set's zip file, downloaded where it is not in the cache.

    Args:
        spec: `kaggle:owner/name`.

    Raises:
        ConfigError: another form.
        DataError: Kaggle refuses, or the download failed.
    """
    reference = spec.removeprefix(SCHEME)
    if not REFERENCE.fullmatch(reference):
        raise ConfigError(f"a Kaggle data set is {SCHEME}owner/name, got {spec!r}")
    target = cache_dir() / "downloads" / "kaggle" / f"{reference}.zip"
    if target.exists():
        return target
    base = os.environ.get("KAGGLE_API_ENDPOINT", ENDPOINT).rstrip("/")
    try:
        return download([f"{base}/api/v1/datasets/download/{reference}"], target, headers=_authorization())
    except RefusedError as error:
        raise DataError(f"{spec}: {MEANING.get(error.status, error)} (HTTP {error.status})") from error


def _authorization() -> dict[str, str]:
    """The header that the credentials make; none without credentials, which public sets do not need."""
    if token := os.environ.get("KAGGLE_API_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    user, key = os.environ.get("KAGGLE_USERNAME"), os.environ.get("KAGGLE_KEY")
    if not (user and key):
        user, key = _from_file()
    if not (user and key):
        return {}
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()}


def _from_file() -> tuple[str | None, str | None]:
    folder = Path(os.environ.get("KAGGLE_CONFIG_DIR") or Path.home() / ".kaggle")
    file = folder / "kaggle.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return str(content["username"]), str(content["key"])
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} must hold a JSON object with username and key") from error
