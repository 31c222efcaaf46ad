from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from eyas.bundle import Bundle
from eyas.client import AsyncClient, Client
from support.bundles import make_bundle
from support.server import Server, running

Ask = Callable[..., Any]
"""ask(url, method, *arguments, options={}, **keywords): what one client's method gives."""


def ask_sync(url: str, method: str, *arguments: Any, options: dict[str, Any] | None = None, **keywords: Any) -> Any:
    with Client(url, **(options or {})) as client:
        return getattr(client, method)(*arguments, **keywords)


def ask_async(url: str, method: str, *arguments: Any, options: dict[str, Any] | None = None, **keywords: Any) -> Any:
    async def run() -> Any:
        async with AsyncClient(url, **(options or {})) as client:
            return await getattr(client, method)(*arguments, **keywords)

    return asyncio.run(run())


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Each test of it runs with both clients."""
    made: Ask = request.param
    return made


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """8 × 8 × 1."""
    return make_bundle(tmp_path_factory.mktemp("client") / "bundle")


@pytest.fixture(scope="session")
def server(bundle: Bundle) -> Iterator[Server]:
    with running(bundle.path, max_body_mb=0.05, workers=1) as made:
        yield made


@pytest.fixture(scope="session")
def digit_files(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> list[Path]:
    """The golden images, as PNG."""
    folder = tmp_path_factory.mktemp("digits")
    paths = []
    for number, image in enumerate(bundle.golden().images):
        paths.append(folder / f"{number:02}.png")
        Image.fromarray(image[..., 0]).save(paths[-1])
    return paths
