//! What is held by name: a map in pieces, so that a new one shares with the one before every piece that did not change.
#![forbid(unsafe_code)]

use std::hash::{BuildHasher, BuildHasherDefault};
use std::sync::Arc;

use hashbrown::hash_table::Entry;
use hashbrown::HashTable;
use rustc_hash::FxHasher;

type Piece<V> = HashTable<(Box<[u8]>, V)>;

/// Names in lower case, for each what is held of it. `sizes` has a bit for each length that a name had.
pub struct Names<V> {
    pieces: Vec<Arc<Piece<V>>>,
    count: usize,
    sizes: [u64; 4],
}

/// Names in one piece when the map is made, and how many times as many there may be before it is made anew.
const SIZE: usize = 32;
const GROWTH: usize = 8;

impl<V> Default for Names<V> {
    fn default() -> Self {
        Names { pieces: vec![Arc::default()], count: 0, sizes: [0; 4] }
    }
}

impl<V: Clone> Names<V> {
    pub fn get(&self, name: &[u8]) -> Option<&V> {
        if self.sizes[name.len() >> 6 & 3] >> (name.len() & 63) & 1 == 0 {
            return None;
        }
        let hash = hashed(name);
        self.pieces[place(hash, self.pieces.len())].find(hash, |(held, _)| **held == *name).map(|(_, value)| value)
    }

    /// The map with these changes: what is held of a name now, or None when it is gone.
    pub fn changed(&self, changes: Vec<(Box<[u8]>, Option<V>)>) -> Names<V> {
        let wanted = (self.count + changes.len()).div_ceil(SIZE).next_power_of_two();
        let mut fresh = Names { pieces: self.pieces.clone(), count: self.count, sizes: self.sizes };
        if wanted > GROWTH * self.pieces.len() {
            fresh.pieces = self.spread(wanted);
        }
        for (name, value) in changes {
            fresh.sizes[name.len() >> 6 & 3] |= 1 << (name.len() & 63);
            let hash = hashed(&name);
            let at = place(hash, fresh.pieces.len());
            let piece = Arc::make_mut(&mut fresh.pieces[at]);
            fresh.count -= piece.len();
            put(piece, hash, name, value);
            fresh.count += piece.len();
        }
        fresh
    }

    fn spread(&self, count: usize) -> Vec<Arc<Piece<V>>> {
        let mut pieces: Vec<Piece<V>> = (0..count).map(|_| HashTable::new()).collect();
        for (name, value) in self.pieces.iter().flat_map(|piece| piece.iter()) {
            let hash = hashed(name);
            put(&mut pieces[place(hash, count)], hash, name.clone(), Some(value.clone()));
        }
        pieces.into_iter().map(Arc::new).collect()
    }
}

fn put<V>(piece: &mut Piece<V>, hash: u64, name: Box<[u8]>, value: Option<V>) {
    match (piece.entry(hash, |(held, _)| *held == name, |(held, _)| hashed(held)), value) {
        (Entry::Occupied(mut there), Some(value)) => there.get_mut().1 = value,
        (Entry::Occupied(there), None) => drop(there.remove()),
        (Entry::Vacant(free), Some(value)) => drop(free.insert((name, value))),
        (Entry::Vacant(_), None) => {}
    }
}

fn hashed(name: &[u8]) -> u64 {
    BuildHasherDefault::<FxHasher>::default().hash_one(name)
}

/// The piece of a name, by bits that its place in the piece does not hang on; `count` is a power of two.
fn place(hash: u64, count: usize) -> usize {
    (hash >> 32) as usize & (count - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> Box<[u8]> {
        let text = format!("n{number}");
        [&[text.len() as u8], text.as_bytes(), &[0]].concat().into()
    }

    #[test]
    fn a_change_shares_what_it_does_not_touch() {
        let before = Names::default().changed((0..2_000).map(|one| (name(one), Some(one))).collect());
        let after = before.changed(vec![(name(7), Some(70)), (name(8), None), (name(9_999), Some(1))]);
        assert_eq!((before.count, after.count), (2_000, 2_000));
        assert_eq!((before.get(&name(7)), after.get(&name(7)), after.get(&name(8))), (Some(&7), Some(&70), None));
        let shared = before.pieces.iter().zip(&after.pieces).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert!(shared >= before.pieces.len() - 3 && before.pieces.len() >= 64);
        assert_eq!(after.pieces.iter().map(|piece| piece.len()).sum::<usize>(), 2_000);
    }

    #[test]
    fn nothing_is_held_of_a_name_that_was_never_put() {
        assert_eq!(Names::<u8>::default().get(b"\0"), None);
        assert_eq!(Names::<u8>::default().get(b""), None);
    }
}
