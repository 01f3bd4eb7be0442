"""The WireGuard key that is made from a signing key, and its proof."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from federation.link.possession import proves, wireguard_key


@given(st.binary(min_size=32, max_size=32))
def test_the_public_key_is_the_one_that_wireguard_computes(seed: bytes) -> None:
    key = wireguard_key(seed, "eu-central", "gw1")
    assert key.public == X25519PrivateKey.from_private_bytes(key.private).public_key().public_bytes_raw()
    assert proves(key.proof, key.public, "eu-central", "gw1")


KEY, OTHER = wireguard_key(b"a" * 32, "eu-central", "gw1"), wireguard_key(b"b" * 32, "eu-central", "gw1")
BAD = {
    "another member's": (KEY.proof, KEY.public, "us-east", "gw1"),
    "another node's": (KEY.proof, KEY.public, "eu-central", "gw2"),
    "of another key": (OTHER.proof, KEY.public, "eu-central", "gw1"),
    "signed by another key": (KEY.proof[:32] + OTHER.proof[32:], KEY.public, "eu-central", "gw1"),
    "absent": (b"", KEY.public, "eu-central", "gw1"),
    "short": (KEY.proof[:-1], KEY.public, "eu-central", "gw1"),
    "of no point": (b"\x01" + bytes(31) + KEY.proof[32:], KEY.public, "eu-central", "gw1"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_this_proof_is_none(case: str) -> None:
    assert not proves(*BAD[case])
