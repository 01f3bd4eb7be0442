"""`ticks.py URL SOURCE PAUSE TIMEOUT`: a GET each PAUSE seconds over a kept connection until its input ends; prints of each
when it began (Unix seconds), how long it took, and its status or what went wrong.
"""

import http.client
import select
import sys
import time
from urllib.parse import urlsplit

if __name__ == "__main__":
    url, source, pause, timeout = urlsplit(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout, source_address=(source, 0))
    while not select.select([sys.stdin], [], [], pause)[0]:
        began = time.time()
        try:
            connection.request("GET", url.path or "/")
            response = connection.getresponse()
            response.read()
            said = str(response.status)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            said = repr(error)
        print(f"{began:.3f} {time.time() - began:.3f} {said}", flush=True)
