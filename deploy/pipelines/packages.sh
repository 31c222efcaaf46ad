#!/usr/bin/env bash
# Install packages of Debian or Ubuntu, for checks that skip what needs them where they are not.
#   deploy/pipelines/packages.sh postgresql prometheus
set -euo pipefail
if (($# == 0)); then
  echo "packages.sh: name at least one package, for example: packages.sh postgresql" >&2
  exit 2
fi
command -v apt-get > /dev/null || { echo "packages.sh: apt-get is not installed; install by other means: $*" >&2; exit 3; }
as_root=()
[[ $(id -u) == 0 ]] || as_root=(sudo)
"${as_root[@]}" apt-get -qq update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "$@"
