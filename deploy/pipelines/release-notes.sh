#!/usr/bin/env bash
# The changelog's part of a version on standard output.
#   deploy/pipelines/release-notes.sh v0.1.0
set -euo pipefail
version=${1:?release-notes.sh: name the tag, for example v0.1.0}
version=${version#v}
changelog=$(dirname "$0")/../../CHANGELOG.md
notes=$(awk -v heading="## [$version]" 'index($0, "## [") == 1 { inside = index($0, heading) == 1; next } inside' "$changelog")
[[ -n ${notes//[[:space:]]/} ]] || { echo "release-notes.sh: CHANGELOG.md says nothing of $version" >&2; exit 1; }
printf '%s\n' "$notes"
