"""Receives outcomes of catalog changes. Needs nothing but Python 3.

    OUTCOMES_SECRET=whsec_… python3 receive.py 8000

Behind a proxy with TLS. Answer quickly, and do the work elsewhere: what is not
answered in time is sent again.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRETS = os.environ["OUTCOMES_SECRET"].split()  # two while one is being replaced
TOLERANCE = 300  # seconds


def verify(headers, body, secrets=SECRETS, now=None):
    """Whether one of the secrets signed the body, a short time ago."""
    message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs((now or time.time()) - int(timestamp)) > TOLERANCE:
        return False
    signed = f"{message_id}.{timestamp}.".encode() + body
    given = [part[3:] for part in headers["webhook-signature"].split() if part.startswith("v1,")]
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        if any(hmac.compare_digest(wanted, signature) for signature in given):
            return True
    return False


seen = set()  # of a real receiver: a table, as an event may come twice


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            if not verify(self.headers, body):
                raise ValueError("wrong signature")
        except (KeyError, TypeError, ValueError):
            self.send_response(401)
            self.end_headers()
            return
        for event in json.loads(body)["data"]:
            if event["id"] in seen:
                continue
            seen.add(event["id"])
            outcome = event["data"]
            print(outcome["item_id"], outcome["status"], outcome.get("errors", ""), flush=True)
        self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print("listening on port", server.server_port, flush=True)
    server.serve_forever()
