"""Bearer tokens for a cloud's API: from the environment, a file, or the cloud's own command. They are never logged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from eyas.core.errors import ConfigError

COMMAND_SECONDS = 60


@dataclass(frozen=True)
class TokenSource:
    """Where one cloud's token comes from."""

    variable: str
    """Of the environment; with `_FILE` behind it, that of a file's path."""
    command: tuple[str, ...]
    """That prints one."""


GOOGLE = TokenSource("CLOUDSDK_AUTH_ACCESS_TOKEN", ("gcloud", "auth", "print-access-token"))
AZURE = TokenSource(
    "AZURE_ACCESS_TOKEN",
    ("az", "account", "get-access-token", "--resource", "https://management.azure.com/", "--output", "json"),
)


@dataclass(frozen=True)
class Token:
    """A secret whose repr does not show it."""

    text: str = field(repr=False)

    def header(self) -> dict[str, str]:
        """That carries it."""
        return {"Authorization": f"Bearer {self.text}"}


def find_token(source: TokenSource) -> Token:
    """The token for a cloud's API.

    Raises:
        ConfigError: there is none, or it is no token.
    """
    text = _given(source)
    if text is None:
        text = _asked(source)
    token = _inner(text)
    if not token or not all("!" <= character <= "~" for character in token):
        raise ConfigError(f"the token of {source.variable} or `{source.command[0]}` is empty, or no token")
    return Token(token)


def where(source: TokenSource) -> str | None:
    """Where a token would come from, without asking for one; None where nothing is there."""
    if os.environ.get(source.variable):
        return source.variable
    if os.environ.get(f"{source.variable}_FILE"):
        return f"{source.variable}_FILE"
    asked = f"`{' '.join(source.command[:3])}`, where it is logged in"
    return asked if shutil.which(source.command[0]) else None


def _given(source: TokenSource) -> str | None:
    if text := os.environ.get(source.variable):
        return text
    if (file := os.environ.get(f"{source.variable}_FILE")) is None:
        return None
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the token in {source.variable}_FILE={file}: {error}") from error


def _asked(source: TokenSource) -> str:
    name = source.command[0]
    if shutil.which(name) is None:
        raise ConfigError(
            f"there is no token for the cloud's API: set {source.variable} or {source.variable}_FILE, or install {name}"
        )
    try:
        done = subprocess.run(source.command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"`{name}` gave no token within {COMMAND_SECONDS} s") from error
    if done.returncode:
        raise ConfigError(f"`{' '.join(source.command[:3])}` gave no token: {done.stderr.strip()[-300:]}")
    return done.stdout


def _inner(text: str) -> str:
    """`az` prints JSON, gcloud the token itself."""
    text = text.strip()
    if not text.startswith("{"):
        return text
    try:
        return str(json.loads(text).get("accessToken", ""))
    except ValueError:
        return ""
