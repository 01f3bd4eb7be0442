//! The answer to one question: `gslb/answer.py` in Rust (RFC 1034 section 4.3.2, RFC 2308).
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::sync::Arc;

use crate::client::{Client, SCOPE_V4, SCOPE_V6};
use crate::counts::{NOERROR, NXDOMAIN, REFUSED, YXDOMAIN};
use crate::lookup::{look_up, Step};
use crate::message::{Message, Section};
use crate::name::Name;
use crate::steer::{held, Steered};
use crate::table::{Ours, RRset, Table, Zone, A, AAAA, ANY, CNAME};

const CHAIN_MAX: usize = 16;
const HTTPS: u16 = 65;

/// Why Python has to answer; with `Outcome` what of this name, for a type and a standpoint, is not held.
pub enum Handed {
    Ours,
    Outcome(Arc<Steered>, u16, Box<[i32]>),
}

impl From<Ours> for Handed {
    fn from(_: Ours) -> Handed {
        Handed::Ours
    }
}

/// A question of class IN: the name in lower case, who asks, and the Unix millisecond.
pub struct Asked<'t, 'n> {
    pub table: &'t Table,
    pub name: &'n Name,
    pub kind: u16,
    pub client: Client,
    pub resolver: IpAddr,
    pub now: u64,
    pub turn: usize,
}

/// `scope` are the bits of the client's address that the answer is for.
pub struct Found<'t> {
    pub code: u8,
    pub zone: Option<&'t Zone>,
    pub authoritative: bool,
    pub glue: bool,
    pub scope: u8,
}

impl Found<'_> {
    /// What is not ours to answer.
    pub fn refused() -> Self {
        Found { code: REFUSED, zone: None, authoritative: false, glue: false, scope: 0 }
    }
}

enum Next {
    Done(u8),
    Referral,
    Follow(Box<Name>),
}

/// Write the answer. CNAMEs are followed within our zones; the code is that of the last name (RFC 6604 section 3).
pub fn answer<'t>(asked: &Asked<'t, '_>, out: &mut Message) -> Result<Found<'t>, Handed> {
    let Some(first) = asked.table.zone_for(asked.name.wire(), asked.kind) else {
        return if asked.table.known { Ok(Found::refused()) } else { Err(Handed::Ours) };
    };
    let (mut zone, mut seen) = (first, Vec::<Box<Name>>::new());
    loop {
        let at = seen.last().map_or(asked.name, |one| &**one);
        let (next, scope) = one(asked, zone, at, out)?;
        let followed = !seen.is_empty();
        let found = |code, referral: bool| Found {
            code,
            zone: Some(first),
            authoritative: !referral || followed,
            glue: referral,
            scope,
        };
        let target = match next {
            Next::Done(code) => return Ok(found(code, false)),
            Next::Referral => return Ok(found(NOERROR, true)),
            Next::Follow(target) => target,
        };
        let met = seen.iter().map(|one| &**one).chain([asked.name]).any(|one| one.wire() == target.wire());
        match asked.table.zone_for(target.wire(), asked.kind) {
            Some(following) if seen.len() + 1 < CHAIN_MAX && !met => zone = following,
            _ => return Ok(found(NOERROR, false)),
        }
        seen.push(target);
    }
}

fn one(asked: &Asked<'_, '_>, zone: &Zone, at: &Name, out: &mut Message) -> Result<(Next, u8), Handed> {
    if let Some(steered) = asked.table.steered.get(at.wire()) {
        if let Some(scope) = picked(asked, zone, steered, at.wire(), out)? {
            return Ok((Next::Done(NOERROR), scope));
        }
    }
    Ok((said(asked, zone, at, look_up(zone, at.wire(), asked.kind)?, out)?, 0))
}

/// Write the part that the client falls into, or that there is none for it, and say for which bits of its address; for
/// ANY that of one family.
fn picked(
    asked: &Asked<'_, '_>,
    zone: &Zone,
    name: &Arc<Steered>,
    owner: &[u8],
    out: &mut Message,
) -> Result<Option<u8>, Handed> {
    let families: &[u16] = match asked.kind {
        A => &[A],
        AAAA => &[AAAA],
        ANY => &[A, AAAA],
        HTTPS if name.hinted => return Err(Handed::Ours),
        _ => return Ok(None),
    };
    let ignored = name.ignores && asked.client.subnet;
    let client = if ignored { Client { address: asked.resolver, subnet: false } } else { asked.client };
    let most = if client.address.is_ipv4() { SCOPE_V4 } else { SCOPE_V6 };
    let stand = name.stand(&client).ok_or(Handed::Ours)?;
    let (outcomes, mut negative) = (name.outcomes(), None);
    for &kind in families {
        let missing = || Handed::Outcome(name.clone(), kind, stand.values().into());
        let outcome = held(&outcomes, kind, stand.values(), asked.now, asked.table.era).ok_or_else(missing)?;
        let scope = if ignored { 0 } else { most.min(if outcome.parts.len() > 1 { most } else { stand.bits }) };
        match outcome.part(name.bucket(&asked.table.key, &client, most)) {
            Some(rrset) if !rrset.records.is_empty() => {
                out.rrset(Section::Answer, owner, rrset, asked.turn);
                return Ok(Some(scope));
            }
            Some(_) => negative = Some(scope),
            None => {}
        }
    }
    if negative.is_some() {
        out.rrset(Section::Authority, &zone.apex, &zone.soa, 0);
    }
    Ok(negative)
}

fn said(asked: &Asked<'_, '_>, zone: &Zone, at: &Name, step: Step<'_>, out: &mut Message) -> Result<Next, Handed> {
    let turn = asked.turn;
    let above = |len: usize| &at.wire()[at.wire().len() - len..];
    match step {
        Step::Data(rrset) if rrset.records.is_empty() => return Err(Handed::Ours),
        Step::Data(rrset) => {
            out.rrset(Section::Answer, at.wire(), rrset, turn);
            beside(zone, rrset, at.wire(), out, turn)?;
        }
        Step::Alias(rrset) => {
            out.rrset(Section::Answer, at.wire(), rrset, turn);
            return Ok(onwards(rrset.leads_to().into()));
        }
        Step::Made(rrset, len, made) => {
            out.rrset(Section::Answer, above(len), rrset, turn);
            let Some(made) = made else { return Ok(Next::Done(YXDOMAIN)) };
            out.alias(at.wire(), rrset.ttl, made.wire());
            return Ok(if matches!(asked.kind, CNAME | ANY) { Next::Done(NOERROR) } else { onwards(made) });
        }
        Step::Cut(rrset, len) => {
            out.rrset(Section::Authority, above(len), rrset, turn);
            beside(zone, rrset, above(len), out, turn)?;
            return Ok(Next::Referral);
        }
        Step::Nothing | Step::Absent if !asked.table.known => return Err(Handed::Ours),
        Step::Nothing => out.rrset(Section::Authority, &zone.apex, &zone.soa, 0),
        Step::Absent => {
            out.rrset(Section::Authority, &zone.apex, &zone.soa, 0);
            return Ok(Next::Done(NXDOMAIN));
        }
    }
    Ok(Next::Done(NOERROR))
}

/// The root leads nowhere.
fn onwards(target: Box<Name>) -> Next {
    if target.wire().len() > 1 {
        Next::Follow(target)
    } else {
        Next::Done(NOERROR)
    }
}

fn beside(zone: &Zone, rrset: &RRset, owner: &[u8], out: &mut Message, turn: usize) -> Result<(), Handed> {
    if !rrset.targets.is_empty() {
        for (host, addresses) in zone.addresses(rrset, owner)? {
            out.rrset(Section::Additional, host, addresses, turn);
        }
    }
    Ok(())
}
