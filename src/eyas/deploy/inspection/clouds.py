"""What `eyas deploy roll-out` needs of each cloud. Nothing is asked of a cloud itself."""

from __future__ import annotations

from collections.abc import Iterator

from eyas.deploy.inspection.finding import Finding
from eyas.deploy.shifting.ecs import open_session
from eyas.deploy.shifting.tokens import AZURE, GOOGLE, TokenSource, where


def look_for_google() -> Finding:
    """Where a token of Google Cloud would come from."""
    return _token("cloudrun", GOOGLE)


def look_for_azure() -> Finding:
    """Where a token of Azure would come from."""
    return _token("azure", AZURE)


def look_for_aws() -> Iterator[Finding]:
    """boto3, credentials, a region."""
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ModuleNotFoundError:
        yield Finding("ecs", "boto3", False, 'pip install "eyas[aws]"')
        return
    yield Finding("ecs", "boto3", True, boto3.__version__)
    try:
        session = open_session()
        found = session.get_credentials()
    except BotoCoreError as error:  # a profile that is not there, a file that is none
        yield Finding("ecs", "credentials", False, str(error))
        return
    said = f"by {found.method}" if found else "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in by `aws`"
    yield Finding("ecs", "credentials", found is not None, said)
    region = session.region_name
    yield Finding("ecs", "a region", bool(region), region or "set AWS_REGION, or name --region")


def _token(target: str, source: TokenSource) -> Finding:
    found = where(source)
    said = found or f"set {source.variable} or {source.variable}_FILE, or install {source.command[0]}"
    return Finding(target, "a token", found is not None, said)
