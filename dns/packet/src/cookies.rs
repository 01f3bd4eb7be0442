//! DNS cookies (RFC 7873) in the interoperable form (RFC 9018): `gslb/cookies.py` in Rust.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use crate::client::prefix;
use crate::query::Malformed;
use crate::siphash::{siphash, Key};

const CLIENT: usize = 8;
pub const WHOLE: usize = 24;
const RENEWED: i32 = 1_800;
const AHEAD: i32 = 300;

/// Malformed for a length that a cookie cannot have (RFC 7873 section 5.2.2).
pub fn check(option: &[u8]) -> Result<(), Malformed> {
    match option.len() {
        8 | 16..=40 => Ok(()),
        _ => Err(Malformed),
    }
}

/// The option of the response at this Unix second: as it came where one of the secrets made it of late, else anew.
pub fn answered(option: &[u8], address: IpAddr, seconds: u32, secrets: &[Key]) -> [u8; WHOLE] {
    let mut made = [0; WHOLE];
    made[..CLIENT].copy_from_slice(&option[..CLIENT]);
    if let Ok(whole) = <[u8; WHOLE]>::try_from(option) {
        let at = u32::from_be_bytes([whole[12], whole[13], whole[14], whole[15]]);
        let age = seconds.wrapping_sub(at) as i32;
        let by = |secret| server(&made[..CLIENT], address, at, secret) == whole[CLIENT..];
        if (-AHEAD..=RENEWED).contains(&age) && secrets.iter().any(by) {
            return whole;
        }
    }
    let fresh = server(&made[..CLIENT], address, seconds, &secrets[0]);
    made[CLIENT..].copy_from_slice(&fresh);
    made
}

fn server(client: &[u8], address: IpAddr, at: u32, secret: &Key) -> [u8; 16] {
    let mut made = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    made[4..8].copy_from_slice(&at.to_be_bytes());
    let (packed, len) = prefix(address, if address.is_ipv4() { 32 } else { 128 });
    let hash = siphash(secret, &[client, &made[..8], &packed[2..len]]);
    made[8..].copy_from_slice(&hash.to_le_bytes());
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    }

    /// RFC 9018 appendix A.1 and A.2.
    #[test]
    fn cookies_are_those_of_other_servers() {
        let secret: [Key; 1] = [bytes("e5e973e5a6b2a43f48e7dc849e37bfcf")];
        let address = "198.51.100.100".parse().unwrap();
        let client: [u8; 8] = bytes("2464c4abcf10c957");
        let first = answered(&client, address, 1_559_731_985, &secret);
        assert_eq!(first, bytes("2464c4abcf10c957010000005cf79f111f8130c3eee29480"));
        assert_eq!(answered(&first, address, 1_559_731_985 + 1_700, &secret), first);
        let later = answered(&first, address, 1_559_734_385, &secret);
        assert_eq!(later, bytes("2464c4abcf10c957010000005cf7a871d4a564a1442aca77"));
    }
}
