//! Where a client stands: the longest prefix that contains its address, by halving sorted ranges.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use crate::client::Client;

/// The number of a place in its map, and the bits of a client's address that count there.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Place {
    pub number: u32,
    pub scope: u8,
}

/// One prefix: its first address as a number, its length, and the place of the clients in it.
#[derive(Clone, Copy)]
pub struct Prefix {
    pub first: u128,
    pub length: u8,
    pub place: Place,
}

/// Ranges that do not overlap: where each begins, and its place, in the order of addresses.
struct Ranges(Vec<(u128, Place)>);

impl Ranges {
    fn of(mut prefixes: Vec<Prefix>, bits: u8, elsewhere: Place) -> Ranges {
        prefixes.sort_by_key(|one| (one.first, one.length));
        let mut found = vec![(0, elsewhere)];
        let mut open: Vec<(u128, Place)> = Vec::new();
        let top = if bits == 128 { u128::MAX } else { (1 << bits) - 1 };
        for one in prefixes {
            close(&mut open, &mut found, Some(one.first), elsewhere);
            begin(&mut found, one.first, one.place);
            let size = (top >> 1 >> (one.length.max(1) - 1)).min(top);
            let last = if one.length == 0 { top } else { one.first + size };
            open.push((last, one.place));
        }
        close(&mut open, &mut found, None, elsewhere);
        found.retain(|(first, _)| *first <= top);
        Ranges(found)
    }

    fn locate(&self, address: u128) -> Place {
        self.0[self.0.partition_point(|(first, _)| *first <= address) - 1].1
    }
}

/// End the prefixes that end before this address: behind each stands what it lies in.
fn close(open: &mut Vec<(u128, Place)>, found: &mut Vec<(u128, Place)>, before: Option<u128>, elsewhere: Place) {
    while let Some(&(last, _)) = open.last().filter(|(last, _)| before.is_none_or(|before| *last < before)) {
        open.pop();
        if last < u128::MAX {
            begin(found, last + 1, open.last().map_or(elsewhere, |(_, place)| *place));
        }
    }
}

fn begin(found: &mut Vec<(u128, Place)>, first: u128, place: Place) {
    if found.last().is_some_and(|(last, _)| *last == first) {
        found.pop();
    }
    if found.last().is_none_or(|(_, last)| *last != place) {
        found.push((first, place));
    }
}

/// A map of clients to places. Client subnets are put by prefixes that are no longer than the scope; resolvers by all.
pub struct Map {
    pub names: Vec<String>,
    resolvers: [Ranges; 2],
    subnets: [Ranges; 2],
}

impl Map {
    /// `names` by the numbers of places; `elsewhere` are those of clients in no prefix, over IPv4 and over IPv6.
    pub fn new(names: Vec<String>, v4: Vec<Prefix>, v6: Vec<Prefix>, elsewhere: [Place; 2]) -> Map {
        let short = |of: &[Prefix]| of.iter().copied().filter(|one| one.length <= one.place.scope).collect();
        let subnets = [Ranges::of(short(&v4), 32, elsewhere[0]), Ranges::of(short(&v6), 128, elsewhere[1])];
        let resolvers = [Ranges::of(v4, 32, elsewhere[0]), Ranges::of(v6, 128, elsewhere[1])];
        Map { names, resolvers, subnets }
    }

    pub fn locate(&self, client: &Client) -> Place {
        let ranges = if client.subnet { &self.subnets } else { &self.resolvers };
        match client.address {
            IpAddr::V4(v4) => ranges[0].locate(u128::from(v4.to_bits())),
            IpAddr::V6(v6) => ranges[1].locate(v6.to_bits()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: u32) -> Place {
        Place { number, scope: 24 }
    }

    /// Every address of a small space, against every prefix of a random set.
    #[test]
    fn it_is_the_longest_prefix() {
        let mut state = 3_u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        for _ in 0..if cfg!(miri) { 5 } else { 300 } {
            let count = draw(12);
            let mut prefixes: Vec<Prefix> = Vec::new();
            for number in 0..count {
                let length = draw(9) as u8;
                let first = u128::from(draw(256)) >> (8 - length) << (8 - length);
                if prefixes.iter().all(|one| (one.first, one.length) != (first, length)) {
                    prefixes.push(Prefix { first, length, place: place(number as u32 % 4) });
                }
            }
            let ranges = Ranges::of(prefixes.clone(), 8, place(99));
            for address in 0..256_u128 {
                let within = prefixes.iter().filter(|one| address >> (8 - one.length) == one.first >> (8 - one.length));
                let wanted = within.max_by_key(|one| one.length).map_or(place(99), |one| one.place);
                assert_eq!(ranges.locate(address), wanted, "{address}");
            }
        }
    }

    #[test]
    fn the_whole_space_and_its_last_address_have_a_place() {
        for bits in [32, 128] {
            let whole = Prefix { first: 0, length: 0, place: place(1) };
            let top = if bits == 128 { u128::MAX } else { (1 << bits) - 1 };
            let last = Prefix { first: top, length: bits, place: place(2) };
            let ranges = Ranges::of(vec![whole, last], bits, place(9));
            assert_eq!((ranges.locate(top), ranges.locate(top - 1), ranges.locate(0)), (place(2), place(1), place(1)));
            assert_eq!(Ranges::of(vec![], bits, place(9)).locate(top), place(9));
        }
    }
}
