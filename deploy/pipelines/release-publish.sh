#!/usr/bin/env bash
# Make the GitHub release of a tag, with what dist/ holds and the changelog's part.
#   deploy/pipelines/release-publish.sh v0.1.0 DIST
set -euo pipefail
tag=${1:?release-publish.sh: name the tag}
dist=${2:?release-publish.sh: name the folder with the wheel and the sdist}
notes=$(mktemp)
trap 'rm -f "$notes"' EXIT
"$(dirname "$0")/release-notes.sh" "$tag" > "$notes"
gh release create "$tag" --verify-tag --title "eyas ${tag#v}" --notes-file "$notes" "$dist"/*
