#!/bin/sh
# Publishes two mutations. curl repeats the request after 503 and waits as Retry-After says;
# the key makes the repeats safe. curl reads the token from standard input: arguments can be
# read by every user of the machine.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/lines" <<'LINES'
{"item_id":"SKU-1","operation":"UPSERT","attributes":{"title":"Linen shirt","price":"24.99 USD"}}
{"item_id":"SKU-2","operation":"DELETE"}
LINES

failed=0
printf 'header = "Authorization: Bearer %s"\n' "$COURIER_TOKEN" |
  curl --silent --show-error --fail-with-body --retry 5 --max-time 60 --config - \
    --header "Content-Type: application/x-ndjson" --header "Idempotency-Key: run-$(date +%s)-$$" \
    --data-binary "@$work/lines" --output "$work/answer" "$COURIER_URL" || failed=$?
cat "$work/answer" # of the last attempt
exit "$failed"
