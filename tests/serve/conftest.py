from collections.abc import Iterator
from pathlib import Path

import pytest

from eyas.bundle import Bundle
from eyas.core.schema import ServeConfig
from eyas.serve.app import create_app
from support.asgi import Client, asgi_client
from support.bundles import make_bundle
from support.server import Server, running


@pytest.fixture(scope="session")
def grey(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """8 × 8 × 1."""
    return make_bundle(tmp_path_factory.mktemp("grey") / "bundle")


@pytest.fixture(scope="session")
def colour(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """32 × 32 × 3."""
    return make_bundle(tmp_path_factory.mktemp("colour") / "bundle", size=(32, 32), channels=3)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """224 × 224 × 3, as the source's."""
    return make_bundle(tmp_path_factory.mktemp("large") / "bundle", size=(224, 224), channels=3)


@pytest.fixture(scope="session")
def client(grey: Bundle) -> Iterator[Client]:
    """The app over `grey`, with small limits."""
    with asgi_client(create_app(grey, ServeConfig(max_body_mb=0.1, max_images=8, max_pixels=10_000))) as made:
        yield made


@pytest.fixture(scope="session")
def colour_client(colour: Bundle) -> Iterator[Client]:
    with asgi_client(create_app(colour, ServeConfig())) as made:
        yield made


@pytest.fixture(scope="session")
def server(grey: Bundle) -> Iterator[Server]:
    """The real server over `grey`, on a port of its own."""
    with running(grey.path, max_body_mb=1.0) as made:
        yield made


@pytest.fixture
def digit_file(tmp_path: Path, grey: Bundle) -> Path:
    """One of the golden images, as PNG."""
    from PIL import Image

    path = tmp_path / "digit.png"
    Image.fromarray(grey.golden().images[0, ..., 0]).save(path)
    return path
