#!/usr/bin/env bash
# Make a small bundle of the built-in digits, for tests of an image.
#   deploy/pipelines/sample-bundle.sh DIR
set -euo pipefail
target=${1:?sample-bundle.sh: name the folder to make}
runs=$(mktemp -d)
trap 'rm -rf "$runs"' EXIT
eyas train digits train.epochs=2 train.precision=fp32 --to "$runs/sample"
eyas export "$runs/sample" --to "$target"
