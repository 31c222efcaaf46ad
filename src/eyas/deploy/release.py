"""What is deployed: a bundle's name and version, and the image that holds it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from eyas.core.errors import ConfigError
from eyas.deploy.fitting import open_known

NAME_LENGTH = 40  # Cloud Run's 49 and Container Apps' 32 less what they append; `fitting_name` cuts
LABEL_LENGTH = 63
IMAGE = re.compile(
    r"(?P<repository>[a-z0-9](?:[a-z0-9._/-]|:(?=[0-9]+/))*[a-z0-9])"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class Image:
    """A reference to an image that names one and the same image tomorrow."""

    repository: str
    """With the registry: `registry.example.com:5000/team/eyas`."""
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.repository}{self.tag and f':{self.tag}'}{self.digest and f'@{self.digest}'}"

    @property
    def registry(self) -> str:
        """Its host; Docker's own where the reference names none."""
        first, mark, _ = self.repository.partition("/")
        return first if mark and ("." in first or ":" in first or first == "localhost") else "docker.io"


@dataclass(frozen=True)
class Release:
    """One version of one model, in an image."""

    model: str
    version: str
    digest: str
    """SHA-256 of the bundle's manifest."""
    image: Image

    @property
    def name(self) -> str:
        """Of the service, as every platform takes it: lower case letters, digits and hyphens."""
        return fitting_name(self.model)

    @property
    def label(self) -> str:
        """The version as the value of a label."""
        return fitting_label(self.version)


def parse_image(text: str) -> Image:
    """An image by its reference.

    Raises:
        ConfigError: no reference, or one that may be another image tomorrow: without a tag or digest, or `latest`.
    """
    match = IMAGE.fullmatch(text)
    if match is None:
        raise ConfigError(f"--image must be a reference such as registry.example.com/eyas:1, got {text!r}")
    image = Image(match["repository"], match["tag"] or "", match["digest"] or "")
    if not image.digest and image.tag in ("", "latest"):
        raise ConfigError(
            f"--image must name one image for good, by a tag other than latest or by its digest, got {text}: "
            "what cannot be told from its successor cannot be rolled back to"
        )
    return image


def open_release(bundle: Path, image: str) -> Release:
    """The release of a bundle in an image.

    Raises:
        BundleError: as of `open_known`.
        ConfigError: as of `parse_image`.
    """
    manifest = open_known(bundle).manifest
    return Release(manifest.name, manifest.version, manifest.digest, parse_image(image))


def fitting_name(text: str, length: int = NAME_LENGTH) -> str:
    """`text` in lower case letters, digits and hyphens, a letter first, none of the hyphens last (RFC 1035)."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    lettered = plain if plain[:1].isalpha() else f"eyas-{plain}"
    return lettered[:length].strip("-")


def fitting_label(text: str) -> str:
    """`text` as the value of a label: lower case letters, digits, `_` and `-`, which every platform takes."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower())[:LABEL_LENGTH].strip("-_")
