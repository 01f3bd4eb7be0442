"""The keyed hash against its published vectors, and what it is used for."""

from federation.law.pick import bucket_of, pick, pick_key, siphash
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


def test_a_client_of_one_prefix_gets_one_part_and_prefixes_divide_by_share() -> None:
    shares = (Share("a", 700_000), Share("b", 300_000))
    key = pick_key("acme.mesh")
    one, other = (bucket_of(key, "shop.example.test", f"192.0.2.{last}", 24) for last in (1, 200))
    assert one == other
    buckets = [bucket_of(key, "shop.example.test", f"10.{n >> 8}.{n & 255}.9", 24) for n in range(10_000)]
    assert abs([pick(shares, bucket) for bucket in buckets].count(shares[0]) - 7_000) < 150
    assert [pick(shares, bucket) for bucket in (0, 699_999, 700_000, 999_999)] == [shares[0]] * 2 + [shares[1]] * 2
    assert pick((), one) is None
