"""`--store etcd` and `isthmus store accept` with bad input: one line each, exit status 2."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.adapters.mirror import Mark, Mirror
from tests.worlds.command_line import content, inside, prepare, said, said_apart, words
from tests.worlds.etcd import Certificates

HTTPS = "https://127.0.0.1:2379"
WHO = "etcd must know who we are: give --etcd-cert and --etcd-key, or --etcd-user and --etcd-password-file"
CA = {"--etcd-ca": "tls/ca.pem"}


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("cli")
    prepare(path)
    Certificates(path / "tls")
    for name, text, mode in (("password", "p\n", 0o600), ("open", "p\n", 0o644), ("empty", "\n", 0o600)):
        (path / name).write_text(text)
        (path / name).chmod(mode)
    with inside(path):
        yield path


def endpoint(
    text: str, problem: str = "write it as https://HOST:PORT", code: str = "E125"
) -> tuple[dict[str, str], str]:
    return {"--etcd-endpoint": text}, f'{code} --etcd-endpoint "{text}": {problem}'


ETCD: dict[str, tuple[dict[str, str], str]] = {
    "no endpoint": ({}, "E125 --store etcd needs --etcd-endpoint https://HOST:PORT (may be repeated)"),
    "no scheme": endpoint("127.0.0.1:2379"),
    "no port": endpoint("https://127.0.0.1"),
    "port too great": endpoint("https://127.0.0.1:99999"),
    "a path": endpoint("https://127.0.0.1:2379/v3"),
    "a password in it": endpoint("https://u:p@127.0.0.1:2379"),
    "another scheme": endpoint("ftp://127.0.0.1:2379"),
    "plain to elsewhere": endpoint("http://192.0.2.1:2379", "http is for this machine only; use https", "E122"),
    "plain by name": endpoint("http://etcd.internal:2379", "http is for this machine only; use https", "E122"),
    "no CA": ({"--etcd-endpoint": HTTPS}, "E125 https endpoints need --etcd-ca, the file of the CA that signed etcd's certificate"),
    "nobody": ({"--etcd-endpoint": HTTPS, **CA}, f"E122 {WHO}"),
    "CA missing": ({"--etcd-endpoint": HTTPS, "--etcd-ca": "none"}, 'E125 --etcd-ca "none": No such file or directory'),
    "CA no PEM": (
        {"--etcd-endpoint": HTTPS, "--etcd-ca": "file"},
        'E125 --etcd-ca "file": is not a PEM file that can be used (no certificate or crl found)',
    ),
    "certificate without key": (
        {"--etcd-endpoint": HTTPS, **CA, "--etcd-cert": "tls/isthmus.pem"},
        "E125 give --etcd-cert and --etcd-key together",
    ),
    "key of another": (
        {"--etcd-endpoint": HTTPS, **CA, "--etcd-cert": "tls/isthmus.pem", "--etcd-key": "tls/server.key"},
        'E125 --etcd-cert "tls/isthmus.pem": is not a PEM file that can be used (key values mismatch)',
    ),
    "key that others may read": (
        {"--etcd-endpoint": HTTPS, **CA, "--etcd-cert": "tls/isthmus.pem", "--etcd-key": "open"},
        'E122 --etcd-key "open" has mode 0644: must be 0600, run `chmod 600 open`',
    ),
    "user without password": (
        {"--etcd-endpoint": HTTPS, **CA, "--etcd-user": "u"},
        "E125 give --etcd-user and --etcd-password-file together",
    ),
    "password that others may read": (
        {"--etcd-endpoint": HTTPS, **CA, "--etcd-user": "u", "--etcd-password-file": "open"},
        'E122 --etcd-password-file "open" has mode 0644: must be 0600, run `chmod 600 open`',
    ),
    "password empty": (
        {"--etcd-endpoint": HTTPS, **CA, "--etcd-user": "u", "--etcd-password-file": "empty"},
        'E125 --etcd-password-file "empty": is empty; write the password into it',
    ),
    "CA for plain http": (
        {"--etcd-endpoint": "http://127.0.0.1:1", **CA},
        "E125 --etcd-ca is of no use with http endpoints; use https or leave it out",
    ),
    "for SQLite": ({"--store": "sqlite", "--etcd-endpoint": HTTPS}, "E125 --etcd-... options need --store etcd"),
}  # fmt: skip


@pytest.mark.parametrize("case", ETCD)
def test_controller(place: Path, case: str) -> None:
    options, text = ETCD[case]
    base = {"--state": "reg", "--listen": "127.0.0.1:1", "--manifests": "manifests", "--store": "etcd"}
    before = content(place)
    assert said_apart("controller", *words(base | options)) == (2, "", f"isthmus: {text}\n")
    assert content(place) == before


def test_http_and_https_are_not_mixed(place: Path) -> None:
    base = ["--state", "reg", "--listen", "127.0.0.1:1", "--manifests", "manifests", "--store", "etcd"]
    mixed = ["--etcd-endpoint", HTTPS, "--etcd-endpoint", "http://127.0.0.1:1"]
    text = "E125 --etcd-endpoint: some are http and some https; give all as https"
    assert said_apart("controller", *base, *mixed) == (2, "", f"isthmus: {text}\n")


def test_accept_where_there_is_nothing_to_accept(place: Path) -> None:
    none = "E125 none/member.json does not exist: make it with `isthmus init` or `isthmus member request`"
    assert said("store", "accept", "--state", "none") == (2, "", f"isthmus: {none}\n")
    sqlite = 'E125 --state "joiner": its controller shares no store; there is nothing to accept'
    assert said("store", "accept", "--state", "joiner") == (2, "", f"isthmus: {sqlite}\n")
    Mirror(place / "joiner" / "etcd-mirror.sqlite")
    sound = 'E125 --state "joiner": its store is not frozen; there is nothing to accept'
    assert said("store", "accept", "--state", "joiner") == (2, "", f"isthmus: {sound}\n")


def test_accept_prints_what_differs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = Mirror(place / "reg" / "etcd-mirror.sqlite")
    mirror.replace({"same": b"1", "ours": b"2", "dropped": b"3"}, Mark(1, 9, 9))
    mirror.freeze("store went backwards", {"same": b"1", "ours": b"\xff\x00", "theirs": b"x" * 40, "dropped": b"3"})
    mirror.hold({"dropped"})
    shown = (
        "store went backwards\n"
        'dropped: known "3", the store has "3", would be nothing\n'
        'ours: known "2", the store has 2 bytes (ea5dbf95), would be "2"\n'
        "theirs: known nothing, the store has 40 bytes (bd913ff6), would be nothing\n"
        "3 keys differ\n"
    )
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    status, out, _ = said("store", "accept", "--state", "reg")
    assert out.startswith(shown) and status == 130 and not mirror.accepted
    done = shown + "accepted: the controller that leads writes it within seconds\n"
    assert said("store", "accept", "--state", "reg", "--yes") == (0, done, "")
    assert mirror.accepted
