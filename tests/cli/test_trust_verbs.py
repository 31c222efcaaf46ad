"""`eyas token` and `eyas sign`, as a person uses them."""

import json
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from eyas.core.errors import ConfigError
from eyas.core.schema import AuthConfig
from eyas.serve.trust import SigningKey, issue, open_trusted, write_new_secret
from eyas.serve.trust.keys import open_keys
from eyas.serve.trust.tokens import Tokens
from support.bundles import make_bundle
from support.loaded import loaded_eyas
from support.tokens import private_key, write_key


def eyas(*words: object, code: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [loaded_eyas(), *map(str, words)], capture_output=True, text=True, timeout=60, check=False, **options
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_a_secret_and_a_token_by_it(tmp_path: Path) -> None:
    secret = tmp_path / "new" / "secret"
    assert eyas("token", "--new-secret", secret).stdout == ""  # it is not shown
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert [file.name for file in secret.parent.iterdir()] == ["secret"]
    made = eyas(
        "token", "--sub", "ann", "--scope", "predict", "--scope", "admin", "--hours", "2",
        f"serve.auth.secret_file={secret}", "serve.auth.audience=cats",
    )  # fmt: skip
    auth = AuthConfig(secret_file=str(secret), audience="cats")
    caller = Tokens(auth, open_keys(auth)).caller(made.stdout.strip().encode())
    assert (caller.subject, caller.scopes) == ("ann", {"predict", "admin"})
    said = jwt.decode(made.stdout.strip(), options={"verify_signature": False})
    assert abs(said["exp"] - time.time() - 7200) < 60
    assert said["jti"]
    assert "exists already and is never overwritten" in eyas("token", "--new-secret", secret, code=2).stderr


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_token_by_a_key_and_the_set_that_verifies_it(tmp_path: Path, algorithm: str) -> None:
    pem = write_key(tmp_path / "key.pem", private_key(algorithm))
    keys = tmp_path / "keys.json"
    keys.write_text(eyas("token", "--key", pem, "--kid", "one", "--show-jwks").stdout)
    (entry,) = json.loads(keys.read_text())["keys"]
    assert entry.keys() <= {"kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"}  # nothing private
    auth = AuthConfig(algorithm=algorithm, jwks=str(keys))
    words = (f"serve.auth.algorithm={algorithm}", f"serve.auth.jwks={keys}")
    made = eyas("token", "--sub", "ann", "--scope", "predict", "--key", pem, "--kid", "one", *words)
    assert Tokens(auth, open_keys(auth)).caller(made.stdout.strip().encode()).subject == "ann"


def test_what_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EYAS_AUTH_SECRET", raising=False)
    assert "--sub NAME --scope predict" in eyas("token", "--sub", "ann", code=2).stderr
    assert "serve.auth needs a secret" in eyas("token", "--sub", "ann", "--scope", "predict", code=2).stderr
    assert "--key PEM --kid NAME" in eyas("token", "--show-jwks", code=2).stderr


def test_a_token_that_no_server_would_take_is_not_issued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EYAS_AUTH_SECRET", "a secret of thirty-two bytes or more")
    with pytest.raises(ConfigError, match=r"scope must be one of admin, feedback, predict, got predictions"):
        issue(AuthConfig(), "ann", ["predictions"], 1)
    for subject in ("", "a" * 256, "a\nb"):
        with pytest.raises(ConfigError, match="the subject must be 1 to 255 printable characters"):
            issue(AuthConfig(), subject, ["predict"], 1)
    by_keys = AuthConfig(algorithm="RS256", jwks="keys.json")
    with pytest.raises(ConfigError, match="needs the private key to sign with: --key PEM"):
        issue(by_keys, "ann", ["predict"], 1)
    pem = write_key(tmp_path / "key.pem", private_key("ES256"))
    with pytest.raises(ConfigError, match="algorithm=RS256 needs a key for it, got one for ES256"):
        issue(by_keys, "ann", ["predict"], 1, SigningKey(pem))


def test_a_key_that_signs_no_tokens_is_told(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    for key, says in (
        (ec.generate_private_key(ec.SECP384R1()), "must hold an RSA key .RS256., or one on the curve P-256"),
        (rsa.generate_private_key(65537, 1024), "must hold an RSA key of 2048 bits or more, got 1024"),
    ):
        with pytest.raises(ConfigError, match=says):
            SigningKey(write_key(tmp_path / "key.pem", key), "one")
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(ConfigError, match="must hold a private key in PEM, not encrypted"):
        SigningKey(tmp_path / "key.pem")
    with pytest.raises(ConfigError, match=r"cannot read the key .*No such file"):
        SigningKey(tmp_path / "none")


def test_a_secret_is_written_once_whoever_is_first(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    write_new_secret(file)
    first = file.read_text()
    assert len(first.strip()) >= 43
    with pytest.raises(ConfigError, match="never overwritten"):
        write_new_secret(file)
    assert file.read_text() == first
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_a_bundle_is_signed(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "run" / "bundle").path
    key = private_key("ES256")
    pem = write_key(tmp_path / "signing.pem", key)
    signed = eyas("sign", tmp_path / "run", "--key", pem)
    assert signed.stdout.strip() == str(bundle.with_name("bundle.sig"))
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = tmp_path / "signing.pub"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert open_trusted(bundle, str(public)).path == bundle


def test_neither_loads_what_it_does_not_need() -> None:
    code = (
        "import sys, eyas.serve.trust; print([m for m in ('sigstore', 'model_signing', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("call", "extra"),
    [
        ("open_keys(AuthConfig(algorithm='ES256', jwks='keys.json'))", "jwks"),
        ("SigningKey(Path('key.pem'))", "jwks"),
        ("open_trusted(Path('bundle'), 'signing.pub')", "signing"),
    ],
)
def test_what_needs_an_extra_names_it_and_a_secret_needs_none(call: str, extra: str) -> None:
    code = f"""
import os, sys
from pathlib import Path
sys.modules["cryptography"] = None  # as if it were not installed
from eyas.core.errors import MissingExtraError
from eyas.core.schema import AuthConfig
from eyas.serve.trust import SigningKey, issue, open_trusted
from eyas.serve.trust.keys import open_keys
from eyas.serve.trust.tokens import Tokens
os.environ["EYAS_AUTH_SECRET"] = "a secret of thirty-two bytes or more"
auth = AuthConfig()
print(Tokens(auth, open_keys(auth)).caller(issue(auth, "ann", ["predict"], 1).encode()).subject)
try:
    {call}
except MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    served, refused = done.stdout.splitlines()
    assert served == "ann"
    assert refused.startswith("cryptography")
    assert refused.endswith(f'is not installed; this command needs it: pip install "eyas[{extra}]"')
