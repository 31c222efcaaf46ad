#!/usr/bin/env bash
# Run checks by their names in the Makefile, one after the other.
#   deploy/pipelines/check.sh lint types contracts
set -euo pipefail
if (($# == 0)); then
  echo "check.sh: name at least one target of the Makefile, for example: check.sh lint" >&2
  exit 2
fi
cd "$(dirname "$0")/../.."
make "$@"
