//! The table that one query reads, immutable: zones with their names, public names, and where clients stand.
#![forbid(unsafe_code)]

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::counts::Counts;
use crate::name::{self, upwards};
use crate::names::Names;
use crate::places::Map;
use crate::siphash::Key;
use crate::steer::Steered;

pub const A: u16 = 1;
pub const NS: u16 = 2;
pub const CNAME: u16 = 5;
pub const SOA: u16 = 6;
pub const TXT: u16 = 16;
pub const AAAA: u16 = 28;
pub const SRV: u16 = 33;
pub const DNAME: u16 = 39;
pub const DS: u16 = 43;
pub const ANY: u16 = 255;

/// Hosts whose addresses an answer brings along.
const TARGETS_MAX: usize = 32;

/// This is Python's to answer.
#[derive(Debug)]
pub struct Ours;

/// The data of one record, names whole; `names` are where those begin that may be compressed.
#[derive(Clone, Debug)]
pub struct Record {
    pub data: Box<[u8]>,
    pub names: Box<[u16]>,
}

/// The records of one type, and the hosts whose addresses they want beside them: "" is the owner.
#[derive(Clone, Default, Debug)]
pub struct RRset {
    pub kind: u16,
    pub ttl: u32,
    pub records: Vec<Record>,
    pub targets: Vec<Box<[u8]>>,
}

impl RRset {
    /// `apex` is that of its zone: targets elsewhere have no addresses here.
    pub fn new(kind: u16, ttl: u32, records: Vec<Record>, apex: &[u8]) -> RRset {
        let targets = if let Some(at) = target_at(kind) { targets(&records, at, apex) } else { Vec::new() };
        RRset { kind, ttl, records, targets }
    }

    /// The name that the first record leads to, of CNAME and DNAME.
    pub fn leads_to(&self) -> name::Name {
        name::Name::lower(self.records.first().map_or(&[0], |one| name::first_in(&one.data)))
    }
}

/// Where the host stands in the data (RFC 1035 section 3.3, RFC 2782, RFC 9460 section 4.1).
fn target_at(kind: u16) -> Option<usize> {
    match kind {
        NS => Some(0),
        15 | 64 | 65 => Some(2),
        SRV => Some(6),
        _ => None,
    }
}

fn targets(records: &[Record], at: usize, apex: &[u8]) -> Vec<Box<[u8]>> {
    let mut found: Vec<Box<[u8]>> = Vec::new();
    for record in records {
        let host = record.data.get(at..).map(name::first_in).unwrap_or_default().to_ascii_lowercase();
        let host = if host == [0] { vec![] } else { host };
        if (host.is_empty() || name::lies_in(&host, apex)) && !found.iter().any(|one| **one == *host) {
            found.push(host.into());
        }
    }
    found
}

/// What a zone has of one name. `cut`: it is delegated; `ours`: it and all names below are Python's to answer; `alias`: its
/// addresses are.
#[derive(Default)]
pub struct Node {
    pub rrsets: Vec<RRset>,
    pub cut: bool,
    pub dname: bool,
    pub ours: bool,
    pub alias: bool,
}

impl Node {
    /// True when the names below it are not this zone's to answer.
    pub fn leads(&self) -> bool {
        self.cut || self.dname || self.ours
    }

    pub fn rrset(&self, kind: u16) -> Option<&RRset> {
        self.rrsets.iter().find(|one| one.kind == kind)
    }
}

/// `soa` is that of negative answers; `leads` while some name of it stands between the apex and the names below.
pub struct Zone {
    pub apex: Box<[u8]>,
    pub soa: RRset,
    pub names: Names<Arc<Node>>,
    pub leads: bool,
    pub counts: Arc<Counts>,
}

impl Zone {
    /// What there is of a name; Ours when that is not known here.
    pub fn node(&self, name: &[u8]) -> Result<Option<&Node>, Ours> {
        if self.leads {
            let above = upwards(name).take_while(|one| one.len() >= self.apex.len());
            if above.filter_map(|one| self.names.get(one)).any(|node| node.ours) {
                return Err(Ours);
            }
        }
        Ok(self.names.get(name).map(|node| &**node))
    }

    /// The address records of the hosts that these records name, each with its owner.
    pub fn addresses<'t>(&'t self, of: &'t RRset, owner: &'t [u8]) -> Result<Vec<(&'t [u8], &'t RRset)>, Ours> {
        let mut hosts: Vec<&[u8]> = Vec::new();
        for host in &of.targets {
            let host = if host.is_empty() { owner } else { host };
            if hosts.len() < TARGETS_MAX && !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        let mut found = Vec::new();
        for host in hosts {
            let node = self.node(host)?;
            found.extend([A, AAAA].into_iter().filter_map(|kind| Some((host, node?.rrset(kind)?))));
        }
        Ok(found)
    }
}

/// `known` is False while names that no zone file has may exist: no handout ever came. Outcomes hold in their `era` alone.
#[derive(Default)]
pub struct Table {
    pub zones: Names<Arc<Zone>>,
    pub steered: Names<Arc<Steered>>,
    pub maps: FxHashMap<u64, Arc<Map>>,
    pub key: Key,
    pub known: bool,
    pub era: u64,
}

impl Table {
    /// The most specific zone that the name lies in.
    pub fn zone_of(&self, name: &[u8]) -> Option<&Arc<Zone>> {
        upwards(name).find_map(|one| self.zones.get(one))
    }

    /// The zone that answers: of DS at an apex the one above, where that is ours too (RFC 4035 section 3.1.4.1).
    pub fn zone_for(&self, name: &[u8], kind: u16) -> Option<&Arc<Zone>> {
        let zone = self.zone_of(name)?;
        if kind == DS && *zone.apex == *name {
            return self.zone_of(name::parent(name)).or(Some(zone));
        }
        Some(zone)
    }
}
