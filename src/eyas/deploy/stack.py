"""The compose file with what it needs beside it: what images are built from, settings, secrets."""

from __future__ import annotations

import secrets
from pathlib import Path

from eyas.bundle import Bundle
from eyas.core import io
from eyas.core.schema.trust import SECRET_BYTES
from eyas.deploy.context import write_context
from eyas.deploy.images import image_tag

COMPOSE = Path("deploy") / "compose"
SECRETS = Path("secrets")


def write_stack(folder: Path, bundle: Bundle | None) -> None:
    """Write all of it into a folder; with a bundle, the service's image holds it, and its volume begins with it."""
    write_context(folder, bundle)
    if bundle:
        io.write_text(folder / COMPOSE / ".env", _settings(bundle))
    (folder / "data").mkdir()
    write_secrets(folder / SECRETS)


def _settings(bundle: Bundle) -> str:
    values = {
        "EYAS_MODEL": bundle.manifest.name,
        "EYAS_SERVE_IMAGE": image_tag(bundle.manifest),
        "EYAS_SERVE_TARGET": "with-model",
    }
    return "# .env.example has what else can be set here.\n" + "".join(
        f"{key}={value}\n" for key, value in values.items()
    )


def write_secrets(folder: Path) -> None:
    """New ones. Their folder keeps other users of this machine out; the containers' users must be able to read them."""
    folder.mkdir(mode=0o700)
    password = _secret()
    written = {
        "auth_secret": f"{_secret()}\n",
        "grafana_password": f"{_secret()}\n",
        "jupyter_token": _secret(),  # Jupyter would take the end of the line for a part of it
        "pg_service": f"[eyas]\nuser=eyas\npassword={password}\n",
        "postgres_password": f"{password}\n",
        ".gitignore": "*\n",
    }
    for name, content in written.items():
        io.write_text(folder / name, content)


def _secret() -> str:
    return secrets.token_urlsafe(SECRET_BYTES)
