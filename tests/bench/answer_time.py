"""A new endpoint in eu-central's manifests, until a client in us-east gets an answer from it; and until us-east's
controller knows of it.
"""

import statistics
import time
from collections.abc import Iterator

from federation.lab import api, look, manifests, topology
from federation.lab.cluster import cluster_of
from federation.lab.look import Answer
from federation.lab.manifests import Listed
from federation.lab.state import Lab
from federation.lab.topology import LAB
from tests.bench.raised import raised
from tests.bench.row import Row, median_row

NAMES = ("endpoint-to-answer-0ms", "endpoint-to-answer-90ms", "endpoint-to-peer-0ms", "endpoint-to-peer-90ms")
TARGETS = {"endpoint-to-answer-0ms": 150.0}
CLIENTS = {0: 1, 90: 8}
CHANGES = 50
GIVE_UP = 5.0
HOME, AWAY = LAB.member(topology.HOME), LAB.member(topology.AWAY)
OLD, *NEW = AWAY.endpoints


def measure(names: tuple[str, ...]) -> list[Row]:
    """A lab for each round trip that is asked for."""
    rows = []
    for rtt in CLIENTS:
        wanted = [name for name in names if name.endswith(f"-{rtt}ms")]
        if wanted:
            with raised(rtt) as lab:
                rows += [(answers if "answer" in name else peers)(name, lab, rtt) for name in wanted]
    return sorted(rows, key=lambda row: names.index(row.row))


def pauses() -> Iterator[float]:
    """0.3 to 1.3 s, spread so that changes meet timers of a second at every phase."""
    for number in range(CHANGES):
        yield 0.3 + number * 37 % 100 / 100


def offer(lab: Lab, *pods: object) -> float:
    """Let eu-central offer exactly these; the Unix time just before."""
    now = time.time()
    manifests.set_endpoints(cluster_of(lab, AWAY.name), [Listed(pod) for pod in pods])  # type: ignore[arg-type]
    return now


def answers(name: str, lab: Lab, rtt: int) -> Row:
    """Clients ask back to back over new connections all the time."""
    samples: list[float] = []
    alone: list[float] = []
    many = ("--count", "0", "--deadline", "600", "--timeout", "2", "--parallel", str(CLIENTS[rtt]))
    with look.watching(lab, HOME.name, *many) as watch:
        lines = iter(watch)
        for number, pause in enumerate(pauses()):
            offer(lab, OLD)
            alone += settle(lines, pause, 8 * CLIENTS[rtt])
            new = NEW[number % len(NEW)]
            samples += until(lines, new.name, offer(lab, OLD, new))
    return median_row(name, "ms", samples, CHANGES, note(alone, rtt), TARGETS.get(name))


def settle(lines: Iterator[Answer], pause: float, steady: int) -> list[float]:
    """Read until the pause is over and the old endpoint alone has answered for so many times; the requests' times."""
    begin, run, times = time.monotonic(), 0, []
    for one in lines:
        run = run + 1 if one["endpoint"] == OLD.name else 0
        times.append(float(one["ms"]))
        waited = time.monotonic() - begin
        if (run >= steady and waited >= pause) or waited > GIVE_UP + pause:
            break
    return times


def until(lines: Iterator[Answer], new: str, changed: float) -> list[float]:
    """Milliseconds from the change to the end of the first answer by the new endpoint; none when a request failed."""
    for one in lines:
        after = one["t"] + one["ms"] / 1000 - changed
        if one["endpoint"] == new:
            return [after * 1000]
        if not one["ok"] or after > GIVE_UP:
            break
    return []


def note(alone: list[float], rtt: int) -> str:
    """What the measurement itself adds; nothing was subtracted."""
    own = statistics.median(alone)
    gap = own / CLIENTS[rtt]
    return (
        f"write of the manifest to the end of the first answer, one endpoint beside an old one; {CLIENTS[rtt]} client(s) "
        f"back to back over new connections: the request itself takes {own:.1f} ms, polling adds about {gap:.1f} ms (half "
        "a gap, and half of the answers are the old endpoint's); nothing is subtracted; the first answer may be to a request "
        "that was on its way already; the gateway there takes the endpoint up, the record's way to the peer is not waited for"
    )


def peers(name: str, lab: Lab, rtt: int) -> Row:
    """Ask us-east's controller in a tight loop how many endpoints it knows in eu-central."""
    samples: list[float] = []
    for pause in pauses():
        offer(lab, OLD)
        counted(lab, 1)
        time.sleep(pause)
        changed = offer(lab, OLD, NEW[0])
        if counted(lab, 2):
            samples.append((time.time() - changed) * 1000)
    told = "write of the manifest until /v1/explain in us-east counts the endpoint (watch, plan, sign, session, verify, plan)"
    return median_row(name, "ms", samples, CHANGES, f"{told}; no requests meanwhile")


def counted(lab: Lab, ready: int) -> bool:
    """True as soon as us-east's controller states so many ready endpoints in eu-central; False when it never does."""
    end = time.monotonic() + GIVE_UP
    socket = look.api_socket(lab, HOME.name)
    while time.monotonic() < end:
        said = api.get(socket, "/v1/explain", of="shop/web", **{"from": HOME.name})
        if any(row["member"] == AWAY.name and row["ready"] == ready for row in said["inputs"]):
            return True
    return False
