#!/usr/bin/env bash
# An image's name as registries take it: in small letters, but for its tag. An owner on GitHub may have capitals.
#   deploy/pipelines/image-name.sh IMAGE
set -euo pipefail
image=${1:?image-name.sh: name the image}
tag=
[[ ${image##*/} != *:* ]] || tag=:${image##*:}
printf '%s%s\n' "$(tr '[:upper:]' '[:lower:]' <<< "${image%"$tag"}")" "$tag"
