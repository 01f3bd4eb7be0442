//! Workers over sockets while tables change: for races, and for the sanitizers.
#![forbid(unsafe_code)]

use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::fuzzed::{asked, state};
use crate::rates::Limiter;
use crate::steer::Outcome;
use crate::table::{RRset, A};
use crate::worker::{Shared, Worker};

const WORKERS: usize = 2;
const ASKED: usize = if cfg!(debug_assertions) { 2_000 } else { 20_000 };

/// One with a socket of its own, and where that is.
fn worker(number: usize, shared: &Arc<Shared>) -> (Worker, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (address, bell) = (socket.local_addr().unwrap(), File::options().write(true).open("/dev/null").unwrap());
    (Worker { number, socket: Arc::new(socket.into()), shared: shared.clone(), bell }, address)
}

/// Another table, and another outcome in it, as often as there is time; the old one ends here, as in `responder.rs`.
fn change(shared: &Shared) {
    while !shared.stopping.load(Relaxed) {
        let old = shared.state.swap(Arc::new(state()));
        while Arc::strong_count(&old) > 1 {
            thread::yield_now();
        }
        let parts = vec![(1_000_000, RRset { kind: A, ..RRset::default() })];
        let table = shared.state.load().table.clone();
        table.steered.get(b"\x01s\x04test\0").unwrap().put(A, &[0], Outcome { until: 1, era: 0, parts });
    }
}

/// Each question gets an answer; a steered name whose outcome is over waits for Python.
fn ask(shared: &Shared, server: SocketAddr) {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(server).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (query, mut reply) = (asked(b"\x01x\x02ns", 1), [0; 1_500]);
    for _ in 0..ASKED {
        client.send(&asked(b"\x01S", 1)).unwrap();
        client.send(&query).unwrap();
        while client.recv(&mut reply).map(|_| reply[12..17] != query[12..17]).unwrap() {}
        assert_eq!((reply[3] & 15, reply[7]), (3, 0));
        shared.take(9);
    }
}

#[test]
#[cfg_attr(miri, ignore)]
fn tables_change_while_workers_answer() {
    let shared = Arc::new(Shared::new(WORKERS, Limiter::new([1; 16], 1_000_000, 0, true)));
    shared.state.store(Arc::new(state()));
    let (workers, addresses): (Vec<_>, Vec<_>) = (0..WORKERS).map(|number| worker(number, &shared)).unzip();
    thread::scope(|scope| {
        workers.into_iter().for_each(|worker| drop(scope.spawn(|| worker.run())));
        scope.spawn(|| change(&shared));
        let clients: Vec<_> = addresses.iter().map(|server| scope.spawn(|| ask(&shared, *server))).collect();
        let ended: Vec<_> = clients.into_iter().map(|one| one.join().is_ok()).collect();
        shared.stopping.store(true, Relaxed);
        let waking = UdpSocket::bind("127.0.0.1:0").unwrap();
        addresses.iter().for_each(|server| drop(waking.send_to(b"wake", server)));
        assert_eq!(ended, [true; WORKERS]);
    });
    assert!(shared.received.load(Relaxed) >= (WORKERS * 2 * ASKED) as u64);
}
