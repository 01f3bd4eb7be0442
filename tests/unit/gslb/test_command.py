"""`isthmus dns`: what the user got wrong, each in one line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds.command_line import inside, prepare, said

SERVE = ("dns", "serve", "--state", "dns", "--listen", "127.0.0.1:1")
EXPLAIN = ("dns", "explain", "shop.example.test", "--state", "dns", "--from")


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("cli")
    prepare(path)
    with inside(path):
        Path("twice.map").write_text("10.0.0.0/8 us-east\n10.0.0.0/8 eu\n")
        Path("latin.map").write_bytes("10.0.0.0/8 us-east # Zürich\n".encode("latin-1"))
        yield path


PORT = "write it as ADDRESS:PORT or [IPV6]:PORT with a port of 1 to 65535"
BAD = {
    "no listen address": (SERVE[:-2], "Missing option '--listen'. See `isthmus dns serve --help`."),
    "the second of two addresses": ((*SERVE, "--listen", "192.0.2.1"), f'E122 --listen "192.0.2.1": {PORT}'),
    "no file of subnets": ((*SERVE, "--subnets", "none"), "E122 --subnets none: No such file or directory"),
    "a folder of subnets": ((*SERVE, "--subnets", "manifests"), "E122 --subnets manifests: Is a directory"),
    "not text": ((*SERVE, "--subnets", "latin.map"), "E122 --subnets latin.map: byte 22 is not UTF-8 text"),
    "a range twice": (
        (*SERVE, "--subnets", "twice.map"),
        'E122 --subnets twice.map:2: "10.0.0.0/8" stands at twice.map:1 already',
    ),
    "no file of places": ((*SERVE, "--geo", "none"), "E122 --geo none: No such file or directory"),
    "no file of latencies": ((*SERVE, "--latencies", "none"), "E122 --latencies none: No such file or directory"),
    "latencies that are no text": (
        (*SERVE, "--latencies", "latin.map"),
        "E122 --latencies latin.map: byte 22 is not UTF-8 text",
    ),
    "an anchor without a port": ((*SERVE, "--outside", "192.0.2.1"), f'E122 --outside "192.0.2.1": {PORT}'),
    "an anchor by name": (
        (*SERVE, "--outside", "one.example:53"),
        'E122 --outside "one.example:53": "one.example" is not an IP address',
    ),
    "a client that is no address": ((*EXPLAIN, "here"), 'E122 --from "here": is not an IP address'),
    "a client subnet that is none": (
        (*EXPLAIN, "192.0.2.1", "--ecs", "net"),
        'E122 --ecs "net": is not a range such as 192.0.2.0/24 or 2001:db8::/32',
    ),
    "no server to ask": (
        (*EXPLAIN, "192.0.2.1"),
        "E190 dns/dns.sock: nothing answers (No such file or directory); is `isthmus dns serve` running?",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_one_line(case: str) -> None:
    arguments, text = BAD[case]
    assert said(*arguments) == (2, "", f"isthmus: {text}\n")
