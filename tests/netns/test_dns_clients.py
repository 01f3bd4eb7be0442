"""A DNS server that listens on all addresses: each client is answered from the address that it asked, by its own way."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from tests.netns.spaces import Programs, Space, await_true, join

pytestmark = pytest.mark.netns

ZONE = "$ORIGIN z.test.\n@ 60 SOA ns h 1 1 1 1 1\n@ 60 NS ns\nns 60 A 192.0.2.1\nwww 60 A 192.0.2.2\n"
PORT = 5353
PATHS = (
    "python",
    pytest.param("rust", marks=pytest.mark.skipif(find_spec("gslb_packet") is None, reason="dns/packet is not built")),
)


@pytest.fixture(params=PATHS)
def spaces(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Space, Space, Space]]:
    """A server that has a second address on each of its two devices, and a client behind each."""
    made = server, one, other = Space("s"), Space("a"), Space("b")
    programs = Programs(tmp_path)
    try:
        for space in made:
            space.run("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
        join(server, "10.9.1.1/24", one, "10.9.1.2/24")
        join(server, "10.9.2.1/24", other, "10.9.2.2/24")
        for name, number in zip(_devices(server), (1, 2), strict=True):
            server.ip("address", "add", f"10.9.{number}.9/24", "dev", name)
            server.ip("address", "add", f"2001:db8:{number}::1/64", "dev", name)
            server.ip("address", "add", f"2001:db8:{number}::9/64", "dev", name)
        for client, number in ((one, 1), (other, 2)):
            client.ip("address", "add", f"2001:db8:{number}::2/64", "dev", *_devices(client))
            client.ip("route", "add", "default", "via", f"10.9.{number}.1")
            client.ip("-6", "route", "add", "default", "via", f"2001:db8:{number}::1")
        (tmp_path / "zone").write_text(ZONE)
        listen = ("--listen", f"0.0.0.0:{PORT}", "--listen", f"[::]:{PORT}")
        path = ("--packet-path", request.param)
        programs.isthmus(server, "dns", "dns", "serve", "--zone-file", str(tmp_path / "zone"), *listen, *path)
        log = tmp_path / "dns.log"
        await_true("the server is up", lambda: "DNS server is up" in log.read_text())
        yield made
    finally:
        programs.stop_all()
        for space in made:
            space.remove()


def _devices(space: Space) -> list[str]:
    """The devices of a namespace, but for loopback."""
    return [line.split(": ")[1].partition("@")[0] for line in space.ip("-o", "link").splitlines()[1:]]


def _local(space: Space, device: str) -> str:
    """The link-local address of a device."""
    said = space.ip("-6", "-o", "address", "show", "dev", device, "scope", "link")
    return said.split()[3].partition("/")[0]


def asked(client: Space, at: str) -> list[str]:
    """What the client gets for www.z.test from there, and from nowhere else: dnspython refuses another source."""
    query = dns.message.make_query("www.z.test.", "A")
    with client.entered():
        said = dns.query.udp(query, at, timeout=5, port=PORT)
    assert said.rcode() == dns.rcode.NOERROR
    return [item.to_text() for rrset in said.answer for item in rrset]


def test_each_address_answers_as_itself(spaces: tuple[Space, Space, Space]) -> None:
    _, one, other = spaces
    for client, near, far in ((one, 1, 2), (other, 2, 1)):
        for at in (f"10.9.{near}.1", f"10.9.{near}.9", f"10.9.{far}.1", f"10.9.{far}.9"):
            assert asked(client, at) == ["192.0.2.2"], at
        for at in (f"2001:db8:{near}::1", f"2001:db8:{near}::9", f"2001:db8:{far}::1", f"2001:db8:{far}::9"):
            assert asked(client, at) == ["192.0.2.2"], at


def test_a_link_local_client_is_answered_over_its_link(spaces: tuple[Space, Space, Space]) -> None:
    server, one, other = spaces
    for client, device in zip((one, other), _devices(server), strict=True):
        (mine,) = _devices(client)
        assert asked(client, f"{_local(server, device)}%{mine}") == ["192.0.2.2"]
