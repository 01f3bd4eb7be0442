//! What Python sees: the responder, and what it hands over.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fs::File;
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::answer::Handed;
use crate::batch::{own, send_one};
use crate::change::{rrset, Change, RRsetSaid};
use crate::client::unmapped;
use crate::counts::Counts;
use crate::message::Message;
use crate::rates::Limiter;
use crate::respond::{respond, Said, State};
use crate::siphash::Key;
use crate::steer::Outcome;
use crate::worker::{self, Shared, Worker};

/// What the workers look at while an old table is still read.
const READ: Duration = Duration::from_micros(100);

/// A name, type and standpoint whose outcome is missing.
type Missing = (String, u16, Vec<i32>);

/// Answers over UDP by its own threads; what it does not answer waits for Python.
#[pyclass(frozen)]
pub struct Responder {
    shared: Arc<Shared>,
    workers: usize,
    counts: Mutex<HashMap<Box<[u8]>, Arc<Counts>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[pymethods]
impl Responder {
    /// `rate` responses of one kind a second for one network (0: no limit), of those over it one in `slip` with TC; `key`
    /// mixes the buckets.
    #[new]
    fn new(workers: usize, key: Key, rate: u64, slip: u64, dry: bool) -> Responder {
        let shared = Arc::new(Shared::new(workers, Limiter::new(key, rate, slip, dry)));
        Responder { shared, workers, counts: Mutex::default(), threads: Mutex::default() }
    }

    /// Put another table into force: the one that is, with this change.
    fn change(&self, py: Python<'_>, change: Change) {
        py.detach(|| {
            let before = self.shared.state.load_full();
            let mut held = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            let counts =
                |apex: &[u8]| held.entry(apex.into()).or_insert_with(|| Arc::new(Counts::new(self.workers))).clone();
            let table = Arc::new(change.applied(&before.table, counts));
            self.swap(before, |before| State { table, secrets: before.secrets.clone() });
        });
    }

    /// From now on these are the secrets of cookies.
    fn secrets(&self, py: Python<'_>, secrets: Vec<Key>) {
        py.detach(|| self.swap(self.shared.state.load_full(), |before| State { table: before.table.clone(), secrets }));
    }

    /// Put what the clients who stand there get for a name and type: parts per million, records; until a Unix
    /// millisecond (0: as long as the name is not put anew, and in this era).
    fn outcome(&self, name: &[u8], kind: u16, stand: Vec<i32>, until: u64, parts: Vec<(u32, RRsetSaid)>) {
        let table = &self.shared.state.load().table;
        if let Some(steered) = table.steered.get(name) {
            let parts = parts.into_iter().map(|(ppm, said)| (ppm, rrset(said, &[]))).collect();
            steered.put(kind, &stand, Outcome { until, era: table.era, parts });
        }
    }

    /// The response to this datagram, empty where silence is right; what is missing for it; None: it is Python's.
    fn respond<'py>(
        &self,
        py: Python<'py>,
        data: &[u8],
        address: IpAddr,
        now: u64,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (state, mut message) = (self.shared.state.load(), Message::default());
        match respond(&state, data, unmapped(address), now, 0, &mut message) {
            Said::Nothing => Ok(Some(PyBytes::new(py, b"").into_any())),
            Said::Response(zone, code, _) => {
                zone.map_or(&self.shared.nobody, |zone| &zone.counts).add(0, code);
                Ok(Some(PyBytes::new(py, &message.bytes).into_any()))
            }
            Said::Handed(why) => missing(why).map(|one| one.into_pyobject(py).map(Bound::into_any)).transpose(),
        }
    }

    /// Answer on these sockets, a thread for each; ring the eventfd `bell` when something waits.
    fn start(&self, sockets: Vec<RawFd>, bell: RawFd) -> PyResult<()> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.stopping.store(false, Relaxed);
        for fd in sockets {
            let number = threads.len() % self.workers.max(1);
            let (socket, bell) = (Arc::new(own(fd)?), File::from(own(bell)?));
            let worker = Worker { number, socket, shared: self.shared.clone(), bell };
            threads.push(thread::Builder::new().name(format!("dns-{number}")).spawn(|| worker.run())?);
        }
        Ok(())
    }

    /// Stop and wait for all threads; their sockets must be shut down, or they wait for a datagram.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        self.shared.stopping.store(true, Relaxed);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        py.detach(|| {
            for thread in threads {
                thread.join().map_err(|_| PyRuntimeError::new_err("a thread of the packet path failed"))?;
            }
            Ok(())
        })
    }

    /// What waits for Python, the oldest first, so many at most.
    fn take(&self, count: usize) -> Vec<Waiting> {
        self.shared.take(count).into_iter().map(Waiting).collect()
    }

    /// Responses by the apex of the zone (empty: none of ours) and code.
    fn responses(&self) -> Vec<(Vec<u8>, u8, u64)> {
        let held = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let all = held.iter().map(|(apex, counts)| (apex.to_vec(), counts));
        let all = all.chain([(Vec::new(), &self.shared.nobody)]);
        all.flat_map(|(apex, counts)| counts.all().into_iter().map(move |(code, count)| (apex.clone(), code, count)))
            .collect()
    }

    /// Responses over the rate limit: in a dry run, answered with TC, dropped.
    fn limited(&self) -> [u64; 3] {
        self.shared.limiter.done()
    }

    /// Datagrams received, handed over to Python, and dropped because too many waited.
    fn datagrams(&self) -> (u64, u64, u64) {
        let shared = &self.shared;
        (shared.received.load(Relaxed), shared.handed.load(Relaxed), shared.dropped.load(Relaxed))
    }
}

impl Responder {
    /// The old state ends here, when no worker reads it any more: to free it takes longer than to answer.
    fn swap(&self, before: Arc<State>, after: impl FnOnce(&State) -> State) {
        let fresh = Arc::new(after(&before));
        drop(before);
        let old = self.shared.state.swap(fresh);
        while Arc::strong_count(&old) > 1 {
            thread::sleep(READ);
        }
    }
}

fn missing(why: Handed) -> Option<Missing> {
    match why {
        Handed::Outcome(steered, kind, stand) => Some((steered.host.to_string(), kind, stand.into())),
        Handed::Ours => None,
    }
}

/// A datagram that waits for Python.
#[pyclass(frozen)]
pub struct Waiting(worker::Waiting);

#[pymethods]
impl Waiting {
    #[getter]
    fn data(&self) -> &[u8] {
        &self.0.data
    }

    /// The address that asked.
    #[getter]
    fn address(&self) -> String {
        unmapped(self.0.origin.address()).to_string()
    }

    /// Send the response from where the datagram came; False when it could not be sent.
    fn answer(&self, data: &[u8]) -> bool {
        send_one(&self.0.socket, &self.0.origin, data)
    }
}
