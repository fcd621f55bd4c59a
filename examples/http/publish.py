"""Publishes two mutations; repeats the request with the same key while the server answers 503."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

MUTATIONS = [
    {"item_id": "SKU-1", "operation": "UPSERT", "attributes": {"title": "Linen shirt", "price": "24.99 USD"}},
    {"item_id": "SKU-2", "operation": "DELETE"},
]


def publish(mutations: list, key: str, attempts: int = 5) -> dict:
    request = urllib.request.Request(
        os.environ["COURIER_URL"],
        data="\n".join(json.dumps(m) for m in mutations).encode(),
        headers={
            "Authorization": "Bearer " + os.environ["COURIER_TOKEN"],
            "Content-Type": "application/x-ndjson",
            "Idempotency-Key": key,
        },
        method="POST",
    )
    while True:
        attempts -= 1
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as refused:
            problem = json.load(refused)
            if refused.code != 503 or not problem.get("repeat_safe", True) or attempts <= 0:
                for error in problem.get("errors", []):
                    print(f"line {error['line']}: {error['detail']}", file=sys.stderr)
                sys.exit(f"{refused.code}: {problem['detail']}")
            time.sleep(int(refused.headers["Retry-After"]))


print(json.dumps(publish(MUTATIONS, str(uuid.uuid4()))))
