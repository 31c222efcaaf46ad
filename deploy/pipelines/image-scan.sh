#!/usr/bin/env bash
# Refuse an image with a known weakness that is high or critical and has been mended elsewhere.
#   deploy/pipelines/image-scan.sh IMAGE|ARCHIVE.tar
set -euo pipefail
image=${1:?image-scan.sh: name the image, or an archive of one}
command -v trivy > /dev/null || { echo "image-scan.sh: trivy is not installed: https://trivy.dev" >&2; exit 3; }
source=("$image")
[[ -f $image ]] && source=(--input "$image")
trivy image --scanners vuln,secret --severity HIGH,CRITICAL --ignore-unfixed --exit-code 1 --no-progress "${source[@]}"
