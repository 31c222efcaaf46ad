#!/usr/bin/env bash
# Propose a model: a draft release with its bundle and its report. Who publishes the draft deploys it.
#   deploy/pipelines/propose.sh OUT
set -euo pipefail
out=${1:?propose.sh: name the folder that retrain.sh made}
[[ -f $out/bundle.tar.gz && -f $out/report.md ]] || { echo "propose.sh: $out lacks bundle.tar.gz or report.md" >&2; exit 2; }
[[ -f $out/gate.json || -f $out/no-gate.json ]] || { echo "propose.sh: $out has neither gate.json nor no-gate.json: was the gate asked?" >&2; exit 2; }
if [[ -f $out/gate.json ]] && ! python -c 'import json, sys; sys.exit(not json.load(open(sys.argv[1]))["passed"])' "$out/gate.json"; then
  echo "propose.sh: the gate is shut; nothing is proposed" >&2
  exit 1
fi
title=$(sed -n '1s/^# //p' "$out/report.md")
tag=model-$(date -u +%Y%m%d-%H%M%S)
gh release create "$tag" --draft --latest=false --title "$title" --notes-file "$out/report.md" "$out/bundle.tar.gz"
echo "proposed $tag: $title"
