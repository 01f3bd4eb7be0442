"""The keyed hash against its published vectors, and what it is used for."""

from federation.law.pick import pick, pick_key, siphash
from federation.law.shares import Share

KEY = bytes(range(16))
VECTORS = {
    0: 0x726FDB47DD0E0E31,
    1: 0x74F839C593DC67FD,
    7: 0xAB0200F58B01D137,
    8: 0x93F5F5799A932462,
    15: 0xA129CA6149BE45E5,
}


def test_siphash_answers_its_published_vectors() -> None:
    assert {size: siphash(KEY, bytes(range(size))) for size in VECTORS} == VECTORS


def test_a_client_of_one_prefix_gets_one_member_and_prefixes_divide_by_share() -> None:
    shares = (Share("a", 700_000), Share("b", 300_000))
    key = pick_key("acme.mesh")
    assert pick(shares, key, "shop.example.test", "192.0.2.1", 24) == pick(
        shares, key, "shop.example.test", "192.0.2.200", 24
    )
    picked = [pick(shares, key, "shop.example.test", f"10.{n >> 8}.{n & 255}.9", 24) for n in range(10_000)]
    assert abs(picked.count("a") - 7_000) < 150
    assert pick((), key, "shop.example.test", "192.0.2.1", 24) is None
