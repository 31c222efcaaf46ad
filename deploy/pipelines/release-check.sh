#!/usr/bin/env bash
# See that a release can be made, and leave its wheel and sdist in dist/.
#   deploy/pipelines/release-check.sh [TAG]
set -euo pipefail
cd "$(dirname "$0")/../.."
make release-check TAG="${1:-}"
