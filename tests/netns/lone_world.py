"""A member with one gateway and a node on another machine, and a member of one machine: every controller dead, but for
the word that a test gives for the keys of now.
"""

from msgspec import Struct, structs

from federation.link.possession import wireguard_key
from federation.model.handout import Here, OwnGateway, OwnNode, PeerGateway, Workload
from federation.model.overlay import SLOTS, port_after, rail_key, slot_endpoint
from federation.model.record import Endpoint, Spare
from gateways import keys
from gateways.keys import Key, Keys
from tests.netns.rails_world import AGENT, CLIENT, FAR, INSIDE, NODE, PORT, RailsWorld, key_of
from tests.netns.spaces import await_true, fetch
from tests.worlds.two_members import candidate, keyed, peer, site, web_import, web_offer, web_pool

GATEWAY = "us-east-g1"
OURS, THEIRS = "fd49:7374:0:1::1", "fd49:7374:0:2::1"
RAILS = (1, 2)
"""Of the keys in either slot."""

UNDERLAY, WITHIN = f"10.99.1.1:{PORT}", f"10.98.1.1:{INSIDE}"
URL = "http://10.96.0.1/hello"


def public(key: Key) -> bytes:
    return wireguard_key(key.seed, "us-east", GATEWAY).public


class LoneWorld(RailsWorld):
    """`us-east` has the gateway g1 and the node n; g2 is a machine where nothing runs."""

    def __init__(self) -> None:
        super().__init__()
        self.word: Keys | None = None

    def said(self) -> Keys:
        """The keys of which everybody was told."""
        return self.word or Keys(Key(b""))

    def handout(self, name: str) -> dict[str, Struct]:
        us, eu = self.us, self.eu
        if name == "w":
            return keyed(site(eu), peer(us, "", [self._to_peers()]), web_offer(), web_pool(Endpoint("10.2.0.10")))
        held = self.said()
        slots = [held.first.slot, *([held.spare.slot] if held.spare else [])]
        rails = {rail_key(GATEWAY, slot): RAILS[slot] for slot in slots}
        both = structs.replace(site(us), gateways={GATEWAY: 1}, rails=rails), peer(eu, f"{FAR}:{PORT}")
        if name != "n":
            return keyed(*both, OwnNode(node="us-east-n", key=key_of("n"), overlay=NODE, address=AGENT))
        client = Workload("default", "client", (CLIENT,))
        web = web_import(candidate(eu, 1, 1, cost=90))
        return keyed(*both, Here(overlay=NODE), self._to_nodes(), client, web)

    def _to_peers(self) -> PeerGateway:
        held = self.said()
        ends = [self._end(key) for key in (held.first, held.spare) if key is not None]
        first, spare = ends[0], ends[1] if ends[1:] else None
        return PeerGateway(
            id=1, key=first.key, endpoint=first.endpoint, overlay=OURS, port=15443, rail=first.rail, spare=spare
        )

    def _end(self, key: Key) -> Spare:
        return Spare(key=self._key(key), endpoint=slot_endpoint(UNDERLAY, key.slot), rail=RAILS[key.slot])

    def _to_nodes(self) -> OwnGateway:
        held = self.said()
        slot = held.first.slot
        return OwnGateway(
            id=1,
            node=GATEWAY,
            key=self._key(held.first),
            endpoint=port_after(WITHIN, slot),
            overlay=OURS,
            slot=slot,
            spare_key=b"" if held.spare is None else self._key(held.spare),
            spare_endpoint="" if held.spare is None else port_after(WITHIN, SLOTS - 1 - slot),
        )

    def _key(self, key: Key) -> bytes:
        return public(key) if key.seed else key_of("g1")

    def tell_all(self, held: Keys, *names: str) -> None:
        """Everybody, in this order, hears of these keys."""
        self.word = held
        for name in names:
            self.tell(name)

    def held(self) -> Keys:
        """The keys in the gateway's folder."""
        return keys.load(self.root / "g1")

    def agent(self, name: str) -> None:
        if name != "g2":
            super().agent(name)

    def wait_until_serving(self) -> None:
        await_true("an answer", lambda: fetch(self.spaces["n"], URL, CLIENT, 2)[0] == 200, 30)
