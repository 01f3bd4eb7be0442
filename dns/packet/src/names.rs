//! What is held by name: a map in pieces, so that a new one shares with the one before every piece that did not change.
#![forbid(unsafe_code)]

use std::sync::Arc;

use rustc_hash::FxHashMap;

type Piece<V> = FxHashMap<Box<[u8]>, V>;

/// Names in lower case, for each what is held of it.
pub struct Names<V> {
    pieces: Vec<Arc<Piece<V>>>,
    count: usize,
}

/// Names in one piece when the map is made, and how many times as many there may be before it is made anew.
const SIZE: usize = 32;
const GROWTH: usize = 8;

impl<V> Default for Names<V> {
    fn default() -> Self {
        Names { pieces: vec![Arc::default()], count: 0 }
    }
}

impl<V: Clone> Names<V> {
    pub fn get(&self, name: &[u8]) -> Option<&V> {
        self.pieces[place(name, self.pieces.len())].get(name)
    }

    /// The map with these changes: what is held of a name now, or None when it is gone.
    pub fn changed(&self, changes: Vec<(Box<[u8]>, Option<V>)>) -> Names<V> {
        let wanted = (self.count + changes.len()).div_ceil(SIZE).next_power_of_two();
        let mut fresh = Names { pieces: self.pieces.clone(), count: self.count };
        if wanted > GROWTH * self.pieces.len() {
            fresh = self.spread(wanted);
        }
        for (name, value) in changes {
            let at = place(&name, fresh.pieces.len());
            let piece = Arc::make_mut(&mut fresh.pieces[at]);
            fresh.count -= piece.len();
            match value {
                Some(value) => piece.insert(name, value),
                None => piece.remove(&name),
            };
            fresh.count += piece.len();
        }
        fresh
    }

    fn spread(&self, count: usize) -> Names<V> {
        let mut pieces = vec![Piece::default(); count];
        for (name, value) in self.pieces.iter().flat_map(|piece| piece.iter()) {
            pieces[place(name, count)].insert(name.clone(), value.clone());
        }
        Names { pieces: pieces.into_iter().map(Arc::new).collect(), count: self.count }
    }
}

/// The piece of a name, by its first label; `count` is a power of two.
fn place(name: &[u8], count: usize) -> usize {
    let end = 1 + usize::from(*name.first().unwrap_or(&0));
    let label = &name[..end.min(name.len())];
    let hash = label.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    (hash ^ hash >> 15) as usize & (count - 1)
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
