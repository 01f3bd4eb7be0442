//! What changes from one table to the next, as Python says it, and the table that it makes.
#![forbid(unsafe_code)]

use std::sync::Arc;

use pyo3::prelude::*;
use rustc_hash::FxHashMap;

use crate::counts::Counts;
use crate::names::Names;
use crate::places::{Map, Ranges, Side};
use crate::siphash::Key;
use crate::steer::Steered;
use crate::table::{Node, RRset, Record, Table, Zone};

/// ALIAS in `gslb/zone.py`: a private number, never on the wire.
const ALIAS: u16 = 65_401;

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

/// Starts and values of ranges of IPv4; the bits that count, starts and values of IPv6.
type SideSaid = (Vec<u32>, Vec<i32>, u8, Vec<u128>, Vec<i32>);

/// By its number a map: values by whole addresses, and by client subnets (None: the same).
type MapSaid = (u64, (SideSaid, Option<SideSaid>));

/// A public name: its text, the maps of each guide, whether it ignores client subnets, and has HTTPS records of its own;
/// None: it is gone.
type SteeredSaid = (Vec<u8>, Option<(String, Vec<Vec<u64>>, bool, bool)>);

/// `gone` are apexes of zones that are no more; `maps` the new ones, `unmapped` the numbers of those that are no more.
/// `elsewhere` when no outcome holds that was put before.
#[derive(FromPyObject)]
pub struct Change {
    key: Key,
    known: bool,
    elsewhere: bool,
    zones: Vec<ZoneSaid>,
    gone: Vec<Vec<u8>>,
    steered: Vec<SteeredSaid>,
    maps: Vec<MapSaid>,
    unmapped: Vec<u64>,
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
        let mut maps = before.maps.clone();
        for number in self.unmapped {
            maps.remove(&number);
        }
        maps.extend(self.maps.into_iter().map(|(number, said)| (number, Arc::new(map(said)))));
        let steered = self.steered.into_iter().map(|(name, said)| (name.into(), said.map(|said| steered(said, &maps))));
        Table {
            zones: before.zones.changed(gone.chain(zones).collect()),
            steered: before.steered.changed(steered.collect()),
            key: self.key,
            known: self.known,
            era: before.era + u64::from(self.elsewhere),
            maps,
        }
    }
}

/// A guide whose maps are not there says nothing of anybody.
fn steered(
    (host, guides, ignores, hinted): (String, Vec<Vec<u64>>, bool, bool),
    maps: &FxHashMap<u64, Arc<Map>>,
) -> Arc<Steered> {
    let guide = |numbers: Vec<u64>| numbers.iter().filter_map(|number| maps.get(number).cloned()).collect();
    Arc::new(Steered::new(host.into(), guides.into_iter().map(guide).collect(), ignores, hinted))
}

fn zone(said: ZoneSaid, before: Option<&Arc<Zone>>, counts: impl FnOnce(&[u8]) -> Arc<Counts>) -> Zone {
    let apex: Box<[u8]> = said.apex.into();
    let nodes = said.nodes.into_iter().map(|(name, node)| {
        let node = node.map(|(cut, dname, ours, rrsets)| {
            let rrsets = rrsets.into_iter().map(|one| rrset(one, &apex)).collect::<Vec<_>>();
            let alias = rrsets.iter().any(|one: &RRset| one.kind == ALIAS);
            let rrsets = rrsets.into_iter().filter(|one| one.kind != ALIAS).collect();
            Arc::new(Node { rrsets, cut, dname, ours, alias })
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

fn map((whole, shared): (SideSaid, Option<SideSaid>)) -> Map {
    let side = |(v4, v4_values, bits, v6, v6_values): SideSaid| Side {
        v4: Ranges::new(32, v4, v4_values),
        v6: Ranges::new(bits.clamp(1, 128), v6, v6_values),
    };
    Map { whole: side(whole), shared: shared.map(side) }
}
