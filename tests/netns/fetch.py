"""`fetch.py URL SOURCE TIMEOUT [NAME=VALUE]`: one GET over a fresh connection from a source address, with a header of
choice; prints [status, body]."""

import http.client
import json
import sys
from urllib.parse import urlsplit

if __name__ == "__main__":
    url, source, timeout = urlsplit(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    connection = http.client.HTTPConnection(
        url.hostname or "", url.port, timeout, source_address=(source, 0) if source else None
    )
    try:
        connection.request("GET", url.path or "/", headers=dict(h.split("=", 1) for h in sys.argv[4:]))
        response = connection.getresponse()
        body = response.read()
        try:
            print(json.dumps([response.status, json.loads(body)]))
        except ValueError:
            print(json.dumps([response.status, {"text": body.decode()}]))
    except OSError as error:
        print(json.dumps([0, {"error": str(error)}]))
    except http.client.HTTPException as error:
        print(json.dumps([0, {"error": repr(error)}]))
