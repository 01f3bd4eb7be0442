//! Who asks: an address, and its client subnet (RFC 7871) read strictly, as `gslb/ecs.py` does.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use crate::query::Malformed;

/// The bits of a client subnet that count.
pub const SCOPE_V4: u8 = 24;
pub const SCOPE_V6: u8 = 48;

/// An address, and whether it came as a client subnet.
#[derive(Clone, Copy)]
pub struct Client {
    pub address: IpAddr,
    pub subnet: bool,
}

/// IPv4 that came over an IPv6 socket is IPv4.
pub fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// The address of the client subnet in this option, of which SCOPE bits count; None when it asks not to be located.
pub fn subnet(option: &[u8]) -> Result<Option<IpAddr>, Malformed> {
    let &[f0, f1, source, scope, ref given @ ..] = option else {
        return Err(Malformed);
    };
    let bits = match (f0, f1) {
        (0, 1) => 32,
        (0, 2) => 128,
        (0, 0) if source == 0 && scope == 0 && given.is_empty() => return Ok(None),
        _ => return Err(Malformed),
    };
    let spare = given.last().map_or(0, |last| last & (0xff_u16 >> (source % 8)) as u8);
    if source > bits || scope != 0 || given.len() != usize::from(source).div_ceil(8) || (source % 8 != 0 && spare != 0)
    {
        return Err(Malformed);
    }
    if source == 0 {
        return Ok(None);
    }
    let mut whole = [0; 16];
    whole[..given.len()].copy_from_slice(given);
    let counted = usize::from(if bits == 32 { SCOPE_V4 } else { SCOPE_V6 }) / 8;
    whole[counted..].fill(0);
    Ok(Some(if bits == 32 { IpAddr::from([whole[0], whole[1], whole[2], whole[3]]) } else { IpAddr::from(whole) }))
}

/// The address without the bits behind the first `bits`, in front of it the IP version and that number.
pub fn prefix(address: IpAddr, bits: u8) -> ([u8; 18], usize) {
    let mut out = [0; 18];
    match address {
        IpAddr::V4(v4) => {
            let kept = v4.to_bits() & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            out[..2].copy_from_slice(&[4, bits]);
            out[2..6].copy_from_slice(&kept.to_be_bytes());
            (out, 6)
        }
        IpAddr::V6(v6) => {
            let kept = v6.to_bits() & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            out[..2].copy_from_slice(&[6, bits]);
            out[2..].copy_from_slice(&kept.to_be_bytes());
            (out, 18)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_read_strictly() {
        assert_eq!(subnet(&[0, 1, 24, 0, 192, 0, 2]), Ok(Some("192.0.2.0".parse().unwrap())));
        assert_eq!(subnet(&[0, 2, 17, 0, 0x20, 1, 0x80]), Ok(Some("2001:8000::".parse().unwrap())));
        for none in [&[0, 0, 0, 0][..], &[0, 1, 0, 0], &[0, 2, 0, 0]] {
            assert_eq!(subnet(none), Ok(None));
        }
        for bad in [
            &[0, 1, 24][..],
            &[0, 3, 0, 0],
            &[0, 0, 0, 0, 1],
            &[0, 1, 33, 0, 1, 2, 3, 4, 5],
            &[0, 1, 24, 1, 192, 0, 2],
            &[0, 1, 23, 0, 192, 0, 1],
            &[0, 1, 24, 0, 192, 0],
        ] {
            assert_eq!(subnet(bad), Err(Malformed), "{bad:?}");
        }
    }

    #[test]
    fn prefixes_have_their_version_and_length_in_front() {
        assert_eq!(prefix("192.0.2.77".parse().unwrap(), 24).0[..6], [4, 24, 192, 0, 2, 0]);
        assert_eq!(prefix("192.0.2.77".parse().unwrap(), 0).0[..6], [4, 0, 0, 0, 0, 0]);
        assert_eq!(prefix("2001:db8:1:2::".parse().unwrap(), 48).0[..9], [6, 48, 0x20, 1, 0xd, 0xb8, 0, 1, 0]);
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        assert_eq!(unmapped("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1".parse::<IpAddr>().unwrap());
    }
}
