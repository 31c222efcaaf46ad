#!/usr/bin/env bash
# Ask the gate whether a bundle may take over from the one that is live, on the test images beside its training.
#   deploy/pipelines/gate.sh BUNDLE LIVE-BUNDLE FILE.json
# EYAS_GATE: keys of the gate (margin=0.02 …), a word each. Exit code 1: it may not.
set -euo pipefail
new=${1:?gate.sh: name the new bundle}
live=${2:?gate.sh: name the bundle that is live}
file=${3:?gate.sh: name the file to write}
repository=$(mktemp -d)
trap 'rm -rf "$repository"' EXIT
version() { python -c 'import sys; from eyas.bundle import open_bundle; print(open_bundle(sys.argv[1]).manifest.version)' "$1"; }
eyas models publish "$live" "$repository" --as candidate --live > /dev/null
eyas models publish "$new" "$repository" --as candidate > /dev/null
words=()
for word in ${EYAS_GATE:-}; do
  words+=(--set "$word")
done
eyas rollout check "$repository" candidate "$(version "$new")" "${words[@]}" --json > "$file"
