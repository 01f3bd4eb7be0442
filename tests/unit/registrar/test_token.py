"""Join tokens: what they carry, and that each lets one in once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from federation.model.errors import InputError, Refused
from federation.registrar.token import Ticket, Tickets, Token, decode_token, encode_token

SECRET = bytes(range(32))
TOKEN = Token(
    secret=SECRET, federation="sha256:" + "a" * 64, registrar="us-east", registrars=("192.0.2.1:7444",), name="ap-south"
)
LOST = "E105 the token is unknown, was used or has run out; ask for another one"


def test_a_token_survives_its_text() -> None:
    text = encode_token(TOKEN)
    assert text.startswith("isthmus1.") and "\n" not in text
    assert decode_token(f"  {text}\n") == TOKEN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "isthmus1.",
        "isthmus2." + encode_token(TOKEN)[9:],
        encode_token(TOKEN)[:-9],
        "isthmus1.!!",
        encode_token(TOKEN)[9:],
    ],
)
def test_what_is_no_token_is_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        decode_token(text)
    assert str(caught.value) == "E105 --token: is no token of `isthmus token create`; copy it whole"


def test_c13_of_fifty_parallel_uses_exactly_one_wins(tmp_path: Path) -> None:
    tickets = Tickets(tmp_path / "tokens")
    tickets.put(SECRET, Ticket(name="ap-south", until=1_000))
    together = Barrier(50)

    def use(_: int) -> bool:
        together.wait()
        try:
            with tickets.taken(SECRET, 999) as ticket:
                return ticket.name == "ap-south"
        except Refused:
            return False

    with ThreadPoolExecutor(50) as workers:
        assert sum(workers.map(use, range(50))) == 1
    assert list((tmp_path / "tokens").iterdir()) == []


def test_c13_a_ticket_is_given_back_when_the_admission_fails_and_runs_out(tmp_path: Path) -> None:
    tickets = Tickets(tmp_path / "tokens")
    tickets.put(SECRET, Ticket(name="ap-south", until=1_000))
    with pytest.raises(ValueError, match="overlaps"), tickets.taken(SECRET, 0):
        raise ValueError("overlaps")
    with tickets.taken(SECRET, 999):
        pass
    tickets.put(SECRET, Ticket(name="ap-south", until=1_000))
    for now in (1_000, 0):
        with pytest.raises(Refused) as caught, tickets.taken(SECRET, now):
            pass
        assert str(caught.value) == LOST


def test_c13_the_registrar_keeps_no_secret(tmp_path: Path) -> None:
    Tickets(tmp_path / "tokens").put(SECRET, Ticket(name="ap-south", until=1_000))
    (file,) = (tmp_path / "tokens").iterdir()
    assert SECRET.hex() not in file.name and SECRET not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
