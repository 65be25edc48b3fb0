#!/bin/sh
# Makes the seeds anew: a few small inputs for each target, with keys that protect nothing.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p public_key certificate inventory_actor journal_verify config ca_key_file values krl

for kind in ed25519 ecdsa; do
    ssh-keygen -q -t "$kind" -N '' -C '' -f "$work/$kind"
    cp "$work/$kind.pub" "public_key/$kind"
    ssh-keygen -q -s "$work/ed25519" -I agt-a -n one,two -V +1h -O clear -O permit-pty \
        -O force-command=/bin/true -O source-address=10.0.0.0/8 -z 1 "$work/$kind.pub"
    # Both as a line and as the bytes inside it.
    cp "$work/$kind-cert.pub" "certificate/$kind"
    cut -d ' ' -f 2 "$work/$kind-cert.pub" | base64 -d >"certificate/$kind-bytes"
    cut -d ' ' -f 2 "$work/$kind.pub" | base64 -d >"public_key/$kind-bytes"
    cp "$work/$kind" "ca_key_file/$kind"
    grep -v -e ----- "$work/$kind" | base64 -d >"ca_key_file/$kind-bytes"
done
ssh-keygen -q -t ed25519 -a 1 -N passphrase -C '' -f "$work/encrypted"
grep -v -e ----- "$work/encrypted" | base64 -d >ca_key_file/encrypted-bytes

cat >inventory_actor/everything <<'END'
[types.agt]
max_ttl = "12h"
extensions = ["permit-pty", "permit-port-forwarding"]

[actors.agt-a]
type = "agt"
principals = ["one", "two"]
ttl = "1h"
max_ttl = "2h"
min_ttl = "1m"
extensions = ["permit-pty"]
force_command = "/bin/true"
source_address = ["10.0.0.0/8", "2001:db8::1"]
verify_required = true
public_keys = ["SHA256:JQ6FV0rf7qqJHZqIj4zNH8eV0oB8KLKh9Pph3FTD98g"]
subjects = ["iam:a"]
disabled = false
expires = 2027-01-01
description = "what it is for"
owner = "team:a"
reviewed = 2026-11-22
END

cat >config/everything <<'END'
backend = "local"
ca_key = "~/ca"
ca_passphrase_file = "passphrase"
inventory_path = "inventory"
state_dir = "/var/lib/warden"
END

zeros=$(printf '%064d' 0)
line() {
    printf '{"v":1,"seq":%s,"prev":"%s","at":"2026-11-22T12:00:00Z","event_id":"00","kind":"certificate","outcome":"denied","reason":"actor_disabled","actor":"agt-a"}' "$1" "$2"
}
first=$(line 1 "$zeros")
second=$(line 2 "$(printf %s "$first" | sha256sum | cut -d ' ' -f 1)")
printf '%s\n%s\n' "$first" "$second" >journal_verify/two-records

printf 'serial: 1\nserial: 3\nserial: 5\nserial: 100-200\nserial: 70000\nid: agt-a\n' >"$work/spec"
for one in 7 9 11 13 15 17 19 21 23 25 27 29 31; do echo "serial: $one" >>"$work/spec"; done
sed 's/^/sha1: /' "$work/ecdsa.pub" >>"$work/spec"
sed 's/^/sha256: /' "$work/ecdsa.pub" >>"$work/spec"
cat "$work/ed25519.pub" >>"$work/spec"
ssh-keygen -q -k -f krl/everything -s "$work/ed25519.pub" "$work/spec"

printf 1h30m15s >values/ttl
printf 10.0.0.0/8,2001:db8::/32 >values/source-address
printf agt-state-hub-bridge >values/actor-name
printf 'SHA256:JQ6FV0rf7qqJHZqIj4zNH8eV0oB8KLKh9Pph3FTD98g' >values/fingerprint
printf '5:%s' "$zeros" >values/head
