"""Programs that cannot start: one line on standard error, exit status 2. Each is a process of its own, as in use."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds.command_line import inside, prepare, said, said_apart, words
from tests.worlds.ports import free_port

PORT = "write it as ADDRESS:PORT or [IPV6]:PORT with a port of 1 to 65535"
TAKEN = "Address already in use; choose another address or port"
ONE = "E125 give exactly one of --manifests FOLDER, --kubeconfig FILE and --in-cluster"


@pytest.fixture(scope="module", autouse=True)
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The prepared folder as working directory; addresses that others hold."""
    path = tmp_path_factory.mktemp("cli")
    prepare(path)
    with inside(path), socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        yield {name: "{}:{}".format(*one.getsockname()) for name, one in (("tcp", tcp), ("udp", udp))}


def refused(arguments: list[str], text: str, taken: dict[str, str]) -> None:
    status, out, err = said_apart(*(word.format(**taken) for word in arguments))
    assert (status, out, err) == (2, "", f"isthmus: {text.format(**taken)}\n")


CONTROLLERS = {
    "no source": ({"--listen": "{tcp}"}, ONE),
    "two sources": ({"--listen": "{tcp}", "--manifests": "manifests", "--kubeconfig": "file"}, ONE),
    "manifests missing": ({"--listen": "{tcp}", "--manifests": "none"}, 'E125 --manifests "none": is not a folder; make it or name another'),
    "manifests a file": ({"--listen": "{tcp}", "--manifests": "file"}, 'E125 --manifests "file": is not a folder; make it or name another'),
    "kubeconfig missing": ({"--listen": "{tcp}", "--kubeconfig": "none"}, 'E125 --kubeconfig "none": No such file or directory'),
    "no address": ({"--listen": "here", "--manifests": "manifests"}, f'E122 --listen "here": {PORT}'),
    "port in use": ({"--listen": "{tcp}", "--manifests": "manifests"}, f'E122 --listen "{{tcp}}": {TAKEN}'),
    "address of another": (
        {"--listen": "192.0.2.99:7443", "--manifests": "manifests"},
        'E122 --listen "192.0.2.99:7443": Cannot assign requested address; choose another address or port',
    ),
    "metrics port in use": (
        {"--listen": "127.0.0.1:1", "--manifests": "manifests", "--metrics": "{tcp}"},
        f'E122 --metrics "{{tcp}}": {TAKEN}',
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CONTROLLERS)
def test_controller(case: str, taken: dict[str, str]) -> None:
    options, text = CONTROLLERS[case]
    refused(["controller", "--state", "reg", *words(options)], text, taken)


def test_controller_of_nobody(taken: dict[str, str]) -> None:
    text = "E125 none/member.json does not exist: make it with `isthmus init` or `isthmus member request`"
    refused(["controller", "--state", "none", "--listen", "{tcp}", "--manifests", "manifests"], text, taken)


def test_controller_before_it_was_admitted(taken: dict[str, str]) -> None:
    text = "E125 joiner/ledger does not exist: take it over with `isthmus member accept`"
    refused(["controller", "--state", "joiner", "--listen", "{tcp}", "--manifests", "manifests"], text, taken)


def test_controller_with_a_key_that_others_can_read(taken: dict[str, str]) -> None:
    key = Path("reg/record.key")
    key.chmod(0o644)
    try:
        text = "E122 reg/record.key has mode 0644: must be 0600, run `chmod 600 reg/record.key`"
        refused(["controller", "--state", "reg", "--listen", "{tcp}", "--manifests", "manifests"], text, taken)
    finally:
        key.chmod(0o600)


def test_a_second_controller_on_one_folder(taken: dict[str, str]) -> None:
    with socket.socket(socket.AF_UNIX) as first:
        first.bind("reg/api.sock")
        first.listen()
        text = "E122 reg/api.sock: another controller is running on this state folder; stop it first"
        listen = f"127.0.0.1:{free_port()}"
        refused(["controller", "--state", "reg", "--listen", listen, "--manifests", "manifests"], text, taken)
    Path("reg/api.sock").unlink()


def test_signer_with_a_key_that_others_can_read(taken: dict[str, str]) -> None:
    key = Path("reg/ca/anchor.key")
    key.chmod(0o640)
    try:
        text = "E122 reg/ca/anchor.key has mode 0640: must be 0600, run `chmod 600 reg/ca/anchor.key`"
        refused(["signer", "--state", "reg"], text, taken)
    finally:
        key.chmod(0o600)


SERVERS = {
    "not enrolled": ({"--state": "none", "--listen": "{tcp}"}, "E125 none/enrolled.json does not exist: make this folder with `isthmus enroll --out none`"),
    "no port": ({"--state": "dns", "--listen": "127.0.0.1"}, f'E122 --listen "127.0.0.1": {PORT}'),
    "TCP port in use": ({"--state": "dns", "--listen": "{tcp}"}, f'E122 --listen "{{tcp}}": {TAKEN}'),
    "UDP port in use": ({"--state": "dns", "--listen": "{udp}"}, f'E122 --listen "{{udp}}": {TAKEN}'),
    "metrics port in use": (
        {"--state": "dns", "--listen": "127.0.0.1:1", "--metrics": "{tcp}"},
        f'E122 --metrics "{{tcp}}": {TAKEN}',
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SERVERS)
def test_dns_server(case: str, taken: dict[str, str]) -> None:
    options, text = SERVERS[case]
    refused(["dns", "serve", *words(options)], text, taken)


def test_help_is_no_mistake() -> None:
    status, out, err = said("controller", "--help")
    assert (status, err) == (0, "")
    assert out.startswith("Usage: isthmus controller [OPTIONS]\n")
