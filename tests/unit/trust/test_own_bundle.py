"""Our own bundle: its sequence moves with each change of keys, over restarts and a lost store, and never back."""

import asyncio
from pathlib import Path

import pytest

from federation.adapters.memory import ManualClock, MemoryStore
from federation.cli.run import bundle_serving
from federation.link.statement import make_statement
from federation.model.errors import IsthmusError
from federation.model.record import Signed
from federation.model.tokens import Authorities, JwtKey
from federation.trust.bundle import Bundle, read_bundle
from federation.trust.endpoint import BundleServing, OwnBundle, shown_files
from tests.unit.trust.test_authorities import good
from tests.worlds.two_members import real

US = real("us-east")
KEY = good().keys[0]


class Owner:
    """A member whose anchors and JWT keys a test changes."""

    def __init__(self) -> None:
        self.anchors = US.anchor
        self.statement: Signed | None = None
        self.store, self.clock = MemoryStore(), ManualClock()
        self.state()

    def state(self, *keys: JwtKey) -> None:
        self.statement = make_statement(Authorities(US.domain, keys), US.anchor_key)

    def bundle(self) -> Bundle:
        own = OwnBundle(US.domain, lambda: self.anchors, lambda: self.statement, self.store, self.clock)
        return read_bundle(asyncio.run(own.document()), US.domain)


def test_it_holds_our_anchor_and_our_jwt_keys() -> None:
    owner = Owner()
    owner.state(KEY)
    found = owner.bundle()
    assert (found.anchors, found.keys, found.refresh_hint) == ((US.anchor,), (KEY,), 300)
    assert found.sequence == int(owner.clock.wall())


def test_before_the_signer_spoke_there_is_none() -> None:
    owner = Owner()
    owner.statement = None
    with pytest.raises(IsthmusError) as caught:
        owner.bundle()
    assert str(caught.value) == "E190 keys of JWT-SVIDs are not known yet: is `isthmus signer` running?"


def test_the_sequence_moves_with_the_keys_and_only_then() -> None:
    owner = Owner()
    first = owner.bundle().sequence
    owner.clock.advance(60)
    assert owner.bundle().sequence == first
    owner.state(KEY)
    second = owner.bundle().sequence
    assert second == first + 60
    owner.anchors += real("us-east").anchor
    assert len(owner.bundle().anchors) == 2
    assert owner.bundle().sequence == second + 1
    owner.clock.advance(-1_000)
    owner.state()
    assert owner.bundle().sequence == second + 2


def test_a_store_that_was_lost_does_not_begin_anew() -> None:
    owner = Owner()
    first = owner.bundle().sequence
    owner.clock.advance(60)
    owner.store = MemoryStore()
    owner.state(KEY)
    assert owner.bundle().sequence > first


HERE = "127.0.0.1:8443"
BAD: dict[str, tuple[tuple[str | None, str | None, Path | None, Path | None], str]] = {
    "no listen": (
        (None, "https_spiffe", None, None),
        "E125 --bundle-listen ADDRESS:PORT is missing: the other --bundle options are for it",
    ),
    "no profile": (
        (HERE, None, None, None),
        "E125 --bundle-profile is missing: https_spiffe shows our SVID, https_web a web certificate",
    ),
    "spiffe with files": (
        (HERE, "https_spiffe", Path("c"), None),
        "E125 --bundle-cert and --bundle-key are for --bundle-profile https_web",
    ),
    "web without a key": (
        (HERE, "https_web", Path("c"), None),
        "E125 --bundle-profile https_web needs --bundle-cert and --bundle-key",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_options_that_do_not_go_together(case: str) -> None:
    options, text = BAD[case]
    with pytest.raises(IsthmusError) as caught:
        bundle_serving(*options)
    assert str(caught.value) == text


def test_options_that_do() -> None:
    assert bundle_serving(None, None, None, None) is None
    assert bundle_serving(HERE, "https_spiffe", None, None) == BundleServing(HERE, None)
    assert bundle_serving(HERE, "https_web", Path("c"), Path("k")) == BundleServing(HERE, (Path("c"), Path("k")))


def test_a_web_certificate_that_cannot_be_used(tmp_path: Path) -> None:
    import ssl

    with pytest.raises(IsthmusError) as caught:
        shown_files(tmp_path / "c", tmp_path / "k")(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    assert str(caught.value) == (
        f'E122 --bundle-cert "{tmp_path}/c", --bundle-key "{tmp_path}/k": No such file or directory'
    )
