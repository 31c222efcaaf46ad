#!/usr/bin/env bash
# Push an image, and say its address by digest: a tag may be moved, a digest cannot.
#   deploy/pipelines/image-push.sh IMAGE [ARCHIVE.tar]
# With an archive, that is loaded first. The digest is also written to $GITHUB_OUTPUT where there is one.
set -euo pipefail
image=${1:?image-push.sh: name the image}
image=$("$(dirname "$0")/image-name.sh" "$image")
engine=${ENGINE:-docker}
if [[ -n ${2:-} ]]; then
  "$engine" load --input "$2" > /dev/null
fi
"$engine" push --quiet "$image" > /dev/null
reference=$("$engine" image inspect --format '{{index .RepoDigests 0}}' "$image")
echo "$reference"
if [[ -n ${GITHUB_OUTPUT:-} ]]; then
  { echo "reference=$reference"; echo "name=${reference%@*}"; echo "digest=${reference#*@}"; } >> "$GITHUB_OUTPUT"
fi
