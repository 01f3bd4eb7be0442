//! Response rate limiting: what one network gets of the same answer, as `gslb/rrl.py` does it.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::client::prefix;
use crate::counts::{NOERROR, NXDOMAIN};
use crate::siphash::{siphash, Key};

const BUCKETS: usize = 1 << 16;
const NETWORK_V4: u8 = 24;
const NETWORK_V6: u8 = 56;
const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;

#[derive(Debug, PartialEq)]
pub enum Verdict {
    Answer,
    Slip,
    Drop,
}

/// What a response says: its code, the apex of its zone ("" for none), the question in lower case.
pub struct Told<'a> {
    pub code: u8,
    pub apex: &'a [u8],
    pub question: &'a [u8],
}

/// `rate` responses of one kind a second for one network (0: no limit); of those over it one in `slip` (0: none) is
/// answered with TC. `dry` counts and limits nothing. A bucket holds the nanosecond from which on it would be full again:
/// what one second lets through (the generic cell rate algorithm).
pub struct Limiter {
    key: Key,
    rate: u64,
    slip: u64,
    dry: bool,
    buckets: Box<[AtomicU64]>,
    over: AtomicU64,
    done: [AtomicU64; 3],
}

impl Limiter {
    pub fn new(key: Key, rate: u64, slip: u64, dry: bool) -> Limiter {
        let buckets = (0..if rate > 0 { BUCKETS } else { 0 }).map(|_| AtomicU64::new(0)).collect();
        Limiter { key, rate, slip, dry, buckets, over: AtomicU64::new(0), done: Default::default() }
    }

    pub fn limits(&self) -> bool {
        self.rate > 0
    }

    /// Responses over the limit: in a dry run, answered with TC, dropped.
    pub fn done(&self) -> [u64; 3] {
        std::array::from_fn(|at| self.done[at].load(Relaxed))
    }

    /// What to do with a response to this address, at this Unix millisecond.
    pub fn judge(&self, address: IpAddr, told: &Told<'_>, now: u64) -> Verdict {
        if self.takes(self.bucket(address, told), now * MILLISECOND) {
            return Verdict::Answer;
        }
        let over = self.over.fetch_add(1, Relaxed) + 1;
        let (at, verdict) = match self.slip {
            _ if self.dry => (0, Verdict::Answer),
            slip if slip > 0 && over % slip == 0 => (1, Verdict::Slip),
            _ => (2, Verdict::Drop),
        };
        self.done[at].fetch_add(1, Relaxed);
        verdict
    }

    fn takes(&self, bucket: &AtomicU64, now: u64) -> bool {
        let step = SECOND / self.rate;
        bucket
            .fetch_update(Relaxed, Relaxed, |full| Some(full.max(now) + step).filter(|after| *after <= now + SECOND))
            .is_ok()
    }

    fn bucket(&self, address: IpAddr, told: &Told<'_>) -> &AtomicU64 {
        let (network, len) = prefix(address, if address.is_ipv4() { NETWORK_V4 } else { NETWORK_V6 });
        let kind = match told.code {
            NOERROR => told.question,
            NXDOMAIN => told.apex,
            _ => &[],
        };
        let hash = siphash(&self.key, &[&network[..len], &[told.code], kind]);
        &self.buckets[hash as usize % BUCKETS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: Told<'static> = Told { code: NOERROR, apex: b"", question: b"\x01a\0\0\x01\0\x01" };

    fn verdicts(limiter: &Limiter, told: &Told<'_>, count: usize, now: u64) -> [usize; 3] {
        let all: Vec<Verdict> = (0..count).map(|_| limiter.judge(ADDRESS, told, now)).collect();
        [Verdict::Answer, Verdict::Slip, Verdict::Drop].map(|one| all.iter().filter(|other| **other == one).count())
    }

    #[test]
    fn what_one_second_lets_through_is_answered_and_comes_back_with_time() {
        let limiter = Limiter::new([1; 16], 10, 2, false);
        assert_eq!(verdicts(&limiter, &THERE, 30, 1_000), [10, 10, 10]);
        assert_eq!(verdicts(&limiter, &THERE, 30, 1_500), [5, 12, 13]);
        assert_eq!(verdicts(&limiter, &THERE, 10, 9_000), [10, 0, 0]);
        assert_eq!(limiter.done(), [0, 22, 23]);
    }

    #[test]
    fn names_that_are_not_there_share_what_their_zone_gets_and_others_have_their_own() {
        let limiter = Limiter::new([1; 16], 5, 0, false);
        let absent = |question| Told { code: NXDOMAIN, apex: b"\x04test\0", question };
        assert_eq!(verdicts(&limiter, &absent(b"one"), 5, 0), [5, 0, 0]);
        assert_eq!(verdicts(&limiter, &absent(b"two"), 5, 0), [0, 0, 5]);
        assert_eq!(verdicts(&limiter, &THERE, 5, 0), [5, 0, 0]);
        let near = "192.0.2.200".parse().unwrap();
        assert_eq!(limiter.judge(near, &THERE, 0), Verdict::Drop);
        assert_eq!(limiter.judge("192.0.3.1".parse().unwrap(), &THERE, 0), Verdict::Answer);
    }

    #[test]
    fn a_dry_run_counts() {
        let limiter = Limiter::new([1; 16], 1, 1, true);
        assert_eq!(verdicts(&limiter, &THERE, 5, 0), [5, 0, 0]);
        assert_eq!(limiter.done(), [4, 0, 0]);
    }
}
