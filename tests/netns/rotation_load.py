"""New mutual TLS connections between two lab regions for as long as anchors are rotated.

The load is a new TCP connection for each request to a port that is no HTTP, so that node Envoy and gateway Envoy make a new
mutual TLS connection for each: Envoy's own count of handshakes says so.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation.lab import api, look, manifests
from federation.lab.cluster import Folder, Part
from federation.lab.look import Answer
from federation.lab.manifests import Listed
from federation.lab.state import Lab, load
from federation.lab.topology import LAB
from tests.netns.spaces import await_true
from tests.netns.test_live_lab import isthmus

THERE, BACK = "eu-central", "us-east"
SERVICES = {THERE: "there", BACK: "back"}
SECONDS = 40.0


def offer_both(path: Path) -> None:
    """Each of the two regions offers a service of plain TCP to the other, and is served at return."""
    for member, service in SERVICES.items():
        folder, pods = path / member / "manifests", LAB.member(member).endpoints[:2]
        texts = {service: manifests.SERVICE.format(service=service)}
        texts[f"{service}-endpoints"] = manifests.slice_text(map(Listed, pods), service)
        for name, text in texts.items():
            plain = "".join(line for line in text.splitlines(True) if "appProtocol" not in line)
            Folder(folder).put(Part(f"{name}.yaml", plain))
        Folder(folder).put(manifests.access(manifests.CLIENTS, service))
    for client, server in ((BACK, THERE), (THERE, BACK)):
        await_true(f"{client} is served", lambda c=client, s=server: answered(load(path), c, s))  # type: ignore[misc]


@dataclass(frozen=True)
class Load:
    """What clients in each region were answered; `rate` is that of `out`, new connections a second."""

    out: list[Answer]
    home: list[Answer]
    rate: int

    @property
    def failed(self) -> list[str]:
        """Every request that was not answered well, in a few words."""
        return [look.told(answer) for answer in (*self.out, *self.home) if not answer["ok"]]


@contextmanager
def connecting(path: Path, rate: int, rate_back: int) -> Iterator[Load]:
    """Load both ways during the block, which begins when it runs."""
    live = load(path)
    there = look.recording(live, BACK, "--rate", str(rate), url=url(THERE))
    back = look.recording(live, THERE, "--rate", str(rate_back), url=url(BACK))
    with there as out, back as home:
        await_true("load runs", lambda: len(out) >= rate and len(home) >= rate_back)
        yield Load(out, home, rate)


def url(member: str) -> str:
    return f"http://{SERVICES[member]}.shop.svc.clusterset.local/"


def answered(lab: Lab, client: str, server: str) -> bool:
    answers = look.fetch(lab, client, 1, "--timeout", "2", url=url(server))
    return bool(answers) and answers[0]["member"] == server


def trust(lab: Path, member: str) -> dict[str, Any]:
    """What `isthmus trust status` prints, without a process that takes time from those that are measured."""
    return api.get(lab / member / "state" / "api.sock", "/v1/trust")


def begin(lab: Path, member: str) -> None:
    said = isthmus("trust", "rotate", "--state", str(lab / member / "state"))
    assert said.returncode == 0, said.stderr


def anchors(lab: Path, member: str) -> tuple[str, str]:
    """The anchor that the signer has on disk and the one that status names."""
    return (lab / member / "state" / "anchor.pem").read_text(), str(trust(lab, member)["anchor"])


def rotate(path: Path, member: str, under: Load) -> float:
    """One whole rotation; load goes on for a second after it. Its seconds."""
    file, name = anchors(path, member)
    begun = time.monotonic()
    begin(path, member)
    await_true(f"{member} is done", lambda: trust(path, member)["phase"] == "idle", SECONDS)
    seconds = time.monotonic() - begun
    after = anchors(path, member)
    assert (after[0] != file, after[1] != name) == (True, True)
    assert not (path / member / "state" / "ca" / "next.json").exists()
    seen = len(under.out)
    await_true("load goes on", lambda: len(under.out) >= seen + under.rate)
    return seconds
