"""Ask running services what their OpenAPI documents allow and forbid, and see that they answer as those say: no 5xx, no
answer that is not described, nothing refused that is allowed, nothing taken that is forbidden.

    python tests/api/check_api.py build/schemathesis/bin/st [OPTIONS OF st run, such as --seed 2 --max-examples 500]

Run by `make api-check`, from an environment that has the learning half: it makes the bundles. 1 to 4 minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from eyas.bundle import Repository  # noqa: E402
from eyas.cli.local_server import local_server  # noqa: E402
from support.bundles import make_bundle  # noqa: E402
from support.tokens import SECRET, bearing, token  # noqa: E402

VERTEX = ("serve.vertex_predict_route=/vertex", "serve.vertex_health_route=/vertex/health")
# Both follow what one operation has made or deleted into another; here none makes or deletes anything.
UNUSED = "use_after_free,ensure_resource_availability"


def main() -> None:
    st = Path(sys.argv[1]).absolute()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        failed = [name for name, check in (("plain", plain), ("guarded", guarded)) if not check(st, work)]
    if failed:
        sys.exit(f"not as described: {', '.join(failed)}")


def plain(st: Path, work: Path) -> bool:
    """One bundle, with class activation maps and Vertex AI's paths."""
    bundle = make_bundle(work / "bundle", version="1", cam=True)
    with local_server(bundle.path, VERTEX) as url:
        return conforms(st, url, work)


def guarded(st: Path, work: Path) -> bool:
    """A repository with its admin endpoints, behind tokens and a rate."""
    repository = Repository(work / "models")
    for version in ("1", "2"):
        repository.publish(make_bundle(work / version, version=version, cam=True).path, live=True)
    secret = work / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    words = (
        "serve.admin=true",
        "serve.versions=all",
        f"serve.auth.secret_file={secret}",
        f"serve.audit_file={work}/audit",
        f"serve.monitor.folder={work}/watching",
    )
    rate = ("serve.rate.per_second=1000", "serve.rate.burst=1000")
    said = bearing(token(scope="predict feedback admin"))
    with local_server(repository.path, (*words, *rate)) as url:
        return conforms(st, url, work, [f"{name}: {value}" for name, value in said.items()])


def conforms(st: Path, url: str, work: Path, headers: Sequence[str] = ()) -> bool:
    command = [str(st), "--config-file", str(HERE / "schemathesis.toml"), "run", f"{url}/openapi.json"]
    command += ["--checks", "all", "--exclude-checks", UNUSED]
    command += sys.argv[2:]
    command += [word for header in headers for word in ("--header", header)]
    env = os.environ | {"SCHEMATHESIS_HOOKS": "plausible", "PYTHONPATH": str(HERE)}
    return subprocess.run(command, env=env, cwd=work, check=False).returncode == 0


if __name__ == "__main__":
    main()
