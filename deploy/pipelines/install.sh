#!/usr/bin/env bash
# Install eyas from this checkout with the extras named, at the locked versions, into the Python that is first on the path.
#   deploy/pipelines/install.sh serve client [-- PACKAGE...]
# What comes after -- is installed as pip takes it, at no locked version: boto3 and the lock do not fit together.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
extras=()
while (($#)) && [[ $1 != -- ]]; do
  extras+=("$1")
  shift
done
(($#)) && shift
if ((${#extras[@]} == 0)); then
  echo "install.sh: name at least one extra, for example: install.sh serve client" >&2
  exit 2
fi
names=$(IFS=, && echo "${extras[*]}")
python -m pip install --quiet --disable-pip-version-check --constraint "$root/requirements.lock" "${root}[${names}]"
if (($#)); then
  python -m pip install --quiet --disable-pip-version-check "$@"
fi
eyas --version
