"""`transfers.py URL SOURCE SIZE TIMEOUT`: this many random bytes there and back by POST over a kept connection, again and
again until its input ends; prints the seconds that each took, or what went wrong.
"""

import http.client
import os
import select
import sys
import time
from urllib.parse import urlsplit

if __name__ == "__main__":
    url, source, size, timeout = urlsplit(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout, source_address=(source, 0))
    while not select.select([sys.stdin], [], [], 0)[0]:
        content, began = os.urandom(size), time.monotonic()
        try:
            connection.request("POST", url.path or "/", body=content)
            same = connection.getresponse().read() == content
            print(f"{time.monotonic() - began:.3f}" if same else "other content came back", flush=True)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            print(repr(error), flush=True)
