#!/bin/sh
# Founds the federation in $FOLDER, a state folder for each line of $MEMBERS: name region az reachable clusterset sync kubeconfig.
# The first is the registrar. sync "-": port $NODE_PORT of the cluster's first worker. Members that are there stay as they are.
set -eu

sync_of() {
    [ "$1" = - ] || { printf '%s\n' "$1"; return; }
    address=$(kubectl --kubeconfig "$2" get nodes --selector isthmus.dev/gateway=true \
        --output 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}')
    printf '%s:%s\n' "$address" "$NODE_PORT"
}

admit() {
    "$ISTHMUS" member admit --state "$FOLDER/$registrar" --request "$FOLDER/$1.request" --ledger "$FOLDER/ledger"
    rm "$FOLDER/$1.request"
}

umask 077
mkdir -p "$FOLDER"
registrar=
while read -r name region az reachable clusterset sync kubeconfig; do
    state=$FOLDER/$name
    [ -n "$registrar" ] || registrar=$name
    [ -e "$state/member.json" ] && continue
    set -- --state "$state" --domain "$DOMAIN" --name "$name" --region "$region" --az "$az" \
        --reachable "$reachable" --clusterset "$clusterset" --sync "$(sync_of "$sync" "$kubeconfig")"
    if [ "$name" = "$registrar" ]; then
        "$ISTHMUS" init "$@"
    else
        federation=$(sed -n 's/.*"federation": *"\([^"]*\)".*/\1/p' "$FOLDER/$registrar/member.json")
        "$ISTHMUS" member request "$@" --federation "$federation" --out "$FOLDER/$name.request"
        admit "$name"
    fi
done <<TABLE
$MEMBERS
TABLE

[ -e "$FOLDER/ledger" ] || exit 0
while read -r name _; do
    [ "$name" = "$registrar" ] || "$ISTHMUS" member accept --state "$FOLDER/$name" --ledger "$FOLDER/ledger"
done <<TABLE
$MEMBERS
TABLE
