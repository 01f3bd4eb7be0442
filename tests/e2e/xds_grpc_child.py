"""A proxyless gRPC client in a process of its own (its bootstrap is global to a process): reads `target count` lines, makes
that many calls and writes one JSON line {answer: how often}.
"""

import json
import sys
from collections import Counter

import grpc


def main() -> None:
    channels: dict[str, grpc.Channel] = {}
    for line in sys.stdin:
        target, count = line.split()
        if target not in channels:
            channels[target] = grpc.insecure_channel(f"xds:///{target}")
        call = channels[target].unary_unary("/test/Name")
        said: Counter[str] = Counter()
        for _ in range(int(count)):
            try:
                said[call(b"", timeout=5).decode()] += 1
            except grpc.RpcError as error:
                said[f"{error.code().name} {error.details()}"] += 1
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
