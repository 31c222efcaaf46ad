"""The verbs of trust: token, sign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eyas.cli import completion
from eyas.cli.words import AsJson, BundlePath, ConfigFile, Overrides, find_bundle, print_json, read_words, tell
from eyas.core.errors import ConfigError, needs_extra


def token(
    overrides: Overrides = None,
    config: ConfigFile = None,
    sub: Annotated[str | None, typer.Option(help="Whom it is for.", metavar="NAME")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What it is for; may be given several times.",
            metavar="predict|feedback|admin",
            autocompletion=completion.scopes,
        ),
    ] = None,
    hours: Annotated[float, typer.Option(help="How long it is good.", min=0.001, max=24 * 366)] = 24.0,
    key: Annotated[
        Path | None, typer.Option(help="An RSA or P-256 private key in PEM to sign with.", metavar="PEM")
    ] = None,
    kid: Annotated[str | None, typer.Option(help="The key's name.")] = None,
    show_jwks: Annotated[
        bool, typer.Option("--show-jwks", help="Print the JWK set that the key's tokens are verified with instead.")
    ] = False,
    new_secret: Annotated[
        Path | None, typer.Option(help="Write a new secret to a file instead.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Issue a token for a service that asks for them (serve.auth), or make what tokens are signed with.

    Example: eyas token --new-secret secret; eyas token --sub ann --scope predict serve.auth.secret_file=secret
    """
    with needs_extra("serve"):
        from eyas.core.schema import AuthConfig
        from eyas.serve.trust import SigningKey, issue, write_new_secret

    if new_secret is not None:
        write_new_secret(new_secret)
        if as_json:
            print_json({"wrote": [str(new_secret)]})
        return
    if show_jwks:
        if key is None or kid is None:
            raise ConfigError("--show-jwks needs the key and a name for it: --key PEM --kid NAME")
        print_json({"keys": [SigningKey(key, kid).entry()]})
        return
    if sub is None or not scope:
        raise ConfigError("a token needs whom and what it is for: --sub NAME --scope predict")
    _, settings = read_words(overrides, config)
    signing = SigningKey(key, kid) if key else None
    issued = issue(settings.serve.auth or AuthConfig(), sub, scope, hours, signing)
    tell(as_json, {"token": issued, "sub": sub, "scope": scope, "hours": hours}, issued)


def sign(
    bundle: BundlePath,
    key: Annotated[Path, typer.Option(help="A private key in PEM, on the curve P-256, P-384 or P-521.", metavar="PEM")],
    as_json: AsJson = False,
) -> None:
    """Sign a bundle, for services that load none that is not signed (serve.require_signature); prints the file.

    Example: eyas sign runs/digits-mlp-1 --key signing.pem
    """
    with needs_extra("serve"):
        from eyas.serve.trust import sign as sign_bundle

    signature = sign_bundle(find_bundle(bundle), key)
    tell(as_json, {"signature": str(signature)}, str(signature))
