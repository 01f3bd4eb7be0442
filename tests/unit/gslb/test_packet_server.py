"""The packet path behind sockets: what it answers, what it leaves to Python, how tables change under it."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.query
import pytest
from gslb import front
from gslb.front import Front, Wanted
from gslb.library import Responder as Library
from gslb.options import Itself
from gslb.rrl import NO_LIMITS, Limits
from gslb.steer import Steering

from federation.model.errors import InputError
from tests.netns.spaces import await_true
from tests.worlds.dns_server import running
from tests.worlds.ports import free_port
from tests.worlds.public_cli import ISTHMUS

ZONE = "$ORIGIN test.\n$TTL {ttl}\n@ SOA ns hostmaster 1 2 3 4 60\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.7\n"
NSID = dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")
SERVED = ("python", "rust")


def steering(ttl: int = 300) -> Steering:
    return Library({"test": ZONE.format(ttl=ttl)})._steering


@pytest.fixture(params=SERVED)
def path(request: pytest.FixtureRequest) -> Wanted:
    if request.param == "rust":
        built()
    return "rust" if request.param == "rust" else "python"


def built() -> None:
    pytest.importorskip(
        "gslb_packet", reason="the package of dns/packet is not installed: it needs cargo and its registry"
    )


def metrics(port: int) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return list(answer.read().decode().splitlines())


def test_a_server_of_a_zone_file(path: Wanted, tmp_path: Path) -> None:
    (tmp_path / "test.zone").write_text(ZONE.format(ttl=300))
    every = free_port()
    more = ("--listen", f"0.0.0.0:{every}", "--nsid", "ams-1", "--packet-path", path)
    with running(tmp_path, "--zone-file", str(tmp_path / "test.zone"), *more, alone=True) as (v4, v6, told):
        assert f'"packet_path": "{path}"' in (tmp_path / "log").read_text()
        query = dns.message.make_query("www.test", "A")
        for where, port in (("127.0.0.1", v4), ("::1", v6), ("127.0.0.1", every)):
            assert dns.query.udp(query, where, port=port, timeout=10).answer[0][0].to_text() == "192.0.2.7"
        asked = dns.message.make_query("nobody.test", "A", use_edns=0, options=[NSID])
        found = dns.query.udp(asked, "127.0.0.1", port=v4, timeout=10)
        assert [one.to_wire() for one in found.options] == [b"ams-1"]
        lines = metrics(told)
        assert f'isthmus_dns_packet_path{{path="{path}"}} 1.0' in lines
        assert 'isthmus_dns_queries_total{transport="udp"} 4.0' in lines
        assert 'isthmus_dns_responses_total{rcode="NOERROR",zone="test"} 3.0' in lines
        assert 'isthmus_dns_responses_total{rcode="NXDOMAIN",zone="test"} 1.0' in lines
        assert f"isthmus_dns_handed_over_total {float(path == 'rust')}" in lines


def test_who_listens_on_all_addresses_answers_from_the_one_that_was_asked(path: Wanted, tmp_path: Path) -> None:
    (tmp_path / "test.zone").write_text(ZONE.format(ttl=300))
    port = free_port()
    more = ("--listen", f"0.0.0.0:{port}", "--listen", f"[::]:{port}", "--packet-path", path)
    with running(tmp_path, "--zone-file", str(tmp_path / "test.zone"), *more, alone=True):
        assert f'"0.0.0.0:{port}", "[::]:{port}"]' in (tmp_path / "log").read_text()
        for options in ([], [NSID]):
            query = dns.message.make_query("www.test", "A", use_edns=0, options=[*options])
            for where in ("127.0.0.9", "::1"):
                assert dns.query.udp(query, where, port=port, timeout=10).answer
                assert dns.query.tcp(query, where, port=port, timeout=10).answer


def test_a_second_server_on_the_port_is_refused_and_takes_no_query(path: Wanted, tmp_path: Path) -> None:
    (tmp_path / "test.zone").write_text(ZONE.format(ttl=300))
    zone = ("--zone-file", str(tmp_path / "test.zone"), "--packet-path", path)
    with running(tmp_path, *zone, alone=True) as (port, _, _):
        command = [ISTHMUS, "dns", "serve", *zone, "--listen", f"127.0.0.1:{port}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        why = f'E122 --listen "127.0.0.1:{port}": Address already in use; choose another address or port\n'
        assert (done.returncode, done.stderr.splitlines()[-1]) == (2, f"isthmus: {why}".rstrip())


def test_what_is_wanted_and_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "find_spec", lambda name: None)
    assert Front().path == "python"
    with pytest.raises(InputError) as caught:
        Front(wanted="rust")
    text = "E125 --packet-path rust: it is not installed; install the package of dns/packet"
    assert str(caught.value) == text


class Client:
    """A resolver that waits for each response."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect((host, port))
        self._socket.settimeout(10)

    def ask(self, query: dns.message.Message) -> dns.message.Message:
        self._socket.send(query.to_wire())
        return dns.message.from_wire(self._socket.recv(4_096))

    def send(self, query: dns.message.Message | bytes, count: int) -> None:
        data = query if isinstance(query, bytes) else query.to_wire()
        for _ in range(count):
            self._socket.send(data)

    def answers(self) -> Iterator[bytes]:
        self._socket.setblocking(False)
        try:
            while True:
                yield self._socket.recv(4_096)
        except BlockingIOError:
            return

    def settled(self, count: Callable[[], int]) -> list[bytes]:
        """All answers, when there are so many."""
        found: list[bytes] = []

        def come() -> bool:
            found.extend(self.answers())
            return len(found) >= count()

        await_true("all answers are there", come)
        return found

    def close(self) -> None:
        self._socket.close()


def within(
    story: Callable[[Front, Client], Awaitable[None]],
    limits: Limits = NO_LIMITS,
    host: str = "127.0.0.1",
    wanted: Wanted = "rust",
) -> None:
    """The story on the thread of the event loop: while it does not wait Python answers nothing."""
    if wanted == "rust":
        built()

    async def whole() -> None:
        found, port = Front(limits, wanted), free_port()
        found.datagrams.listen(host, port)
        client = Client(port, host)
        try:
            await story(found, client)
        finally:
            client.close()
            found.datagrams.close()

    asyncio.run(asyncio.wait_for(whole(), 60))


def test_another_table_is_in_force_when_it_is_put_and_no_query_is_lost_meanwhile() -> None:
    query = dns.message.make_query("www.test", "A")

    async def story(found: Front, client: Client) -> None:
        for ttl in range(1, 300):
            found.put(steering(ttl), Itself())
            assert client.ask(query).answer[0].ttl == ttl

    within(story)


def test_too_many_that_wait_for_python_are_dropped_and_the_others_are_answered() -> None:
    plain = dns.message.make_query("www.test", "A")
    slow = dns.message.make_query("www.test", "A", use_edns=0, options=[NSID])

    async def story(found: Front, client: Client) -> None:
        from gslb.packet import PacketPath

        assert isinstance(found.datagrams, PacketPath)
        found.put(steering(), Itself("ams-1"))
        client.send(slow, 2_000)
        assert client.ask(plain).answer[0].ttl == 300
        fast = found.datagrams._fast
        await_true("all were received", lambda: sum(fast.datagrams()[1:]) == 2_000)
        assert fast.datagrams()[1:] == (1_024, 976)
        answered = 0
        while answered < 1_024:
            await asyncio.sleep(0)
            answered += sum(b"ams-1" in one for one in client.answers())
        assert answered == 1_024

    within(story)


def test_rates_are_limited_but_for_who_has_a_cookie_of_ours() -> None:
    plain = dns.message.make_query("www.test", "A")
    bare = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, bytes(8))

    async def story(found: Front, client: Client) -> None:
        from gslb.packet import PacketPath

        assert isinstance(found.datagrams, PacketPath)
        found.put(steering(), Itself("", (bytes(16),)))
        fast = found.datagrams._fast
        first = client.ask(dns.message.make_query("www.test", "A", use_edns=0, options=[bare]))
        client.send(plain, 100)
        whole = [dns.message.from_wire(one) for one in client.settled(lambda: 100 - fast.limited()[2])]
        cut = [one for one in whole if one.flags & dns.flags.TC]
        dry, slipped, dropped = fast.limited()
        assert (dry, slipped, len(whole)) == (0, len(cut), 100 - dropped)
        assert 80 < slipped + dropped < 97 and abs(slipped - dropped) <= 1
        assert all(not one.answer and one.question == plain.question for one in cut)
        known = dns.message.make_query("www.test", "A", use_edns=0, options=[*first.options])
        client.send(known, 50)
        assert len(client.settled(lambda: 50)) == 50

    within(story, Limits(5, 2))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("names", ["www.test", "n{}.test", "n{}.other"], ids=["there", "absent", "refused"])
def test_one_network_gets_so_many_of_one_kind_however_they_are_asked_for(host: str, names: str) -> None:
    queries = [dns.message.make_query(names.format(number), "A") for number in range(60)]

    async def story(found: Front, client: Client) -> None:
        from gslb.packet import PacketPath

        assert isinstance(found.datagrams, PacketPath)
        found.put(steering(), Itself())
        fast, begun = found.datagrams._fast, time.monotonic()
        for query in queries:
            client.send(query, 1)
        whole = client.settled(lambda: 60 - fast.limited()[2])
        most = 5 * (2 + int(time.monotonic() - begun))
        assert 5 <= len(whole) <= most and fast.limited() == [0, 0, 60 - len(whole)]
        assert all(one[2] & 2 == 0 for one in whole)

    within(story, Limits(5, 0), host)


def test_a_dry_run_answers_and_counts() -> None:
    query = dns.message.make_query("www.test", "A")

    async def story(found: Front, client: Client) -> None:
        from gslb.packet import PacketPath

        assert isinstance(found.datagrams, PacketPath)
        found.put(steering(), Itself())
        begun = time.monotonic()
        for _ in range(50):
            assert client.ask(query).answer
        dry, slipped, dropped = found.datagrams._fast.limited()
        assert 50 - (2 + time.monotonic() - begun) <= dry < 50 and slipped == dropped == 0

    within(story, Limits(1, 1, True))


def test_what_slips_through_has_the_question_where_there_was_one(path: Wanted) -> None:
    query = dns.message.make_query("www.test", "A").to_wire()
    broken = query[:4] + b"\0\2" + query[6:]

    async def story(found: Front, client: Client) -> None:
        found.put(steering(), Itself())
        told: list[bytes] = []
        client.send(query, 5)
        client.send(broken, 5)
        while len(told) < 10:
            await asyncio.sleep(0)
            told += client.answers()
        slipped = {one for one in told if one[2] & 2}
        head = query[:2] + b"\x83\0"
        assert slipped == {head + b"\0\1" + bytes(6) + query[12:], head + bytes(8)}

    within(story, Limits(1, 1), wanted=path)
