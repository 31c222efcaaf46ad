"""Files of the Hugging Face hub, through huggingface_hub's own cache."""

from __future__ import annotations

import os
import re
from pathlib import Path

from eyas.core import io
from eyas.core.errors import ConfigError, needs_extra

DIGEST = re.compile(r"[0-9a-f]{64}")
ON = ("1", "true", "yes", "on")


def fetch(repository: str, name: str, *, offline: bool) -> Path | None:
    """A file of a model's repository, downloaded where it is not in the cache; one that is cut goes on.

    Large files are named in the cache by their SHA-256; what does not hash to it is removed.

    Args:
        repository: `owner/name`, or `owner/name@revision`.
        offline: look in the cache alone, as HF_HUB_OFFLINE=1 does.

    Returns:
        Its path in the cache; None where the repository has no such file.

    Raises:
        ConfigError: no such repository, no network and not in the cache, or a damaged file.
    """
    with needs_extra("pretrained"):
        from huggingface_hub import constants, errors, hf_hub_download
    owner_name, _, revision = repository.partition("@")
    cached_only = offline or os.environ.get("HF_HUB_OFFLINE", "").lower() in ON
    address = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    try:
        path = hf_hub_download(
            owner_name, name, revision=revision or None, local_files_only=cached_only, endpoint=address
        )
    except errors.LocalEntryNotFoundError as error:
        why = "this is offline" if cached_only else f"{address} cannot be reached ({_cause(error)})"
        raise ConfigError(
            f"{name} of {owner_name} is not in the cache {constants.HF_HUB_CACHE}, and {why}; with a network: "
            f"hf download {owner_name} {name}"
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
        raise ConfigError(f"model.backbone: {address} has no model {repository} for you: {error}") from error
    except errors.EntryNotFoundError:
        return None
    except Exception as error:
        if not isinstance(error, (errors.HfHubHTTPError, OSError)) and not _of_connection(error):
            raise
        raise ConfigError(f"{name} of {owner_name} cannot be downloaded: {error}; run the command again") from error
    return _checked(Path(path), name)


def is_cached(repository: str, name: str) -> bool:
    """Whether the cache has this file of the repository."""
    with needs_extra("pretrained"):
        from huggingface_hub import try_to_load_from_cache
    owner_name, _, revision = repository.partition("@")
    return isinstance(try_to_load_from_cache(owner_name, name, revision=revision or None), str)


def _of_connection(error: Exception) -> bool:
    """huggingface_hub speaks through httpx or httpx2, whose errors are no OSErrors; before 1.0 through requests."""
    return type(error).__module__.startswith("httpx")


def _checked(path: Path, name: str) -> Path:
    blob = path.resolve()
    if DIGEST.fullmatch(blob.name) and (found := io.sha256_file(blob)) != blob.name:
        blob.unlink()
        path.unlink(missing_ok=True)
        raise ConfigError(
            f"{name} is damaged: its SHA-256 must be {blob.name[:12]}…, got {found[:12]}…; it was removed from the "
            "cache, run the command again"
        )
    return path


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)
