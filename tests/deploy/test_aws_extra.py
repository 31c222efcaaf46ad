"""Without boto3, `eyas deploy roll-out ecs` names the extra."""

import json
import subprocess
import sys
from pathlib import Path

from support.bundles import make_bundle

WITHOUT = "import sys; sys.modules['boto3'] = None; from eyas.cli import main; main()"


def test_boto3_is_an_extra(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle").path
    task = {"containerDefinitions": [{"name": "serve", "image": "registry.example.com/digits:1"}]}
    (tmp_path / "task-definition.json").write_text(json.dumps(task))
    where = ["--cluster", "prod", "--service", "digits", "--url", "http://127.0.0.1:1"]
    words = ["deploy", "roll-out", "ecs", str(tmp_path), "--bundle", str(bundle), *where]
    done = subprocess.run([sys.executable, "-c", WITHOUT, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 8, done.stderr
    assert 'boto3 is not installed; this command needs it: pip install "eyas[aws]"' in done.stderr
