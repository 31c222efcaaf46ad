"""Whose bundle it is: a signature beside the bundle (OpenSSF Model Signing), by a key that is at hand, offline.

models/digits      the bundle, in which no unlisted file may be
models/digits.sig  its signature: the hash of each of its files, signed
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eyas.bundle import Bundle, open_bundle, signature_of
from eyas.core.errors import BundleError, ConfigError, IntegrityError, needs_extra


def open_trusted(bundle: Path, public_key: str | None) -> Bundle:
    """Open a bundle; where a key is given, its signature is verified before anything in it is read.

    Raises:
        IntegrityError: it is not signed, not by this key, or was changed since; or as of `open_bundle`.
        BundleError: no bundle.
        ConfigError: no such key.
    """
    if public_key is not None:
        bundle = bundle.resolve()  # a link that is changed meanwhile changes nothing
        verify(bundle, Path(public_key))
    return open_bundle(bundle)


def verify(bundle: Path, public_key: Path) -> None:
    """Verify a bundle's signature.

    Raises:
        IntegrityError: it is not signed, not by this key, or was changed since.
        ConfigError: no such key.
    """
    with needs_extra("signing"):
        from cryptography.exceptions import InvalidSignature
        from model_signing import verifying
    verifier = verifying.Config()
    _use(verifier.use_elliptic_key_verifier, public_key=public_key)
    signature = signature_of(bundle)
    if not signature.is_file():
        raise IntegrityError(f"{bundle} must be signed (serve.require_signature), but there is no {signature}")
    try:
        verifier.verify(bundle, signature)
    except InvalidSignature:
        raise IntegrityError(f"{signature} is not by the key {public_key}, or was changed") from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OSError) as error:  # whatever is in the file
        changed = str(error).startswith("Signature mismatch")
        why = "the bundle's files are not those that were signed" if changed else error
        raise IntegrityError(f"{signature} does not vouch for {bundle} with the key {public_key}: {why}") from error


def sign(bundle: Path, private_key: Path) -> Path:
    """Sign a bundle; an older signature is replaced.

    Returns:
        The signature's file.

    Raises:
        BundleError: no bundle, or not a whole one.
        ConfigError: no such key.
    """
    open_bundle(bundle)
    with needs_extra("signing"):
        from model_signing import signing
    signer = signing.Config()
    _use(signer.use_elliptic_key_signer, private_key=private_key)
    signature = signature_of(bundle)
    partial = signature.with_name(f".{signature.name}.partial")
    try:
        signer.sign(bundle.resolve(), partial)
        partial.replace(signature)
    except ValueError as error:
        raise BundleError(f"{bundle} cannot be signed: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return signature


def _use(take: Any, **key: Path) -> None:
    """Hand a key over.

    Raises:
        ConfigError: no such key.
    """
    (path,) = key.values()
    try:
        take(**key)
    except OSError as error:
        raise ConfigError(f"cannot read the key {path}: {error.strerror}") from error
    except (ValueError, TypeError, AttributeError) as error:  # another kind of key lacks a curve
        raise ConfigError(
            f"{path} must be a PEM key on the curve P-256, P-384 or P-521, not encrypted: {error}"
        ) from error
