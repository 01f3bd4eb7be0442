"""The filter that asks whether a peer comes through its own tunnel: one resource for all chains (ECDS) of a real Envoy."""

from collections.abc import Iterator

import pytest
from msgspec import structs

from federation.model.access import AccessRule, Source
from gateways.render.envoy import listeners
from gateways.render.envoy.common import ECDS, Json
from gateways.render.envoy.resources import NODE, Groups
from tests.worlds.entrance import AP, DB, FROM, US, WEB, Entrance, ask, greeted, said

EVERYONE = (AccessRule(sources=(Source(),)),)
CLIENT, OTHER = US.identity("shop", "client"), AP.identity("shop", "client")
WARMING = "listener_manager.total_listeners_warming"
DRAINING = "listener_manager.total_filter_chains_draining"
UPDATES = "listener_manager.listener_(added|modified|in_place_updated|create_failure)$"


@pytest.fixture
def entrance() -> Iterator[Entrance]:
    with Entrance(EVERYONE, EVERYONE) as made:
        yield made


def without_filter(groups: Groups) -> Groups:
    return {**groups, NODE: tuple(part for part in groups[NODE] if part.kind != ECDS)}


def test_a_peer_that_goes_and_comes_ends_no_connection_of_another(entrance: Entrance) -> None:
    before = entrance.envoy.stats(UPDATES)
    with entrance.connect(CLIENT, WEB) as web, entrance.connect(CLIENT, DB) as db:
        assert ask(web, "GET", "/").status == 200 and greeted(db) and said(db)
        assert entrance.call(OTHER).status == 200
        entrance.admit(US)
        assert entrance.call(OTHER).status == 0 and not entrance.line(OTHER)
        entrance.admit(US, AP)
        assert entrance.call(OTHER).status == 200 and entrance.line(OTHER)
        assert ask(web, "GET", "/").status == 200 and said(db)
    assert entrance.envoy.stats(UPDATES) == before
    assert entrance.envoy.stats(DRAINING) == {DRAINING: 0}


def test_the_tunnel_is_asked_for_by_the_filter_that_is_in_force_now(entrance: Entrance) -> None:
    """Certificates say nothing of it: only the filter knows that a peer has another overlay from now on."""
    stolen = FROM[AP.name]
    assert entrance.call(CLIENT, source=stolen).status == 0
    groups = entrance.rendered()
    (peers,) = (part for part in groups[NODE] if part.kind == ECDS)
    moved = tuple(
        structs.replace(one, overlay="127.1.3.0/24" if one.member == US.name else "127.1.1.0/24")
        for one in peers.made_of[0]  # type: ignore[attr-defined]
    )
    entrance.envoy.put({NODE: tuple(structs.replace(p, made_of=(moved,)) if p is peers else p for p in groups[NODE])})
    assert entrance.call(CLIENT, source=stolen).status == 200
    assert entrance.call(CLIENT).status == 0


class Bare(Entrance):
    """Without the filter until `whole` is set."""

    whole = False

    def rendered(self) -> Groups:
        return super().rendered() if self.whole else without_filter(super().rendered())

    def _listens(self) -> bool:
        return super()._listens() if self.whole else self.envoy.stats(WARMING) == {WARMING: 1}


def test_before_the_filter_is_there_nobody_comes_in() -> None:
    """Envoy does not even listen: the listener waits for it, though it was told that there is none."""
    entrance = Bare(EVERYONE, EVERYONE)
    with entrance:
        assert entrance.call(CLIENT).status == 0 and not entrance.line(CLIENT)
        assert entrance.envoy.stats(WARMING) == {WARMING: 1}
        entrance.whole = True
        entrance.envoy.put(entrance.rendered())
        entrance.envoy.until("it listens", entrance._listens)
        assert entrance.call(CLIENT).status == 200 and entrance.line(CLIENT)


def test_without_the_filter_any_more_nobody_comes_in(entrance: Entrance) -> None:
    assert entrance.call(CLIENT).status == 200
    entrance.envoy.put(without_filter(entrance.rendered()))
    assert entrance.call(CLIENT).status == 0 and not entrance.line(CLIENT)
    entrance.envoy.put(entrance.rendered())
    assert entrance.call(CLIENT).status == 200


def test_a_filter_that_envoy_refuses_is_named_and_the_last_good_one_stands(entrance: Entrance) -> None:
    groups = entrance.rendered()
    (peers,) = (part for part in groups[NODE] if part.kind == ECDS)

    def bad(*made_of: object) -> Json:
        good = listeners.peers_filter(*peers.made_of)  # type: ignore[arg-type]
        return {**good, "typed_config": {**good["typed_config"], "stat_prefix": ""}}  # type: ignore[dict-item]

    worse = structs.replace(peers, render=bad, made_of=())
    with pytest.raises(AssertionError, match="E190 envoy refuses TypedExtensionConfig peers: "):
        entrance.envoy.put({NODE: tuple(worse if part is peers else part for part in groups[NODE])})
    assert entrance.call(CLIENT).status == 200
    assert entrance.call(CLIENT, source=FROM[AP.name]).status == 0
