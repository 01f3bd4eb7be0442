//! Where a client stands: values by address, in sorted ranges, as `gslb/ranges.py` makes them.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use crate::client::Client;

/// The value of addresses that no prefix holds.
pub const NONE: i32 = -1;

/// Guides of one name at most.
const GUIDES: usize = 16;

/// Of one family: `values[i]` holds from `starts[i]` to before the next start. The first is 0; neighbours differ.
pub struct Ranges<T> {
    bits: u8,
    starts: Vec<T>,
    values: Vec<i32>,
}

impl<T: Copy + Into<u128>> Ranges<T> {
    pub fn new(bits: u8, starts: Vec<T>, values: Vec<i32>) -> Ranges<T> {
        Ranges { bits, starts, values }
    }

    /// The value at an address, and the length of the widest prefix around it in which it is the same.
    fn find(&self, address: u128) -> (i32, u8) {
        let behind = self.starts.partition_point(|one| (*one).into() <= address);
        let Some((low, value)) = behind.checked_sub(1).map(|at| (self.starts[at].into(), self.values[at])) else {
            return (NONE, 0);
        };
        let mut wide = if low == 0 { self.bits } else { shared(address, low - 1) };
        if let Some(next) = self.starts.get(behind) {
            wide = wide.min(shared(address, (*next).into()));
        }
        (value, self.bits - wide)
    }
}

/// The last bits in which two addresses may differ, but for the first of these, in which they do.
fn shared(one: u128, other: u128) -> u8 {
    (127 - (one ^ other).leading_zeros()) as u8
}

/// Both families; of IPv6 the first bits alone may count.
pub struct Side {
    pub v4: Ranges<u32>,
    pub v6: Ranges<u128>,
}

impl Side {
    fn find(&self, address: IpAddr) -> (i32, u8) {
        match address {
            IpAddr::V4(v4) => self.v4.find(u128::from(v4.to_bits())),
            IpAddr::V6(v6) => self.v6.find(v6.to_bits() >> (128 - self.v6.bits)),
        }
    }
}

/// Values by whole addresses, and by what a client subnet tells of one (None: the same).
pub struct Map {
    pub whole: Side,
    pub shared: Option<Side>,
}

impl Map {
    pub fn find(&self, client: &Client) -> (i32, u8) {
        let shared = self.shared.as_ref().filter(|_| client.subnet);
        shared.unwrap_or(&self.whole).find(client.address)
    }
}

/// What each guide of a name makes of a client, and how many bits of its address say so.
pub struct Stand {
    values: [i32; GUIDES],
    count: usize,
    pub bits: u8,
}

impl Stand {
    /// By each guide the smallest value that any of its maps has; None for more guides than there may be.
    pub fn of<'m>(guides: impl Iterator<Item = &'m [std::sync::Arc<Map>]>, client: &Client) -> Option<Stand> {
        let mut found = Stand { values: [NONE; GUIDES], count: 0, bits: 0 };
        for maps in guides {
            let slot = found.values.get_mut(found.count)?;
            for (value, bits) in maps.iter().map(|map| map.find(client)) {
                found.bits = found.bits.max(bits);
                if value != NONE && (*slot == NONE || value < *slot) {
                    *slot = value;
                }
            }
            found.count += 1;
        }
        Some(found)
    }

    pub fn values(&self) -> &[i32] {
        &self.values[..self.count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_and_its_widest_prefix_are_found() {
        let ranges = Ranges::new(8, vec![0_u32, 64, 96, 128, 255], vec![NONE, 3, NONE, 5, 7]);
        assert_eq!([0, 63, 64, 100, 200, 254, 255].map(|at| ranges.find(at).0), [NONE, NONE, 3, NONE, 5, 5, 7]);
        assert_eq!([0, 64, 100, 254, 255].map(|at| ranges.find(at).1), [2, 3, 3, 8, 8]);
        assert_eq!(Ranges::new(32, vec![0_u32], vec![4]).find(9), (4, 0));
        assert_eq!(Ranges::<u128>::new(128, vec![], vec![]).find(9), (NONE, 0));
        assert_eq!(Ranges::new(128, vec![0, u128::MAX], vec![1, 2]).find(u128::MAX), (2, 128));
    }

    #[test]
    fn every_address_of_a_widest_prefix_has_the_same_value() {
        let ranges = Ranges::new(8, vec![0_u32, 3, 17, 40, 41, 200], vec![1, 2, NONE, 4, 5, 6]);
        for address in 0..256_u128 {
            let (value, bits) = ranges.find(address);
            let same = |length: u8| {
                let first = address >> (8 - length) << (8 - length);
                (first..first + (1 << (8 - length))).all(|one| ranges.find(one).0 == value)
            };
            assert!(same(bits) && (bits == 0 || !same(bits - 1)), "{address}");
        }
    }

    #[test]
    fn the_smallest_value_counts_that_any_map_has() {
        let map = |value| {
            let side = Side {
                v4: Ranges::new(32, vec![0, 1 << 31], vec![value, NONE]),
                v6: Ranges::new(64, vec![0], vec![9]),
            };
            std::sync::Arc::new(Map { whole: side, shared: None })
        };
        let guides = [vec![map(7), map(4)], vec![]];
        let stand = |address: &str| {
            let client = Client { address: address.parse().unwrap(), subnet: true };
            let found = Stand::of(guides.iter().map(Vec::as_slice), &client).unwrap();
            (found.values().to_vec(), found.bits)
        };
        assert_eq!(stand("1.2.3.4"), (vec![4, NONE], 1));
        assert_eq!(stand("192.0.2.1"), (vec![NONE, NONE], 1));
        assert_eq!(stand("2001:db8::1"), (vec![9, NONE], 0));
    }
}
