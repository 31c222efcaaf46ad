#!/usr/bin/env bash
# Get a bundle, and see that it is whole.
#   deploy/pipelines/fetch-bundle.sh SOURCE DIR
# SOURCE is a folder, a bundle.tar.gz, its https address, or the tag of a GitHub release that holds one; `latest` is the
# last release whose tag begins with model-. Exit code 120, which neither gh nor curl has: there
# is none yet.
set -euo pipefail
source=${1:?fetch-bundle.sh: name the folder, the archive, its address or the tag of a release}
target=${2:?fetch-bundle.sh: name the folder to make}
[[ ! -e $target ]] || { echo "fetch-bundle.sh: $target is there already" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
archive=$work/bundle.tar.gz
if [[ $source == latest ]]; then
  source=$(gh release list --exclude-drafts --exclude-pre-releases --limit 100 --json tagName --jq '[.[].tagName | select(startswith("model-"))][0] // ""') \
    || { echo "fetch-bundle.sh: gh cannot list the releases" >&2; exit 2; }
  [[ -n $source ]] || { echo "fetch-bundle.sh: no model was released yet" >&2; exit 120; }
fi
if [[ -d $source ]]; then
  tar -czf "$archive" -C "$source" .
elif [[ -f $source ]]; then
  cp -- "$source" "$archive"
elif [[ $source == https://* ]]; then
  curl --silent --show-error --fail --location --proto =https --output "$archive" "$source"
else
  gh release download "$source" --pattern bundle.tar.gz --output "$archive"
fi
mkdir "$work/bundle"
python -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2], filter="data")' "$archive" "$work/bundle"
python -c 'import sys; from eyas.bundle import open_bundle; m = open_bundle(sys.argv[1]).manifest; print(m.name, m.version)' "$work/bundle"
mkdir -p "$(dirname "$target")"
mv "$work/bundle" "$target"
