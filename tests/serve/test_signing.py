"""Signed bundles: only those by the right key, as they were when they were signed."""

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from eyas.bundle import Bundle, Repository
from eyas.core.errors import BundleError, ConfigError, IntegrityError
from eyas.serve.trust import open_trusted, sign
from support.bundles import make_bundle
from support.server import running, start
from support.tokens import private_key, write_key
from support.waiting import wait_until

Pair = tuple[Path, Path]


def key_pair(folder: Path, key: Any) -> Pair:
    private = write_key(folder / "signing.pem", key)
    public = folder / "signing.pub"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return key_pair(tmp_path_factory.mktemp("keys"), private_key("ES256"))


@pytest.fixture
def bundle(grey: Bundle, tmp_path: Path, keys: Pair) -> Path:
    """A signed copy."""
    copy = shutil.copytree(grey.path, tmp_path / "digits")
    assert sign(copy, keys[0]) == tmp_path / "digits.sig"
    return copy


def test_a_signed_bundle_is_opened_under_any_name(bundle: Path, keys: Pair) -> None:
    assert open_trusted(bundle, str(keys[1])).manifest.name == "digits"
    assert [file.name for file in bundle.parent.glob("*digits*")] == ["digits", "digits.sig"]
    moved = bundle.rename(bundle.with_name("moved"))
    bundle.with_name("digits.sig").rename(bundle.with_name("moved.sig"))
    assert open_trusted(moved, str(keys[1])).path == moved
    link = bundle.with_name("live")
    link.symlink_to(moved)
    assert open_trusted(link, str(keys[1])).path == moved


def test_no_signature_is_asked_for_where_no_key_is_named(grey: Bundle) -> None:
    assert open_trusted(grey.path, None).manifest == grey.manifest


def test_an_unsigned_bundle_is_refused(grey: Bundle, keys: Pair) -> None:
    with pytest.raises(IntegrityError, match=r"must be signed \(serve.require_signature\), but there is no .*\.sig"):
        open_trusted(grey.path, str(keys[1]))


def test_another_key_is_refused(bundle: Path, keys: Pair, tmp_path: Path) -> None:
    theirs = key_pair(tmp_path, private_key("ES256", 9))
    sign(bundle, theirs[0])
    with pytest.raises(IntegrityError, match="does not vouch for"):
        open_trusted(bundle, str(keys[1]))
    signature = bundle.with_name("digits.sig")  # and that it claims to be ours changes nothing
    stolen = json.loads(signature.read_text())
    sign(bundle, keys[0])
    stolen["verificationMaterial"] = json.loads(signature.read_text())["verificationMaterial"]
    signature.write_text(json.dumps(stolen))
    with pytest.raises(IntegrityError, match=r"digits\.sig is not by the key .*signing\.pub, or was changed"):
        open_trusted(bundle, str(keys[1]))


def test_a_bundle_that_was_made_anew_around_another_graph_is_refused(bundle: Path, keys: Pair, tmp_path: Path) -> None:
    """What its own hashes cannot show: whoever changes the graph can write a manifest that fits."""
    from support.bundles import make_bundle

    other = make_bundle(tmp_path / "other", version="digits-2")
    shutil.rmtree(bundle)
    other.path.rename(bundle)
    with pytest.raises(IntegrityError, match=r"does not vouch for .* files are not those that were signed"):
        open_trusted(bundle, str(keys[1]))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff\xfe", b'{"mediaType": 7}', b'{"dsseEnvelope": {}}'])
def test_a_damaged_signature_is_refused(bundle: Path, keys: Pair, content: bytes) -> None:
    bundle.with_name("digits.sig").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"digits\.sig"):
        open_trusted(bundle, str(keys[1]))


def test_a_file_that_was_added_is_refused(bundle: Path, keys: Pair) -> None:
    (bundle / ".git").mkdir()  # which signatures leave out; the manifest does not
    (bundle / ".git" / "config").write_text("x")
    with pytest.raises(IntegrityError, match=r"\.git/config is not listed"):
        open_trusted(bundle, str(keys[1]))


def test_only_a_whole_bundle_is_signed(bundle: Path, keys: Pair, tmp_path: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"x")
    with pytest.raises(IntegrityError, match=r"model\.onnx has changed"):
        sign(bundle, keys[0])
    with pytest.raises(BundleError, match="is not a bundle"):
        sign(tmp_path, keys[0])


def test_a_key_of_another_kind_is_told(bundle: Path, keys: Pair, tmp_path: Path) -> None:
    wrong = [private_key("RS256"), ec.generate_private_key(ec.SECP256K1())]
    for private, public in (key_pair(tmp_path, key) for key in wrong):
        with pytest.raises(ConfigError, match=r"signing\.pem must be a PEM key on the curve P-256"):
            sign(bundle, private)
        with pytest.raises(ConfigError, match=r"signing\.pub must be a PEM key on the curve P-256"):
            open_trusted(bundle, str(public))
    with pytest.raises(ConfigError, match=r"cannot read the key .*none: No such file"):
        open_trusted(bundle, str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"signing\.pub must be"):
        sign(bundle, keys[1])


def test_a_real_server_serves_what_is_signed_and_nothing_else(bundle: Path, keys: Pair, grey: Bundle) -> None:
    with running(bundle, workers=1, require_signature=str(keys[1])):
        pass
    server = start(grey.path, require_signature=str(keys[1]))
    _, err = server.process.communicate(timeout=60)
    assert server.process.returncode != 0
    assert "must be signed (serve.require_signature)" in err


def test_a_signature_is_published_with_its_bundle_and_stays(bundle: Path, keys: Pair, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "models")
    published = repository.publish(bundle)
    assert open_trusted(published.path, str(keys[1])).manifest == published.manifest
    other = make_bundle(tmp_path / "other", sharpness=2.0).path  # of the same version
    sign(other, keys[0])
    with pytest.raises(BundleError, match="exists already with another content"):
        repository.publish(other)
    assert open_trusted(published.path, str(keys[1])).manifest == published.manifest
    repository.remove("digits", published.manifest.version)
    assert not list(tmp_path.glob("models/**/*.sig"))


def test_a_real_server_serves_what_is_signed_of_a_repository(bundle: Path, keys: Pair, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "models")
    repository.publish(bundle, live=True)
    with running(repository.path, require_signature=str(keys[1]), poll_seconds=0.1, workers=1, admin=True) as server:
        unsigned = make_bundle(tmp_path / "unsigned", version="digits-2")
        repository.publish(unsigned.path, live=True)
        refused = f"{server.url}/admin/models"
        wait_until(lambda: "must be signed" in httpx.get(refused).text, 30)
        assert httpx.get(f"{server.url}/health").json()["version"] == "digits-1"
        sign(repository.folder("digits", "digits-2"), keys[0])  # seen by the next look
        wait_until(lambda: httpx.get(f"{server.url}/health").json()["version"] == "digits-2", 30)
