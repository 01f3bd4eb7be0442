//! One step of a question in one zone: `gslb/lookup.py` in Rust (RFC 1034 section 4.3.2, RFC 4592, RFC 6672).
#![forbid(unsafe_code)]

use crate::name::{is_plain, upwards, Name};
use crate::table::{Node, Ours, RRset, Zone, A, AAAA, ANY, CNAME, DNAME, DS, NS, SOA, SRV, TXT};

/// Of ANY one type is told: the first of these that is there, else any (RFC 8482 section 4.1).
const FIRST_OF_ANY: [u16; 7] = [A, AAAA, CNAME, SRV, SOA, NS, TXT];

/// What the zone says of a name.
pub enum Step<'t> {
    /// The records of the type.
    Data(&'t RRset),
    /// A CNAME that leads on.
    Alias(&'t RRset),
    /// A DNAME, the length of its owner, and the name that it makes, where there can be one.
    Made(&'t RRset, usize, Option<Box<Name>>),
    /// A delegation, and the length of its name.
    Cut(&'t RRset, usize),
    /// The name is there, the type is not.
    Nothing,
    Absent,
}

/// Look for this type at a lower-case name in the zone.
pub fn look_up<'t>(zone: &'t Zone, name: &[u8], kind: u16) -> Result<Step<'t>, Ours> {
    if zone.leads {
        if let Some(step) = led(zone, name, kind)? {
            return Ok(step);
        }
    }
    match zone.names.get(name) {
        Some(node) => at(node, kind),
        None => wild(zone, name, kind),
    }
}

/// What leads elsewhere above the name or at it, the highest first.
fn led<'t>(zone: &'t Zone, name: &[u8], kind: u16) -> Result<Option<Step<'t>>, Ours> {
    let inside = |one: &&[u8]| one.len() >= zone.apex.len();
    let mut found = None;
    for one in upwards(name).take_while(inside) {
        let Some(node) = zone.names.get(one) else { continue };
        if node.ours {
            return Err(Ours);
        }
        if node.dname && one.len() < name.len() {
            found = Some((node, one.len(), true));
        } else if node.cut && (one.len() < name.len() || kind != DS) {
            found = Some((node, one.len(), false));
        }
    }
    let Some((node, len, dname)) = found else { return Ok(None) };
    let rrset = node.rrset(if dname { DNAME } else { NS }).ok_or(Ours)?;
    Ok(Some(if dname {
        Step::Made(rrset, len, made(rrset, &name[..name.len() - len])?)
    } else {
        Step::Cut(rrset, len)
    }))
}

fn made(rrset: &RRset, head: &[u8]) -> Result<Option<Box<Name>>, Ours> {
    let target = rrset.leads_to();
    if !is_plain(target.wire()) || !is_plain(&[head, &[0]].concat()) {
        return Err(Ours);
    }
    Ok(Name::joined(head, target.wire()).map(Box::new))
}

fn at(node: &Node, kind: u16) -> Result<Step<'_>, Ours> {
    if node.alias && matches!(kind, A | AAAA) {
        return Err(Ours);
    }
    let kind = match kind {
        ANY => {
            FIRST_OF_ANY.into_iter().find(|one| node.rrset(*one).is_some()).or(node.rrsets.first().map(|one| one.kind))
        }
        _ => Some(kind),
    };
    Ok(match kind.and_then(|kind| node.rrset(kind)) {
        Some(rrset) => Step::Data(rrset),
        None => node.rrset(CNAME).map_or(Step::Nothing, Step::Alias),
    })
}

/// The wildcard below the closest name that exists, which every name between blocks.
fn wild<'t>(zone: &'t Zone, name: &[u8], kind: u16) -> Result<Step<'t>, Ours> {
    let mut above = upwards(name).skip(1).take_while(|one| one.len() >= zone.apex.len());
    let closest = above.find(|one| zone.names.get(one).is_some());
    let star = closest.and_then(|one| Name::joined(b"\x01*", one)).and_then(|star| zone.names.get(star.wire()));
    match star {
        Some(node) if node.ours => Err(Ours),
        found => found.map_or(Ok(Step::Absent), |node| at(node, kind)),
    }
}
