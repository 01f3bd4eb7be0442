//! The threads that answer, and what they hand over to Python: a queue with an end.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use crate::batch::{Batch, Origin};
use crate::client::unmapped;
use crate::counts::Counts;
use crate::message::Message;
use crate::rates::{Limiter, Told, Verdict};
use crate::respond::{respond, Said, State};

/// Datagrams that wait for Python at most.
const WAITING_MAX: usize = 1_024;

/// After what time it is tried again when the system has no room to receive.
const AGAIN: Duration = Duration::from_millis(10);

/// A datagram that Python has to answer over this socket.
pub struct Waiting {
    pub data: Box<[u8]>,
    pub origin: Origin,
    pub socket: Arc<OwnedFd>,
}

/// What all workers share. `nobody` counts responses for no zone of ours.
pub struct Shared {
    pub state: ArcSwap<State>,
    pub nobody: Arc<Counts>,
    pub received: AtomicU64,
    pub handed: AtomicU64,
    pub dropped: AtomicU64,
    pub stopping: AtomicBool,
    pub limiter: Limiter,
    waiting: Mutex<VecDeque<Waiting>>,
}

impl Shared {
    pub fn new(workers: usize, limiter: Limiter) -> Shared {
        Shared {
            state: ArcSwap::default(),
            nobody: Arc::new(Counts::new(workers)),
            received: AtomicU64::new(0),
            handed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            limiter,
            waiting: Mutex::default(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest that wait, so many at most.
    pub fn take(&self, count: usize) -> Vec<Waiting> {
        let mut queue = self.queue();
        let count = count.min(queue.len());
        queue.drain(..count).collect()
    }

    /// True when it was the first to wait.
    fn hand_over(&self, one: Waiting) -> bool {
        let mut queue = self.queue();
        if queue.len() >= WAITING_MAX {
            self.dropped.fetch_add(1, Relaxed);
            return false;
        }
        self.handed.fetch_add(1, Relaxed);
        queue.push_back(one);
        queue.len() == 1
    }
}

/// Unix milliseconds.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// One thread with its socket; `bell` is rung when something waits for Python.
pub struct Worker {
    pub number: usize,
    pub socket: Arc<OwnedFd>,
    pub shared: Arc<Shared>,
    pub bell: File,
}

impl Worker {
    /// Answer until all stop.
    pub fn run(self) {
        let (mut batch, mut message, mut turn) = (Batch::new(), Message::default(), 0);
        while !self.shared.stopping.load(Relaxed) {
            let Ok(count) = batch.receive(&self.socket) else {
                thread::sleep(AGAIN);
                continue;
            };
            self.shared.received.fetch_add(count as u64, Relaxed);
            let (state, now) = (self.shared.state.load(), now());
            for at in 0..count {
                turn += 1;
                self.one(&state, &mut batch, at, now, turn, &mut message);
            }
            drop(state);
            batch.send(&self.socket);
        }
    }

    /// Python answers what it is given, and what Rust fails at.
    fn one(&self, state: &State, batch: &mut Batch, at: usize, now: u64, turn: usize, message: &mut Message) {
        let (data, origin) = batch.datagram(at);
        let address = unmapped(origin.address());
        let said = catch_unwind(AssertUnwindSafe(|| respond(state, data, address, now, turn, message)));
        match said {
            Ok(Said::Nothing) => {}
            Ok(Said::Response(zone, code, known)) => {
                zone.map_or(&self.shared.nobody, |zone| &zone.counts).add(self.number, code);
                let apex = zone.map_or(&[][..], |zone| &zone.apex);
                let verdict = if known { Verdict::Answer } else { self.judged(code, apex, message, address, now) };
                if verdict == Verdict::Slip {
                    message.slip();
                }
                if verdict != Verdict::Drop {
                    batch.reply(at, &mut message.bytes);
                }
            }
            Ok(Said::Handed(_)) | Err(_) => {
                let waiting = Waiting { data: data.into(), origin: *origin, socket: self.socket.clone() };
                if self.shared.hand_over(waiting) {
                    let _ = (&self.bell).write(&1_u64.to_ne_bytes());
                }
            }
        }
    }

    fn judged(&self, code: u8, apex: &[u8], message: &Message, address: IpAddr, now: u64) -> Verdict {
        if !self.shared.limiter.limits() {
            return Verdict::Answer;
        }
        let question = message.question().to_ascii_lowercase();
        self.shared.limiter.judge(address, &Told { code, apex, question: &question }, now)
    }
}
