//! Steered names: what the federation's law made of each place, as Python worked it out, until age may change it.
#![forbid(unsafe_code)]

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::client::{prefix, Client};
use crate::places::{Map, Stand};
use crate::siphash::{siphash, Key};
use crate::table::RRset;

const PPM: u128 = 1_000_000;

/// What the clients of a place get: the RRset of each part (without records: none), and its parts per million; none when
/// no target has any.
/// From the Unix millisecond `until` on it may be another (0: never), and in another era.
pub struct Outcome {
    pub until: u64,
    pub era: u64,
    pub parts: Vec<(u32, RRset)>,
}

impl Outcome {
    pub fn is_over(&self, now: u64) -> bool {
        self.until != 0 && now >= self.until
    }

    /// The part that a bucket falls into.
    pub fn part(&self, bucket: u32) -> Option<&RRset> {
        let mut rest = i64::from(bucket);
        let found = self.parts.iter().find(|(ppm, _)| {
            rest -= i64::from(*ppm);
            rest < 0
        });
        found.map(|(_, rrset)| rrset)
    }
}

type Held = Vec<((u16, Box<[i32]>), Arc<Outcome>)>;

/// Outcomes of one name at most; a full house is cleared.
const HELD_MAX: usize = 4_096;

/// A public name: its text, and by each guide the maps that say where a client stands. `ignores` client subnets; `hinted`
/// has HTTPS records of its own. Of outcomes those by type and standpoint, sorted.
#[derive(Default)]
pub struct Steered {
    pub host: Box<str>,
    pub guides: Vec<Vec<Arc<Map>>>,
    pub ignores: bool,
    pub hinted: bool,
    outcomes: ArcSwap<Held>,
}

impl Steered {
    pub fn new(host: Box<str>, guides: Vec<Vec<Arc<Map>>>, ignores: bool, hinted: bool) -> Steered {
        Steered { host, guides, ignores, hinted, outcomes: ArcSwap::default() }
    }

    pub fn outcomes(&self) -> Guard<Arc<Held>> {
        self.outcomes.load()
    }

    /// Where this client stands.
    pub fn stand(&self, client: &Client) -> Option<Stand> {
        Stand::of(self.guides.iter().map(Vec::as_slice), client)
    }

    /// From now on the clients who stand there get that.
    pub fn put(&self, kind: u16, stand: &[i32], outcome: Outcome) {
        let outcome = Arc::new(outcome);
        self.outcomes.rcu(|held| {
            let mut fresh = if held.len() < HELD_MAX { Held::clone(held) } else { Held::new() };
            match place(&fresh, kind, stand) {
                Ok(at) => fresh[at].1 = outcome.clone(),
                Err(at) => fresh.insert(at, ((kind, stand.into()), outcome.clone())),
            }
            fresh
        });
    }

    /// Which of a million buckets the client's prefix of these bits falls into for this name.
    pub fn bucket(&self, key: &Key, client: &Client, bits: u8) -> u32 {
        let (prefix, len) = prefix(client.address, bits);
        let hash = siphash(key, &[self.host.as_bytes(), &[0], &prefix[..len]]);
        ((u128::from(hash) * PPM) >> 64) as u32
    }
}

fn place(held: &Held, kind: u16, stand: &[i32]) -> Result<usize, usize> {
    held.binary_search_by(|((of, at), _)| (*of, &**at).cmp(&(kind, stand)))
}

/// The outcome of this era for this type and standpoint that is held and not over.
pub fn held<'h>(held: &'h Held, kind: u16, stand: &[i32], now: u64, era: u64) -> Option<&'h Outcome> {
    let at = place(held, kind, stand).ok()?;
    Some(&*held[at].1).filter(|outcome| outcome.era == era && !outcome.is_over(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rrset(ttl: u32) -> RRset {
        RRset { kind: 1, ttl, ..RRset::default() }
    }

    #[test]
    fn parts_are_picked_by_bucket() {
        let outcome = Outcome { until: 0, era: 0, parts: vec![(250_000, rrset(1)), (750_000, rrset(2))] };
        let picked = |bucket| outcome.part(bucket).map(|one| one.ttl);
        assert_eq!([picked(0), picked(249_999), picked(250_000), picked(999_999)], [1, 1, 2, 2].map(Some));
        assert!(Outcome { until: 0, era: 0, parts: vec![] }.part(0).is_none());
    }

    #[test]
    fn an_outcome_is_held_until_its_time_is_over() {
        let name = Steered::default();
        name.put(1, &[2], Outcome { until: 50, era: 0, parts: vec![] });
        name.put(1, &[1, 0], Outcome { until: 0, era: 0, parts: vec![] });
        let outcomes = name.outcomes();
        assert!(held(&outcomes, 1, &[2], 49, 0).is_some() && held(&outcomes, 1, &[2], 50, 0).is_none());
        assert!(held(&outcomes, 1, &[1, 0], 50, 0).is_some() && held(&outcomes, 28, &[1, 0], 50, 0).is_none());
        assert!(held(&outcomes, 1, &[1, 0], 50, 1).is_none());
    }

    #[test]
    fn outcomes_do_not_grow_without_end() {
        let name = Steered::default();
        for at in 0..if cfg!(miri) { 10 } else { 5_000 } {
            name.put(1, &[at], Outcome { until: 0, era: 0, parts: vec![] });
        }
        assert!(name.outcomes().len() <= HELD_MAX);
    }
}
