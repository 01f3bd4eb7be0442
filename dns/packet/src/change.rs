//! What changes from one table to the next, as Python says it, and the table that it makes.
#![forbid(unsafe_code)]

use std::sync::Arc;

use pyo3::prelude::*;

use crate::counts::Counts;
use crate::names::Names;
use crate::places::{Map, Place, Prefix};
use crate::siphash::Key;
use crate::steer::Steered;
use crate::table::{Node, RRset, Record, Table, Zone};

/// Type, TTL, and each record's data with where names begin in it that may be compressed.
pub type RRsetSaid = (u16, u32, Vec<(Vec<u8>, Vec<u16>)>);

/// A name, whether it is delegated, has a DNAME, or is Python's with all below it, and its data; None: it is gone.
pub type NodeSaid = (Vec<u8>, Option<(bool, bool, bool, Vec<RRsetSaid>)>);

/// Apex, the SOA of negative answers, and the names that changed. `whole` when the zone has these names alone.
#[derive(FromPyObject)]
pub struct ZoneSaid {
    apex: Vec<u8>,
    soa: RRsetSaid,
    whole: bool,
    nodes: Vec<NodeSaid>,
}

/// A map of clients: names of places by number, ranges as (address, length, place), the place of everybody else, and the
/// bits that count over IPv4 and IPv6.
#[derive(FromPyObject)]
pub struct MapSaid {
    names: Vec<String>,
    v4: Vec<(u128, u8, u32)>,
    v6: Vec<(u128, u8, u32)>,
    elsewhere: u32,
    scopes: (u8, u8),
}

/// A public name, its text and the number of its map; None: it is gone.
type SteeredSaid = (Vec<u8>, Option<(String, usize)>);

/// `gone` are apexes of zones that are no more; without `maps` they stay.
#[derive(FromPyObject)]
pub struct Change {
    key: Key,
    known: bool,
    zones: Vec<ZoneSaid>,
    gone: Vec<Vec<u8>>,
    steered: Vec<SteeredSaid>,
    maps: Option<Vec<MapSaid>>,
}

pub fn rrset((kind, ttl, records): RRsetSaid, apex: &[u8]) -> RRset {
    let record = |(data, names): (Vec<u8>, Vec<u16>)| Record { data: data.into(), names: names.into() };
    RRset::new(kind, ttl, records.into_iter().map(record).collect(), apex)
}

impl Change {
    /// The table after this change. `counts` gives the counters of a zone.
    pub fn applied(self, before: &Table, mut counts: impl FnMut(&[u8]) -> Arc<Counts>) -> Table {
        let zones = self.zones.into_iter().map(|said| {
            let held = before.zones.get(&said.apex).filter(|_| !said.whole);
            let fresh = zone(said, held, &mut counts);
            (fresh.apex.clone(), Some(Arc::new(fresh)))
        });
        let gone = self.gone.into_iter().map(|apex| (apex.into(), None));
        let steered = self.steered.into_iter().map(|(name, said)| {
            let fresh = said.map(|(host, map)| Arc::new(Steered::new(host.into(), map)));
            (name.into(), fresh)
        });
        Table {
            zones: before.zones.changed(gone.chain(zones).collect()),
            steered: before.steered.changed(steered.collect()),
            maps: self.maps.map_or_else(|| before.maps.clone(), |maps| maps.into_iter().map(map).collect()),
            key: self.key,
            known: self.known,
        }
    }
}

fn zone(said: ZoneSaid, before: Option<&Arc<Zone>>, counts: impl FnOnce(&[u8]) -> Arc<Counts>) -> Zone {
    let apex: Box<[u8]> = said.apex.into();
    let nodes = said.nodes.into_iter().map(|(name, node)| {
        let node = node.map(|(cut, dname, ours, rrsets)| {
            let rrsets = rrsets.into_iter().map(|one| rrset(one, &apex)).collect();
            Arc::new(Node { rrsets, cut, dname, ours })
        });
        (name.into(), node)
    });
    let nodes: Vec<_> = nodes.collect();
    let leading = nodes.iter().filter_map(|(_, node)| node.as_ref()).any(|node: &Arc<Node>| node.leads());
    let none = Names::default();
    let names = before.map_or(&none, |zone| &zone.names).changed(nodes);
    let leads = leading || before.is_some_and(|zone| zone.leads);
    Zone { soa: rrset(said.soa, &apex), names, leads, counts: counts(&apex), apex }
}

fn map(said: MapSaid) -> Arc<Map> {
    let prefixes = |of: Vec<(u128, u8, u32)>, scope: u8| {
        of.into_iter().map(|(first, length, number)| Prefix { first, length, place: Place { number, scope } }).collect()
    };
    let elsewhere = [said.scopes.0, said.scopes.1].map(|scope| Place { number: said.elsewhere, scope });
    let (v4, v6) = (prefixes(said.v4, said.scopes.0), prefixes(said.v6, said.scopes.1));
    Arc::new(Map::new(said.names, v4, v6, elsewhere))
}
