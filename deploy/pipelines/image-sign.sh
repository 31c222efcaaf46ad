#!/usr/bin/env bash
# Sign an image and its SBOM without a key: by the identity of the workflow that runs this.
#   deploy/pipelines/image-sign.sh NAME@sha256:DIGEST FILE.spdx.json
set -euo pipefail
reference=${1:?image-sign.sh: name the image by its digest}
sbom=${2:?image-sign.sh: name its SBOM}
[[ $reference =~ @sha256:[0-9a-f]{64}$ ]] || { echo "image-sign.sh: the image must be NAME@sha256:DIGEST, got $reference" >&2; exit 2; }
command -v cosign > /dev/null || { echo "image-sign.sh: cosign is not installed: https://docs.sigstore.dev" >&2; exit 3; }
cosign sign --yes "$reference"
cosign attest --yes --type spdxjson --predicate "$sbom" "$reference"
