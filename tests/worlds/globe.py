"""Three members, each with a DNS server and a controller, in virtual time: who reaches whom, and what each server says."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations

from gslb.checks import Check, Reach, checks_of
from gslb.client import Client
from gslb.steer import Steering
from gslb.stock import UNHEARD, Stock
from gslb.table import Table
from gslb.zone import A
from msgspec import Struct

from federation.health.verdict import Limits, Verdict, observe
from federation.model.handout import Witness
from federation.model.names import MemberName
from federation.model.policy import Policy, Probe, Ramp
from federation.model.record import Evidence
from tests.worlds.public_names import NUMBERS, SHOP, SUBNETS, handout, steered, table, target

Way = tuple[str, str]
ALL = tuple(NUMBERS)
WAYS = frozenset(permutations(ALL, 2))
ANCHOR = ("198.51.100.1", 53)
POLICY = Policy(ramp=Ramp(percent=10, seconds=10), probe=Probe(path="/healthz"))
LIMITS = Limits(3, 2)


@dataclass
class Server:
    """One DNS server: what its probes hold, and the table of its last handout."""

    member: str
    table: Table
    verdicts: dict[Check, Verdict] = field(default_factory=dict)
    stock: Stock = field(default_factory=Stock)
    ready: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ALL, 4))
    words: dict[str, dict[str, int]] = field(default_factory=dict)
    """By observer: the members whose target it finds down, and since which Unix second."""


@dataclass
class Globe:
    """`reach` are the ways between members' networks on which packets pass, `talk` those between controllers; `dead` are
    members whose target does not work, `outside` those that reach the world beyond; `liars` find these down whatever
    they see.
    """

    now: int = 1_700_000_000_000
    reach: frozenset[Way] = WAYS
    talk: frozenset[Way] = WAYS
    dead: set[str] = field(default_factory=set)
    outside: set[str] = field(default_factory=lambda: set(ALL))
    says_ready: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ALL, 4))
    liars: dict[str, dict[str, int]] = field(default_factory=dict)
    anchored: bool = True

    def __post_init__(self) -> None:
        self.servers = {member: Server(member, self._table(Server(member, table(handout(member))))) for member in ALL}
        self.run(30)

    def run(self, seconds: int) -> None:
        """So many seconds pass; each server looks every second."""
        for _ in range(seconds):
            self.now += 1_000
            for server in self.servers.values():
                self._hear(server)
            for server in self.servers.values():
                self._look(server)

    def cut_off(self, *members: str) -> None:
        """Nothing goes to these or comes from them."""
        gone = {way for way in WAYS if set(way) & set(members)}
        self.reach, self.talk, self.outside = self.reach - gone, self.talk - gone, self.outside - set(members)

    def heal(self) -> None:
        """All ways are there again."""
        self.reach, self.talk, self.outside = WAYS, WAYS, set(ALL)

    def answers(self, server: str) -> dict[str, str | None]:
        """What this server tells a client near each member: the member whose address it gets."""
        held = self.servers[server]
        steering = Steering(held.table, held.stock.evidence)
        found = {}
        for member in ALL:
            near = Client(SUBNETS[member].replace(".0/24", ".7"))
            part = steering.choose(SHOP, A, near, self.now).part
            found[member] = part.members[0] if part else None
        return found

    def shares(self, server: str, near: str) -> dict[str, int]:
        """The shares of clients near this member, by a server."""
        held = self.servers[server]
        client = Client(SUBNETS[near].replace(".0/24", ".7"))
        outcome = Steering(held.table, held.stock.evidence).choose(SHOP, A, client, self.now).outcome
        return {share.member: share.ppm for share in outcome.ruling.shares}

    def _hear(self, server: Server) -> None:
        """Records come over controllers that talk; what came last stays."""
        for other in ALL:
            if other == server.member or (other, server.member) in self.talk:
                server.ready[other] = self.says_ready[other]
            if other != server.member and (other, server.member) in self.talk:
                said = self.servers[other].stock.reports.values()
                server.words[other] = {one.member: one.since for one in said} | self.liars.get(other, {})
        server.table = self._table(server)

    def _table(self, server: Server) -> Table:
        targets = [target(member, ready=server.ready[member]) for member in ALL]
        values: dict[str, Struct] = handout(server.member, steered(SHOP, *targets, policy=POLICY))
        for observer, down in server.words.items():
            for about, since in down.items():
                word = Evidence(kind="target", about=MemberName(about), host=SHOP, since=since)
                values[f"witness/{observer}/target/{about}/{SHOP}"] = Witness(MemberName(observer), word)
        return table(values)

    def _look(self, server: Server) -> None:
        checks = checks_of(server.table.steered[SHOP])
        before = dict(server.verdicts)
        for check in checks:
            passes = check.member == server.member or (server.member, check.member) in self.reach
            good = passes and check.member not in self.dead
            server.verdicts[check] = observe(server.verdicts.get(check, Verdict()), good, self.now, LIMITS)
        anchors = {ANCHOR: server.member in self.outside} if self.anchored else {}
        heard = {check.host for check, one in server.verdicts.items() if one.up != before.get(check, UNHEARD).up}
        server.stock.take(server.table, {SHOP: checks}, server.verdicts, heard, Reach(anchors), self.now)
