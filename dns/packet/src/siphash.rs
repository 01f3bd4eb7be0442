//! SipHash-2-4 (Aumasson, Bernstein 2012) with a 64-bit result, as in `federation/law/pick.py`.
#![forbid(unsafe_code)]

pub type Key = [u8; 16];

/// The hash of these pieces, one behind the other.
pub fn siphash(key: &Key, pieces: &[&[u8]]) -> u64 {
    let (k0, k1) = (word(&key[..8]), word(&key[8..]));
    let mut state =
        [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573];
    let (mut held, mut count) = (0_u64, 0_usize);
    for byte in pieces.iter().flat_map(|piece| piece.iter()) {
        held |= u64::from(*byte) << (8 * (count % 8));
        count += 1;
        if count % 8 == 0 {
            mix(&mut state, held);
            held = 0;
        }
    }
    mix(&mut state, held | (count as u64) << 56);
    state[2] ^= 0xff;
    (0..4).for_each(|_| round(&mut state));
    state.iter().fold(0, |sum, one| sum ^ one)
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn mix(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    round(state);
    state[0] ^= word;
}

fn round(state: &mut [u64; 4]) {
    let [mut v0, mut v1, mut v2, mut v3] = *state;
    v0 = v0.wrapping_add(v1);
    v1 = v1.rotate_left(13) ^ v0;
    v0 = v0.rotate_left(32);
    v2 = v2.wrapping_add(v3);
    v3 = v3.rotate_left(16) ^ v2;
    v0 = v0.wrapping_add(v3);
    v3 = v3.rotate_left(21) ^ v0;
    v2 = v2.wrapping_add(v1);
    v1 = v1.rotate_left(17) ^ v2;
    *state = [v0, v1, v2.rotate_left(32), v3];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_the_paper() {
        let key: Key = std::array::from_fn(|at| at as u8);
        let data: Vec<u8> = (0..15).collect();
        assert_eq!(siphash(&key, &[&data]), 0xa129ca6149be45e5);
        assert_eq!(siphash(&key, &[&data[..3], &[], &data[3..]]), 0xa129ca6149be45e5);
        assert_eq!(siphash(&key, &[]), 0x726fdb47dd0e0e31);
    }
}
