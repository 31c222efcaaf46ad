#!/usr/bin/env bash
# Deploy an image that holds a bundle: a new revision, a smoke test of its golden answers and latency, then the traffic;
# what was live before is put back where any of it fails.
#   deploy/pipelines/deploy.sh ecs|cloudrun|azure IMAGE BUNDLE
# Names of the cloud's own come from the environment, see below; PULL_FROM is the image's name in a registry that mirrors it. EYAS_TOKEN is for the smoke test of a guarded service.
set -euo pipefail
target=${1:?deploy.sh: name the target: ecs, cloudrun or azure}
image=${2:?deploy.sh: name the image, by its digest}
bundle=${3:?deploy.sh: name the bundle that the image holds}
[[ -z ${PULL_FROM:-} ]] || image=$PULL_FROM@${image#*@}
needed() {
  for name in "$@"; do
    [[ -n ${!name:-} ]] || { echo "deploy.sh: $target needs $name in the environment" >&2; exit 2; }
  done
}
files=$(mktemp -d)/files
trap 'rm -rf "$(dirname "$files")"' EXIT
roll_out() {  # a cancelled job's signals go to eyas, which puts back what was live; this waits until it has
  local code stopped=1
  eyas deploy roll-out "$@" &
  local eyas=$!
  trap 'stopped=1; kill -TERM "$eyas" 2>/dev/null || true' INT TERM
  while [[ -n $stopped ]]; do  # a signal ends `wait` early
    stopped="" code=0
    wait "$eyas" || code=$?
  done
  return "$code"
}
smoke=(--latency-ms "${LATENCY_MS:-250}" --hold "${HOLD_SECONDS:-0}")
case $target in
  ecs)
    needed AWS_REGION AWS_ACCOUNT ECS_CLUSTER ECS_SERVICE SERVICE_URL
    eyas deploy ecs --bundle "$bundle" --image "$image" --out "$files" ${SERVICE_NAME:+--name "$SERVICE_NAME"} --account "$AWS_ACCOUNT" --region "$AWS_REGION"
    roll_out ecs "$files" --bundle "$bundle" --cluster "$ECS_CLUSTER" --service "$ECS_SERVICE" --url "$SERVICE_URL" "${smoke[@]}"
    ;;
  cloudrun)
    needed GCP_PROJECT GCP_REGION
    eyas deploy cloudrun --bundle "$bundle" --image "$image" --out "$files" ${SERVICE_NAME:+--name "$SERVICE_NAME"}
    roll_out cloudrun "$files" --bundle "$bundle" --project "$GCP_PROJECT" --region "$GCP_REGION" ${API_ENDPOINT:+--endpoint "$API_ENDPOINT"} "${smoke[@]}"
    ;;
  azure)
    needed AZURE_LOCATION AZURE_ENVIRONMENT_ID AZURE_VAULT AZURE_IDENTITY_ID AZURE_SUBSCRIPTION_ID AZURE_RESOURCE_GROUP
    eyas deploy azure --bundle "$bundle" --image "$image" --out "$files" ${SERVICE_NAME:+--name "$SERVICE_NAME"} \
      --location "$AZURE_LOCATION" --environment "$AZURE_ENVIRONMENT_ID" --vault "$AZURE_VAULT" --identity "$AZURE_IDENTITY_ID"
    roll_out azure "$files" --bundle "$bundle" --subscription "$AZURE_SUBSCRIPTION_ID" --resource-group "$AZURE_RESOURCE_GROUP" \
      ${API_ENDPOINT:+--endpoint "$API_ENDPOINT"} "${smoke[@]}"
    ;;
  *)
    echo "deploy.sh: the target must be ecs, cloudrun or azure, got $target" >&2
    exit 2
    ;;
esac
