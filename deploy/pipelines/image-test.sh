#!/usr/bin/env bash
# Run an image as production does, with no right and a root that cannot be written to, and ask it for golden answers.
#   deploy/pipelines/image-test.sh IMAGE BUNDLE
# An image without a model gets the bundle as a volume: MOUNT=1.
set -euo pipefail
image=${1:?image-test.sh: name the image}
image=$("$(dirname "$0")/image-name.sh" "$image")
bundle=$(realpath "${2:?image-test.sh: name the bundle that it is to serve}")
engine=${ENGINE:-docker}
command -v "$engine" > /dev/null || { echo "image-test.sh: $engine is not installed; ENGINE names another" >&2; exit 3; }
work=$(mktemp -d)
container=
trap '[[ -z $container ]] || { "$engine" logs "$container" >&2 || true; "$engine" rm --force "$container" > /dev/null; }; rm -rf "$work"' EXIT
eyas token --new-secret "$work/secret" > /dev/null
chmod 755 "$work" && chmod 644 "$work/secret"  # the image's user is not this one
EYAS_TOKEN=$(eyas token --sub pipeline --scope predict "serve.auth.secret_file=$work/secret")
export EYAS_TOKEN
container=$("$engine" run --detach --read-only --cap-drop ALL --security-opt no-new-privileges --tmpfs /tmp \
  --tmpfs /var/lib/eyas:uid=10001,gid=10001 --volume "$work/secret:/run/secrets/auth_secret:ro" \
  ${MOUNT:+--volume "$bundle:/models:ro"} --publish "127.0.0.1:${PORT:-15000}:5000" "$image")
eyas smoke "http://127.0.0.1:${PORT:-15000}" --bundle "$bundle" --wait 60
user=$("$engine" exec "$container" id -u)
[[ $user != 0 ]] || { echo "image-test.sh: $image runs as root" >&2; exit 1; }
