//! Every room of an answer from datagrams that are broken at random: for panics, and for Miri and the sanitizers.
#![forbid(unsafe_code)]

use std::sync::Arc;

use crate::counts::Counts;
use crate::message::Message;
use crate::names::Names;
use crate::places::{Map, Ranges, Side};
use crate::respond::{respond, Said, State};
use crate::steer::{Outcome, Steered};
use crate::table::{Node, RRset, Record, Table, Zone, A, CNAME, DNAME, NS, SOA};

const APEX: &[u8] = b"\x04test\0";

fn name(label: &str) -> Box<[u8]> {
    [&[label.len() as u8], label.as_bytes(), APEX].concat().into()
}

fn rrset(kind: u16, data: &[&[u8]], names: &[u16]) -> RRset {
    let record = |data: &&[u8]| Record { data: (*data).into(), names: names.into() };
    RRset::new(kind, 60, data.iter().map(record).collect(), APEX)
}

fn soa() -> RRset {
    rrset(SOA, &[&[&name("ns")[..], &name("mail"), &[0; 20]].concat()], &[0, 9])
}

fn zone() -> Zone {
    let node = |rrsets, cut, dname| Some(Arc::new(Node { rrsets, cut, dname, ours: false, alias: false }));
    let held = vec![
        (APEX.into(), node(vec![soa(), rrset(NS, &[&name("ns")], &[0])], false, false)),
        (name("ns"), node(vec![rrset(A, &[&[192, 0, 2, 1], &[192, 0, 2, 2]], &[])], false, false)),
        (name("a"), node(vec![rrset(CNAME, &[&name("ns")], &[0])], false, false)),
        (name("*"), node(vec![rrset(16, &[&[4, b't', b'e', b'x', b't']], &[])], false, false)),
        (name("cut"), node(vec![rrset(NS, &[&name("ns")], &[0])], true, false)),
        (name("dn"), node(vec![rrset(DNAME, &[&name("ns")], &[])], false, true)),
    ];
    let names = Names::default().changed(held);
    Zone { apex: APEX.into(), soa: soa(), names, leads: true, counts: Arc::new(Counts::new(2)) }
}

pub fn state() -> State {
    let side = Side { v4: Ranges::new(32, vec![0], vec![0]), v6: Ranges::new(64, vec![0], vec![0]) };
    let map = Arc::new(Map { whole: side, shared: None });
    let steered = Arc::new(Steered::new("s.test".into(), vec![vec![map]], false, false));
    let parts = [3, 4].map(|last| (500_000, rrset(A, &[&[192, 0, 2, last]], &[]))).into();
    steered.put(A, &[0], Outcome { until: 0, era: 0, parts });
    let table = Table {
        zones: Names::default().changed(vec![(APEX.into(), Some(Arc::new(zone())))]),
        steered: Names::default().changed(vec![(name("s"), Some(steered))]),
        key: [7; 16],
        known: true,
        ..Table::default()
    };
    State { table: Arc::new(table), secrets: vec![[1; 16]] }
}

pub fn asked(head: &[u8], kind: u8) -> Vec<u8> {
    let options = b"\0\x08\0\x07\0\x01\x18\0\xc6\x12\x03\0\x0a\0\x0812345678";
    let opt = [&[0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, options.len() as u8], &options[..]].concat();
    [b"\0\x07\x01\0\0\x01\0\0\0\0\0\x01", head, APEX, &[0, kind, 0, 1], &opt].concat()
}

#[test]
fn what_is_asked_is_answered() {
    let (state, mut message) = (state(), Message::default());
    let mut codes = Vec::new();
    for head in [&b""[..], b"\x01a", b"\x01x", b"\x01x\x02ns", b"\x01x\x03cut", b"\x01x\x02dn", b"\x01S"] {
        match respond(&state, &asked(head, 1), "192.0.2.9".parse().unwrap(), 0, 1, &mut message) {
            Said::Response(Some(_), code, false) => codes.push((code, message.bytes[7], message.bytes[9])),
            _ => panic!("{head:?} is not answered"),
        }
    }
    assert_eq!(codes, [(0, 0, 1), (0, 3, 0), (0, 0, 1), (3, 0, 1), (0, 0, 1), (3, 2, 1), (0, 1, 0)]);
}

#[test]
fn what_is_broken_makes_no_panic() {
    let (state, mut message, mut seed) = (state(), Message::default(), 11_u64);
    let mut draw = |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    let heads = [&b""[..], b"\x01a", b"\x01x", b"\x01x\x02ns", b"\x01x\x03cut", b"\x01x\x02dn", b"\x01S"];
    for _ in 0..if cfg!(miri) { 300 } else { 300_000 } {
        let mut data = asked(heads[draw(heads.len())], [1, 2, 6, 16, 255][draw(5)]);
        for _ in 0..draw(5) {
            let at = draw(data.len());
            data[at] = draw(256) as u8;
        }
        data.truncate(data.len() + 30 - draw(60));
        respond(&state, &data, "2001:db8::1".parse().unwrap(), 0, draw(9), &mut message);
    }
}
