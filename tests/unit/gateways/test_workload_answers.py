"""Who is who on a node, what they are answered, and paths that the socket cannot have."""

import asyncio
import shutil
import socket
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import structs
from spiffe._proto import workload_pb2

from federation.link.leaf import Leaf
from federation.model.errors import InputError, Refused, Unavailable
from federation.model.handout import UnixUser, Workload
from gateways.identity.answers import Book, bundles_for, svids_for
from gateways.identity.registered import Caller, identities_of, registered_workloads
from gateways.identity.serve import WorkloadServer
from gateways.identity.tokens import Tokens
from gateways.intent import intend
from gateways.render.envoy.resources import Certificate
from tests.unit.gateways.test_daemon import MemoryFeed
from tests.unit.gateways.test_intent import NODE
from tests.worlds.two_members import keyed, peer, real, site

US, EU = real("us-east"), real("eu-central")
ME = UnixUser(1000, 1000)
CLIENT = US.identity("shop", "client")


def certificate(leaf: Leaf) -> Certificate:
    return Certificate(leaf.chain, leaf.key)


def book(*workloads: Workload, certificates: dict[str, Certificate]) -> Book:
    state = intend(NODE, keyed(site(US), peer(EU, "192.0.2.2:51820"), *workloads))
    return Book(state.known, state.registered, state.anchors, certificates)


def test_a_certificate_that_ran_out_is_not_handed_out() -> None:
    now = datetime.now(UTC)
    held = {str(CLIENT): certificate(US.leaf_at(CLIENT, now))}
    entry = book(Workload("shop", "client", uids=(ME,)), certificates=held)
    assert svids_for(entry, Caller(ME), now + timedelta(hours=23))
    with pytest.raises(Unavailable):
        svids_for(entry, Caller(ME), now + timedelta(hours=25))


def test_the_own_bundle_stands_in_the_certificate_and_only_the_others_beside_it() -> None:
    held = {str(CLIENT): certificate(US.leaf(CLIENT))}
    data = svids_for(book(Workload("shop", "client", uids=(ME,)), certificates=held), Caller(ME), datetime.now(UTC))
    read = workload_pb2.X509SVIDResponse.FromString(data)
    assert [svid.bundle for svid in read.svids] == [der(US.anchor)]
    assert dict(read.federated_bundles) == {f"spiffe://{EU.domain}": der(EU.anchor)}


def test_amid_a_rotation_both_anchors_are_in_the_members_own_bundle() -> None:
    new = real("us-east")
    state = intend(NODE, keyed(structs.replace(site(US), anchor=US.anchor + new.anchor)))
    entry = Book(True, registered_workloads(site(US), [Workload("shop", "client", uids=(ME,))]), state.anchors, {})
    read = workload_pb2.X509BundlesResponse.FromString(bundles_for(entry, Caller(ME), datetime.now(UTC)))
    assert read.bundles[f"spiffe://{US.domain}"] == der(US.anchor) + der(new.anchor)


def der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


def test_a_workload_known_by_user_alone_is_no_identity_of_envoy() -> None:
    state = intend(NODE, keyed(site(US), Workload("shop", "client", uids=(ME,))))
    assert state.identities == ()
    assert [one.identity for one in state.registered] == [CLIENT]


WHO: dict[str, tuple[UnixUser, tuple[str, ...]]] = {
    "uid": (UnixUser(1000, 5), ("one",)),
    "uid and gid": (UnixUser(1001, 7), ("two",)),
    "another gid": (UnixUser(1001, 8), ()),
    "another uid": (UnixUser(1002, 7), ()),
    "gid as uid": (UnixUser(7, 1001), ()),
    "one of two users": (UnixUser(1003, 1), ("one",)),
}


@pytest.mark.parametrize("case", WHO)
def test_who_is_who(case: str) -> None:
    user, names = WHO[case]
    one = Workload("shop", "one", uids=(UnixUser(1000), UnixUser(1003)))
    two = Workload("shop", "two", uids=(UnixUser(1001, 7),))
    registered = registered_workloads(site(US), (two, one, Workload("shop", "by-address", ("10.1.0.1",))))
    assert identities_of(Caller(user), registered) == tuple(US.identity("shop", name) for name in names)
    if not names:
        with pytest.raises(Refused):
            svids_for(book(one, two, certificates={}), Caller(user), datetime.now(UTC))


def test_bad_paths_of_the_socket() -> None:
    feed = MemoryFeed("node", {})

    async def start(path: Path) -> str:
        with pytest.raises(InputError) as caught:
            await WorkloadServer(path, Tokens(feed), feed).start()
        return str(caught.value)

    async def main(folder: Path) -> None:
        (folder / "file").write_text("kept")
        bound = socket.socket(socket.AF_UNIX)
        bound.bind(str(folder / "taken"))
        bound.listen()
        long = folder / ("x" * 100)
        said = {name: await start(folder / name) for name in ("file", "taken", "no/where", long.name)}
        bound.close()
        assert said == {
            "file": f"E122 {folder}/file: is there and is no socket; name another --workload-socket",
            "taken": f"E122 {folder}/taken: another Workload API answers there; name another --workload-socket",
            "no/where": f"E122 {folder}/no/where: No such file or directory; name another --workload-socket",
            long.name: f"E125 {long}: a unix socket's path has at most 107 bytes; use a shorter --state",
        }
        assert (folder / "file").read_text() == "kept"

    folder = Path(tempfile.mkdtemp(prefix="ist-"))
    try:
        asyncio.run(main(folder))
    finally:
        shutil.rmtree(folder)
