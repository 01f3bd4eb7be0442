#!/bin/sh
# Applies the manifests and the state folder $STATE to the cluster of $KUBECONFIG_FILE, and waits for the controller.
set -eu
apply() { kubectl --kubeconfig "$KUBECONFIG_FILE" apply --server-side --force-conflicts "$@"; }

apply -f "$DEPLOY/namespaces.yaml"
"$ISTHMUS" deploy secret --state "$STATE" | apply -f -
apply -k "$(dirname "$0")/kind"
kubectl --kubeconfig "$KUBECONFIG_FILE" --namespace isthmus-system rollout status deployment/isthmus-controller --timeout 300s
