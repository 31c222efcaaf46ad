#!/usr/bin/env bash
# Build the serving image with this machine's docker, podman or buildah.
#   deploy/pipelines/image-build.sh IMAGE [BUNDLE]
# With a bundle, that is inside, once it has given its golden answers. $ARCHIVE also keeps the image as a file.
# The labels say the commit and the repository that the pipeline has told.
set -euo pipefail
image=${1:?image-build.sh: name the image, for example ghcr.io/me/eyas:1}
image=$("$(dirname "$0")/image-name.sh" "$image")
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
eyas deploy image ${2:+"$2"} --out "$context/image" --tag "$image" --build ${GITHUB_SHA:+--revision "$GITHUB_SHA"} \
  ${GITHUB_REPOSITORY:+--source "${GITHUB_SERVER_URL:-https://github.com}/$GITHUB_REPOSITORY"}
if [[ -n ${ARCHIVE:-} ]]; then
  "${ENGINE:-docker}" save --output "$ARCHIVE" "$image"
fi
