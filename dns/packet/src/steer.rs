//! Steered names: what the federation's law made of each place, as Python worked it out, until age may change it.
#![forbid(unsafe_code)]

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::client::{prefix, Client};
use crate::places::Place;
use crate::siphash::{siphash, Key};
use crate::table::RRset;

const PPM: u128 = 1_000_000;

/// What the clients of a place get: the RRset of each part, and its parts per million; none when there is nothing.
/// From the Unix millisecond `until` on it may be another (0: never).
pub struct Outcome {
    pub until: u64,
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

type Held = Vec<((u16, u32), Arc<Outcome>)>;

/// A public name: its text, the map of its clients, and the outcomes by type and place, sorted.
pub struct Steered {
    pub host: Box<str>,
    pub map: usize,
    outcomes: ArcSwap<Held>,
}

impl Steered {
    pub fn new(host: Box<str>, map: usize) -> Steered {
        Steered { host, map, outcomes: ArcSwap::default() }
    }

    pub fn outcomes(&self) -> Guard<Arc<Held>> {
        self.outcomes.load()
    }

    /// From now on the clients of this place get that.
    pub fn put(&self, kind: u16, place: u32, outcome: Outcome) {
        let outcome = Arc::new(outcome);
        self.outcomes.rcu(|held| {
            let mut fresh = Held::clone(held);
            match fresh.binary_search_by_key(&(kind, place), |one| one.0) {
                Ok(at) => fresh[at].1 = outcome.clone(),
                Err(at) => fresh.insert(at, ((kind, place), outcome.clone())),
            }
            fresh
        });
    }

    /// Which of a million buckets the client's prefix falls into for this name.
    pub fn bucket(&self, key: &Key, client: &Client, place: Place) -> u32 {
        let (prefix, len) = prefix(client.address, place.scope);
        let hash = siphash(key, &[self.host.as_bytes(), &[0], &prefix[..len]]);
        ((u128::from(hash) * PPM) >> 64) as u32
    }
}

/// The outcome for this type and place that is held and not over.
pub fn held(held: &Held, kind: u16, place: u32, now: u64) -> Option<&Outcome> {
    let at = held.binary_search_by_key(&(kind, place), |one| one.0).ok()?;
    Some(&*held[at].1).filter(|outcome| !outcome.is_over(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rrset(ttl: u32) -> RRset {
        RRset { kind: 1, ttl, ..RRset::default() }
    }

    #[test]
    fn parts_are_picked_by_bucket() {
        let outcome = Outcome { until: 0, parts: vec![(250_000, rrset(1)), (750_000, rrset(2))] };
        let picked = |bucket| outcome.part(bucket).map(|one| one.ttl);
        assert_eq!([picked(0), picked(249_999), picked(250_000), picked(999_999)], [1, 1, 2, 2].map(Some));
        assert!(Outcome { until: 0, parts: vec![] }.part(0).is_none());
    }

    #[test]
    fn an_outcome_is_held_until_its_time_is_over() {
        let name = Steered::new("a.test".into(), 0);
        name.put(1, 2, Outcome { until: 50, parts: vec![] });
        name.put(1, 1, Outcome { until: 0, parts: vec![] });
        let outcomes = name.outcomes();
        assert!(held(&outcomes, 1, 2, 49).is_some() && held(&outcomes, 1, 2, 50).is_none());
        assert!(held(&outcomes, 1, 1, 50).is_some() && held(&outcomes, 28, 1, 50).is_none());
    }
}
