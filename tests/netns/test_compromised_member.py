"""eu-central is taken over, with every key it has: what it tries on us-east and us-west, by the numbers of the threat model.

Three regions, WireGuard, Envoy; the attacker is a program of its own on eu-central's machine (`tests/worlds/turncoat.py`). From
before the first attack until after the last one us-east's clients are served by us-west and us-west's by us-east: no request
fails, and each end sees the same identities as before.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from federation.lab import look, manifests
from federation.lab.cluster import Folder
from federation.lab.look import Answer
from federation.lab.manifests import Listed
from federation.lab.state import Lab, load
from federation.lab.topology import LAB
from tests.netns.spaces import await_true
from tests.netns.test_live_lab import isthmus, raised
from tests.worlds.captive import Captive, captive, links, listeners, refusals, seen

pytestmark = pytest.mark.netns

A, B, C = "us-east", "eu-central", "us-west"
PAY = "http://pay.shop.svc.clusterset.local/"
RATE = "50"
LIMITS = {
    "services": 8,
    "ports": 10,
    "endpoints": 20,
    "gateways": 2,
    "names": 3,
    "probes_per_second": 2,
    "evidence": 4,
    "rates": 4,
    "bytes": 65_536,
}
KEPT = "last good kept"


@dataclass
class Scene:
    """The lab, the attacker in it, and what the others' clients got since before the first attack."""

    path: Path
    attacker: Captive
    to_c: list[Answer]
    to_a: list[Answer]

    @property
    def lab(self) -> Lab:
        return load(self.path)

    def do(self, attack: str, to: str = A, **what: Any) -> Any:
        return self.attacker.do(attack, to, **what)

    def refused(self, text: str, member: str = A) -> None:
        """The member's status comes to say exactly this of eu-central, and nothing else."""
        await_true(f"status of {member} says {text}", lambda: refusals(self.path, member) == [text], 10)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with taken_over(tmp_path_factory.mktemp("taken")) as made:
        yield made


@contextmanager
def taken_over(folder: Path) -> Iterator[Scene]:
    """us-west offers shop/web, us-east shop/pay; the registrar grants eu-central little, as it would a stranger."""
    with raised() as path:
        offer(path)
        grant(path)
        live = load(path)
        with (
            captive(path, folder / "turncoat.log") as attacker,
            look.recording(live, A, "--rate", RATE) as to_c,
            look.recording(live, C, "--rate", RATE, url=PAY) as to_a,
        ):
            await_true("both are served", lambda: len(to_c) > 25 and len(to_a) > 25)
            yield Scene(path, attacker, to_c, to_a)


def offer(path: Path) -> None:
    Folder(path / B / "manifests").only(())
    manifests.set_endpoints(Folder(path / C / "manifests"), [Listed(pod) for pod in LAB.member(C).endpoints[:2]])
    manifests.set_endpoints(Folder(path / A / "manifests"), [Listed(pod) for pod in LAB.member(A).pods("pay")], "pay")
    attacker = manifests.Caller(B, "isthmus", "controller")
    Folder(path / C / "manifests").put(manifests.access((*manifests.CLIENTS, attacker)))
    Folder(path / A / "manifests").put(manifests.access((manifests.Caller(C, "shop", "client"),), "pay"))
    look.until(load(path), A, C, 30)
    await_true("us-west is served", lambda: all(one["ok"] for one in look.fetch(load(path), C, 3, url=PAY)))


def grant(path: Path) -> None:
    quotas = [part for name, count in LIMITS.items() for part in ("--quota", f"{name}={count}")]
    grants = ("--namespace", "shop", "--dns-zone", "own.test", *quotas)
    index = seen(path, A)["ledger"]["index"] + 1
    done = isthmus("member", "set", B, "--state", str(path / A / "state"), *grants)
    assert done.returncode == 0, done.stderr
    for member in (A, B, C):
        await_true(f"{member} knows", lambda member=member: seen(path, member)["ledger"]["index"] == index)  # type: ignore[misc]


@pytest.fixture(autouse=True)
def nobody_else_is_harmed(scene: Scene) -> Iterator[None]:
    """Around each attack: requests between the others go on, none fails, and both ends keep their names."""
    before = len(scene.to_c), len(scene.to_a)
    yield
    await_true("requests go on", lambda: len(scene.to_c) > before[0] + 5 and len(scene.to_a) > before[1] + 5)
    since = [*scene.to_c[before[0] :], *scene.to_a[before[1] :]]
    assert [look.told(answer) for answer in since if not answer["ok"]] == []
    whole = {(answer["member"], answer["spiffe"], answer["by"]) for answer in since}
    assert whole == {(C, client(A), gateway(C)), (A, client(C), gateway(A))}


def client(member: str) -> str:
    return f"spiffe://{member}.acme.mesh/ns/shop/sa/client"


def gateway(member: str) -> str:
    return f"spiffe://{member}.acme.mesh/ns/isthmus/sa/gateway"


def overlay(scene: Scene, member: str) -> str:
    """The member's overlay prefix, as WireGuard's configuration begins it."""
    number = LAB.member(member).number
    return next(net for net in links(scene.lab, A if member != A else C).values() if net.endswith(f":{number}::/64"))


def test_c1_its_ca_passes_for_nobody_else(scene: Scene) -> None:
    """At us-west's controller, and at us-west's gateway Envoy over the WireGuard link; its own identity is the control."""
    served = scene.do("pass_for", C, **{"as": A, "service": "http.web.shop"})
    assert served == {"tried": 15, "link": ["own identity"], "gateway": ["own identity"]}


def test_c1_it_calls_only_what_it_is_admitted_to(scene: Scene) -> None:
    """us-east admits us-west's clients alone to shop/pay; to shop/web us-west admits the clients of every member, and of the
    attacker's identities one more: the controls.
    """
    assert scene.do("call", A, **{"as": C, "service": "http.pay.shop"}) == {"tried": 8, "served": []}
    served = scene.do("call", C, **{"as": A, "service": "http.web.shop"})["served"]
    assert served == [client(B), f"spiffe://{B}.acme.mesh/ns/isthmus/sa/controller"]


def test_c2_an_anchor_without_constraints_does_not_come_into_the_ledger(scene: Scene) -> None:
    before = seen(scene.path, A)["ledger"]
    assert scene.do("loose_anchor")["taken"]
    scene.refused(f"E107 CA certificate of member {B} is not a CA with path length 0; last good kept")
    assert seen(scene.path, A)["ledger"] == before


def test_c3_anothers_overlay_range_stays_its_owners(scene: Scene) -> None:
    before, theirs, own = links(scene.lab, A), overlay(scene, C), overlay(scene, B)
    scene.do("gateway", of=C, what="overlay")
    address = theirs.replace("::/64", "::1")
    scene.refused(f'E103 gateway 1 of member "{B}": overlay address {address} is not in {own}; {KEPT}')
    assert links(scene.lab, A) == before
    assert sorted(before.values()) == sorted((theirs, own))


def test_c3_anothers_wireguard_key_is_not_taken_for_its_own(scene: Scene) -> None:
    before = links(scene.lab, A)
    scene.do("gateway", of=C, what="key")
    scene.refused(f'E121 gateway 1 of member "{B}": does not prove possession of its WireGuard key; {KEPT}')
    assert links(scene.lab, A) == before


ADDRESSES = {
    "10.2.1.11": "is not in member eu-central's ranges [10.3.0.0/16, {own}]",
    "10.1.1.30": "is not in member eu-central's ranges [10.3.0.0/16, {own}]",
    "192.0.2.102": "is not in member eu-central's ranges [10.3.0.0/16, {own}]",
    "127.0.0.1": "from member eu-central lies in 127.0.0.0/8, which is never an endpoint",
    "169.254.169.254": "from member eu-central lies in 169.254.0.0/16, which is never an endpoint",
    "::ffff:10.3.0.1": "from member eu-central is a v4-mapped address",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_c4_an_endpoint_of_others_is_not_listed(scene: Scene, address: str) -> None:
    scene.do("endpoint", address=address)
    why = ADDRESSES[address].format(own=overlay(scene, B))
    scene.refused(f"E103 endpoint {address} of shop/bait {why}; slice rejected, {KEPT}")


def test_c4_a_gateway_is_not_at_loopback(scene: Scene) -> None:
    scene.do("gateway", of=C, what="endpoint", endpoint="127.0.0.1:51820")
    why = "endpoint 127.0.0.1:51820 lies in 127.0.0.0/8, which is never an endpoint"
    scene.refused(f'E122 gateway 1 of member "{B}": {why}; {KEPT}')


def test_c5_a_namespace_that_is_not_granted_is_not_exported_from(scene: Scene) -> None:
    scene.do("export", service="bank/web")
    why = f'namespace "bank" is not granted to member "{B}" [shop]'
    text = f"E102 service bank/web: {why}; {KEPT}"
    await_true("both parts are refused", lambda: refusals(scene.path, A) == [text, text])
    assert "bank/web" not in services(scene)


def test_c5_a_name_in_anothers_zone_is_not_defined(scene: Scene) -> None:
    scene.do("name", host="shop.example.test")
    scene.refused(
        f'E102 name "shop.example.test" of member "{B}": lies in no zone granted to it [own.test]; {KEPT}',
    )
    assert seen(scene.path, A)["names"] == []


def test_c6_a_conflict_is_won_by_admission_and_not_by_epoch(scene: Scene) -> None:
    """It exports the others' services with a port of its own, in the highest epoch that there is, and numbers itself first."""
    before = services(scene)
    for service in ("shop/web", "shop/pay"):
        ours_first = {B: 1, A: 2**40, C: 2**41}
        assert scene.do("export", service=service, port=81, epoch=2**62, numbers=ours_first)["taken"]
        elder = C if service == "shop/web" else A
        noted = (
            f"{service}: PortConflict: Using the union of ports, on a clash those of the oldest export, in {elder}. "
            f"http 81/TCP of {B} is left out. 1/2 clusters disagree: {B}."
        )
        await_true("the conflict is shown", lambda s=service, n=noted: any(n in line for line in notes(scene, s)))  # type: ignore[misc]
        now = services(scene)[service]
        assert (now["shares"], now["clusterset_ips"]) == (before[service]["shares"], before[service]["clusterset_ips"])
    assert [row["member"] for row in before["shop/web"]["shares"]] == [C]


def services(scene: Scene) -> dict[str, Any]:
    return {row["service"]: row for row in seen(scene.path, A)["services"]}


def notes(scene: Scene, service: str) -> list[str]:
    return list(services(scene)[service]["notes"])


def test_c7_others_topics_and_the_ledger_are_not_written(scene: Scene) -> None:
    index = seen(scene.path, A)["ledger"]["index"]
    tries = {
        f'E105 topic "record/{A}" does not belong to member "{B}"': ("foreign_topic", {"of": A}),
        f'E105 record of member "{C}": the signature is not its owner\'s; {KEPT}': ("foreign_topic", {"of": C}),
        f"E105 ledger entry {index + 1}: the signature is not the federation's": ("ledger", {}),
    }
    for text, (attack, what) in tries.items():
        said = scene.do(attack, **what)
        assert (f"{said['code']} {said['text']}", said["taken"]) == (text, False)
        scene.refused(text)
    assert seen(scene.path, A)["ledger"]["index"] == index


def test_c7_of_anothers_machine_only_what_is_meant_for_members_can_be_reached(scene: Scene) -> None:
    member = LAB.member(C)
    inside = overlay(scene, C).replace("::/64", "::1")
    ports = sorted({int(port) for _, port in listeners(scene.lab, C)})
    tried = [(address, port) for address in (member.underlay, member.gateway, inside) for port in ports]
    found = scene.do("ports", C, ports=tried)["open"]
    assert len(ports) > 6
    assert sorted(map(tuple, found)) == sorted([(member.underlay, 53), (member.underlay, 7443), (inside, 15443)])


BENT = {
    "the head's body": 'E105 record of member "us-east": the signature is not its owner\'s; last good kept',
    "the head's signature": 'E105 record of member "us-east": the signature is not its owner\'s; last good kept',
    "the content": 'E105 record of member "us-east": the head signs other content; last good kept',
    "a part left out": 'E105 record of member "us-east": the head signs other content; last good kept',
    "the head for one of ours": 'E105 record of member "us-east": the signature is not its owner\'s; last good kept',
}


@pytest.mark.parametrize("what", BENT)
def test_c8_a_record_that_it_passes_on_is_not_altered(scene: Scene, what: str) -> None:
    said = scene.do("relay", C, of=A, what=what)
    assert (f"{said['code']} {said['text']}", said["taken"]) == (BENT[what], False)
    scene.refused(BENT[what], C)


def test_c8_content_under_the_root_of_other_content_ends_the_session(scene: Scene) -> None:
    text = 'E120 topic "record/us-east": the content does not hash to the root that was sent'
    assert scene.do("relay", C, of=A, what="the content under the old root")["message"] == text
    scene.refused(text, C)


def test_c8_the_record_as_its_owner_signed_it_is_taken(scene: Scene) -> None:
    """The positive control; when us-east moved meanwhile, it is given the record anew."""
    taken = {"code": "", "text": "", "taken": True}
    await_true("it is taken", lambda: scene.do("relay", C, of=A, what="nothing") == taken)


def test_c9_an_older_record_is_not_taken_of_its_own_or_of_others(scene: Scene) -> None:
    said = scene.do("older")
    assert (said["code"], said["taken"]) == ("E109", False)
    scene.refused(f"E109 {said['text']}")
    held = record(scene, C, A)
    manifests.set_endpoints(
        Folder(scene.path / A / "manifests"), [Listed(pod) for pod in LAB.member(A).pods("pay")[:1]], "pay"
    )
    await_true("us-east's record moved on", lambda: record(scene, C, A) != held)
    after = record(scene, C, A)
    said = scene.do("relay", C, of=A, what="old")
    assert (said["code"], said["taken"]) == ("E109", False)
    mixed = scene.do("relay", C, of=A, what="the old content")
    assert f"{mixed['code']} {mixed['text']}" == BENT["the content"]
    assert record(scene, C, A) == after


def test_c9_a_shorter_ledger_changes_nothing(scene: Scene) -> None:
    before = seen(scene.path, A)["ledger"]
    scene.do("ledger", short=True)
    assert seen(scene.path, A)["ledger"] == before


def record(scene: Scene, reader: str, owner: str) -> dict[str, int]:
    """The order of the owner's record as the reader holds it."""
    return next(row["record"] for row in seen(scene.path, reader)["members"] if row["member"] == owner)


@pytest.mark.parametrize("what", LIMITS)
def test_c10_one_more_than_the_quota_is_refused(scene: Scene, what: str) -> None:
    said = scene.do("quota", what=what)
    text = f'member "{B}": {LIMITS[what] + 1} {what.replace("_per_second", " a second")} > quota {LIMITS[what]}; {KEPT}'
    assert said["limit"] == LIMITS[what]
    assert said["at"] == {"code": "", "text": "", "taken": True}
    assert said["beyond"] == {"code": "E118", "text": text, "taken": False}
    scene.refused(f"E118 {text}")


BREACHES = {
    "topics": 'E117 topic "t62": more than 64 topics on one session',
    "rubbish": "E120 undecodable session message (40 bytes): MessagePack data is malformed: invalid opcode '\\xc1' (byte 0)",
}


@pytest.mark.parametrize("attack", BREACHES)
def test_c10_who_breaks_the_session_is_told_and_shown(scene: Scene, attack: str) -> None:
    assert scene.do(attack) == {"ended": "GRPCError", "message": BREACHES[attack]}
    await_true("status says so", lambda: BREACHES[attack] in refusals(scene.path, A))


def test_c10_a_message_too_long_ends_the_session(scene: Scene) -> None:
    said = scene.do("message")
    assert said["message"].endswith("Received message larger than max (4194305 vs. 4194304)")


ROUND, ROUNDS = 2.0, 4
FLOOD = {"sessions": 1, "changes": 25, "words": 250}
"""What a flood must amount to, to be one."""


def test_c10_a_flood_fails_no_request_and_changes_no_identity(scene: Scene) -> None:
    """Half-open handshakes, new sessions, changes and answers that nobody asked for, at us-east's controller, for longer
    where a busy machine takes long to open the attacker's session. What it does to the others' latency is the row `flood-p99` of the bench: this machine's own noise is larger.
    """
    amount = Counter[str]()
    for longer in (1, 1, 2, 4, 8):
        amount.update(scene.do("flood", seconds=ROUND * longer, half_open=100))
        if amounts(amount):
            return
    raise AssertionError(amount)


Batch = tuple[list[list[Answer]], list[list[Answer]], "Counter[str]"]


def amounts(flood: "Counter[str]") -> bool:
    return all(flood[what] >= least for what, least in FLOOD.items())


def batch(scene: Scene) -> Batch:
    """What the clients got of the requests that were due in quiet rounds and in loud ones, and what the floods were."""
    rounds: list[tuple[float, float]] = []
    amount: Counter[str] = Counter()
    for number in range(2 * ROUNDS):
        begun = time.time()
        if number % 2:
            amount.update(scene.do("flood", seconds=ROUND, half_open=100))
        else:
            scene.do("rest", seconds=ROUND)
        rounds.append((begun, begun + ROUND))
    scene.do("rest", seconds=ROUND / 2)
    every = [*scene.to_c, *scene.to_a]
    found = [[one for one in every if begun <= one["t"] < ended] for begun, ended in rounds]
    assert min(map(len, found)) >= 0.8 * 2 * float(RATE) * ROUND, "too few requests to judge"
    quiet, loud = found[::2], found[1::2]
    return quiet, loud, amount
