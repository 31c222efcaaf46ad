#!/usr/bin/env bash
# List what is in an image, as SPDX.
#   deploy/pipelines/image-sbom.sh IMAGE FILE.spdx.json
set -euo pipefail
image=${1:?image-sbom.sh: name the image, or an archive of one}
file=${2:?image-sbom.sh: name the file to write}
command -v syft > /dev/null || { echo "image-sbom.sh: syft is not installed: https://github.com/anchore/syft" >&2; exit 3; }
syft scan "$image" --output "spdx-json=$file"
