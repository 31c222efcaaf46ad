#!/usr/bin/env bash
# Train anew, and ask the gate whether the result may take over from what is live.
#   deploy/pipelines/retrain.sh OUT [LIVE]
# LIVE is what fetch-bundle.sh takes; without it, or where nothing is live yet, there is no gate. EYAS_CONFIG names the
# configuration (eyas.yaml by default), EYAS_DATA a dataset to fetch first, EYAS_GATE keys of the gate (margin=0.02 …), a
# word each, MODEL and VERSION the bundle's (model, the time). OUT gets bundle/, bundle.tar.gz, report.md, and
# gate.json, or no-gate.json where no gate was asked.
# Exit code 1: the gate is shut.
set -euo pipefail
none_yet=120  # fetch-bundle.sh's
out=${1:?retrain.sh: name the folder to make}
live=${2:-}
here=$(realpath "$(dirname "$0")")
mkdir "$out"
out=$(realpath "$out")
config=(--config "${EYAS_CONFIG:-eyas.yaml}")
if [[ -n ${EYAS_DATA:-} ]]; then
  eyas data fetch "$EYAS_DATA"
fi
eyas data check "${config[@]}" --json > "$out/data.json"
run=$out/${MODEL:-model}
eyas train "${config[@]}" --to "$run"
eyas evaluate "$run" --out "$out/evaluation" > "$out/evaluation.txt"
eyas export "$run" "export.version=${VERSION:-$(date -u +%Y.%m.%d.%H%M%S)}" --to "$out/bundle"
tar -czf "$out/bundle.tar.gz" -C "$out/bundle" .
found=$none_yet verdict=0
if [[ -n $live ]]; then
  found=0
  "$here/fetch-bundle.sh" "$live" "$out/live" || found=$?
  ((found == 0 || found == none_yet)) || exit 2
fi
if ((found == 0)); then
  "$here/gate.sh" "$out/bundle" "$out/live" "$out/gate.json" || verdict=$?
  ((verdict <= 1)) || exit 2
else
  echo '{"why": "no model was live that this one could be compared with"}' > "$out/no-gate.json"
fi
"$here/report.sh" "$out" > "$out/report.md"
exit "$verdict"
