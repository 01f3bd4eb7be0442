//! Responses by code, of one zone: each worker counts on a line of its own.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub const NOERROR: u8 = 0;
pub const FORMERR: u8 = 1;
pub const NXDOMAIN: u8 = 3;
pub const NOTIMP: u8 = 4;
pub const REFUSED: u8 = 5;
pub const YXDOMAIN: u8 = 6;
/// BADVERS, which stands in the place of 7.
pub const BADVERS: u8 = 16;
const CODES: usize = 8;

#[derive(Default)]
#[repr(align(64))]
struct Line([AtomicU64; CODES]);

pub struct Counts(Box<[Line]>);

impl Counts {
    pub fn new(workers: usize) -> Counts {
        Counts((0..workers).map(|_| Line::default()).collect())
    }

    pub fn add(&self, worker: usize, code: u8) {
        self.0[worker].0[usize::from(code).min(CODES - 1)].fetch_add(1, Relaxed);
    }

    /// Each code with the number of its responses, those that there were.
    pub fn all(&self) -> Vec<(u8, u64)> {
        let sum = |code: usize| self.0.iter().map(|line| line.0[code].load(Relaxed)).sum();
        let code = |at: usize| if at == CODES - 1 { BADVERS } else { at as u8 };
        (0..CODES).map(|at| (code(at), sum(at))).filter(|(_, count)| *count > 0).collect()
    }
}
