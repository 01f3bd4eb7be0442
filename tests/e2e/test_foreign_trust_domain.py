"""Two federations know each other's bundles by both profiles; a workload of one finds an SVID of the other good."""

import asyncio
import contextlib
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from spiffe import SpiffeId, TrustDomain, WorkloadApiClient
from spiffe.errors import PySpiffeError
from spiffe.svid.jwt_svid import JwtSvid
from spiffe.workloadapi.errors import FetchX509SvidError

from federation.trust.bundle import read_bundle
from tests.netns.spaces import await_true
from tests.worlds.public_cli import ISTHMUS, closed_since, open_sockets
from tests.worlds.two_federations import Lone


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Lone, Lone]]:
    acme = Lone(tmp_path / "acme", "acme.mesh", "https_spiffe")
    zeta = Lone(tmp_path / "zeta", "zeta.mesh", "https_web")
    try:
        for one in (acme, zeta):
            one.path.mkdir()
            one.found()
        yield acme, zeta
    finally:
        acme.stop()
        zeta.stop()


def first_bundle(of: Lone) -> Path:
    """The bundle as its owner's operator would hand it over."""
    path = of.path / "bundle.json"
    path.write_bytes(of.document())
    return path


def seen(site: Lone) -> dict[str, object]:
    rows = site.status("m1")["foreign"]
    return rows[0] if rows else {}


def polled(site: Lone) -> bool:
    found = seen(site)
    return found.get("age") is not None and not found["problem"]


def federate(acme: Lone, zeta: Lone) -> None:
    acme.trust(zeta, "--ca", str(zeta.path / "web.pem"))
    endpoint = f"spiffe://{acme.trust_domain}/ns/isthmus/sa/controller"
    zeta.trust(acme, "--endpoint-id", endpoint, "--bundle", str(first_bundle(acme)))
    for one in (acme, zeta):
        await_true(f"{one.domain} polled", partial(polled, one))


async def until(condition: Callable[[], object]) -> object:
    """Ask until it is so; the client's own errors mean not yet."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(PySpiffeError):
                if found := await asyncio.to_thread(condition):
                    return found
            await asyncio.sleep(0.05)


def domains_of(client: WorkloadApiClient) -> set[str]:
    found = {bundle.trust_domain.name for bundle in client.fetch_x509_bundles().bundles}
    return found & {bundle.trust_domain.name for bundle in client.fetch_jwt_bundles().bundles}


def sees(client: WorkloadApiClient, domains: set[str]) -> bool:
    return domains_of(client) == domains


def issued(client: WorkloadApiClient) -> bool:
    """A certificate is at hand."""
    try:
        return bool(client.fetch_x509_svid().leaf)
    except FetchX509SvidError:
        return False


def test_two_federations_know_each_other_by_both_profiles(pair: tuple[Lone, Lone]) -> None:
    acme, zeta = pair
    federate(acme, zeta)
    both = {acme.trust_domain, zeta.trust_domain}

    async def main() -> None:
        before = open_sockets()
        async with acme.workloads() as ours, zeta.workloads() as theirs:
            for client in (ours, theirs):
                await until(partial(sees, client, both))
                await until(partial(issued, client))
            bundles = await asyncio.to_thread(ours.fetch_x509_bundles)
            for one in pair:
                bundle = bundles.get_bundle_for_trust_domain(TrustDomain(one.trust_domain))
                assert bundle is not None
                (anchor,) = bundle.x509_authorities
                assert anchor == x509.load_pem_x509_certificate(one.folder("m1").anchor.read_bytes())
            leaf = (await asyncio.to_thread(theirs.fetch_x509_svid)).leaf
            theirs_bundle = bundles.get_bundle_for_trust_domain(TrustDomain(zeta.trust_domain))
            assert theirs_bundle is not None
            leaf.verify_directly_issued_by(next(iter(theirs_bundle.x509_authorities)))
            svid = await asyncio.to_thread(theirs.fetch_jwt_svid, {"acme"})
            found = await asyncio.to_thread(ours.validate_jwt_svid, svid.token, "acme")
            assert found.spiffe_id == SpiffeId(f"spiffe://{zeta.trust_domain}/ns/shop/sa/client")
            jwt_bundles = await asyncio.to_thread(ours.fetch_jwt_bundles)
            foreign = jwt_bundles.get_bundle_for_trust_domain(TrustDomain(zeta.trust_domain))
            assert foreign is not None
            assert JwtSvid.parse_and_validate(svid.token, foreign, {"acme"}).spiffe_id == found.spiffe_id
            context = await asyncio.to_thread(ours.fetch_x509_context)
            assert context.default_svid.spiffe_id.trust_domain.name == acme.trust_domain
            acme.cli("trust", "domain", "remove", "--state", acme.state, zeta.trust_domain)
            await until(partial(sees, ours, {acme.trust_domain}))
        await asyncio.to_thread(acme.stop)
        await asyncio.to_thread(zeta.stop)
        await closed_since(before)

    asyncio.run(main())
    assert acme.domains() == []


def test_the_last_good_stays_while_the_other_is_away_and_after_a_restart(pair: tuple[Lone, Lone]) -> None:
    acme, zeta = pair
    federate(acme, zeta)
    before = zeta.domains()
    sequence = before[0]["sequence"]
    acme.stop()
    zeta.stop()
    zeta._started.clear()
    zeta.start()
    await_true("zeta looked", lambda: seen(zeta).get("problem"))
    found = seen(zeta)
    assert (
        found["problem"]
        == f"E190 bundle endpoint https://{acme.bundles}/bundle.json does not answer: Connection refused"
    )
    assert (found["sequence"], found["trust_domain"]) == (sequence, acme.trust_domain)
    acme._started.clear()
    acme.start()
    assert read_bundle(first_bundle(acme).read_bytes(), acme.trust_domain).sequence == sequence


def test_a_name_of_our_own_federation_is_refused(pair: tuple[Lone, Lone]) -> None:
    acme, _ = pair
    options = ("--state", acme.state, "m2.acme.mesh", "--url", "https://h/b", "--profile", "https_web")
    done = subprocess.run([ISTHMUS, "trust", "domain", "add", *options], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (
        2,
        'isthmus: E102 trust domain "m2.acme.mesh" lies in our own federation acme.mesh: only the ledger speaks for members\n',
    )
