"""`flood.py ADDRESS PAUSE`: an ICMPv6 echo (RFC 4443 section 4) each PAUSE seconds until its input ends; then, once the last
may be answered, one line of JSON: how many were `sent`, how many were `lost`, and the longest `gap` between two answers
with the Unix second `since` when it lasted.
"""

import json
import os
import select
import socket
import struct
import sys
import time
from itertools import pairwise

REQUEST, REPLY = 128, 129
PATIENCE = 2.0
HEADER = struct.Struct("!BBHHI")

if __name__ == "__main__":
    address, pause = sys.argv[1], float(sys.argv[2])
    mark = os.getpid() & 0xFFFF
    answered: dict[int, float] = {}
    sent, due, end = 0, time.monotonic(), float("inf")
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
        raw.connect((address, 0))
        raw.setblocking(False)
        while (now := time.monotonic()) < end:
            if now >= due and end == float("inf"):
                raw.send(HEADER.pack(REQUEST, 0, 0, mark, sent))
                sent, due = sent + 1, due + pause
                continue
            watched = [raw, sys.stdin] if end == float("inf") else [raw]
            ready = select.select(watched, [], [], max(0.0, min(due, end) - now) if watched[1:] else end - now)[0]
            if raw in ready:
                data = raw.recv(2048)
                kind, _, _, whose, number = HEADER.unpack_from(data.ljust(HEADER.size, b"\0"))
                if kind == REPLY and whose == mark and len(data) == HEADER.size:
                    answered.setdefault(number, time.monotonic())
            if sys.stdin in ready:
                end = time.monotonic() + PATIENCE
    moments = sorted(answered.values())
    gap, begun = max(((after - before, before) for before, after in pairwise(moments)), default=(0.0, 0.0))
    since = round(time.time() - time.monotonic() + begun, 2)
    print(json.dumps({"sent": sent, "lost": sent - len(answered), "gap": round(gap, 3), "since": since}))
