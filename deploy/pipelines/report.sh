#!/usr/bin/env bash
# What a retraining found, as Markdown on standard output.
#   deploy/pipelines/report.sh OUT
set -euo pipefail
out=${1:?report.sh: name the folder that retrain.sh made}
python - "$out" <<'PYTHON'
import json, sys
from pathlib import Path

from eyas.bundle import open_bundle

out = Path(sys.argv[1])
manifest = open_bundle(out / "bundle").manifest
print(f"# {manifest.name} {manifest.version}\n")
print(f"{manifest.architecture}, {manifest.parameters:,} parameters, trained on {manifest.dataset.images}.\n")
gate = out / "gate.json"
if gate.is_file():
    found = json.loads(gate.read_text())
    print(f"## The gate is {'open' if found['passed'] else 'shut'}\n\n| check | | found |\n| --- | --- | --- |")
    words = {True: "passed", False: "**failed**", None: "not measured"}
    for check in found["checks"]:
        print(f"| {check['name']} | {words[check['passed']]} | {check['words'].replace('|', '&#124;')} |")
    print("".join(f"\n{note}" for note in found.get("notes", ())))
else:
    print("## No gate\n\nNo model was live that this one could be compared with.")
print(f"\n## On its test images\n\n```\n{(out / 'evaluation.txt').read_text().rstrip()}\n```\n")
print((out / "bundle" / "card.md").read_text())
PYTHON
