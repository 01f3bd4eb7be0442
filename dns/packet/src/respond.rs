//! The response to one datagram: `gslb/wire.py` in Rust, for what is asked often; the rest is handed over.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::sync::Arc;

use crate::answer::{answer, Asked, Found, Handed};
use crate::client::{subnet, Client};
use crate::cookies;
use crate::counts::{BADVERS, FORMERR, NOTIMP, REFUSED};
use crate::message::Message;
use crate::name::Name;
use crate::query::{parse, Edns, Malformed, Query, HEADER};
use crate::siphash::Key;
use crate::table::{Table, Zone};

const NSID: u16 = 3;
const SUBNET: u16 = 8;
const COOKIE: u16 = 10;
const EDE: u16 = 15;
const ZONEVERSION: u16 = 19;
const IN: u16 = 1;
const CHAOS: u16 = 3;
const NOT_AUTHORITATIVE: [u8; 2] = [0, 20];
const PROHIBITED: [u8; 2] = [0, 18];
/// IXFR and AXFR (RFC 1995, RFC 5936): nobody gets one.
const TRANSFERS: [u16; 2] = [251, 252];

/// What is in force: the table, and the secrets of cookies, the first of which makes them.
#[derive(Default)]
pub struct State {
    pub table: Arc<Table>,
    pub secrets: Vec<Key>,
}

/// What becomes of a datagram. A response stands in the message; it is counted for this zone and code. The last
/// says that by a cookie that we made for it the address is no other's.
pub enum Said<'t> {
    Nothing,
    Response(Option<&'t Zone>, u8, bool),
    Handed(Handed),
}

/// The options that are answered here, and whether Python's are among them.
#[derive(Default)]
struct Options<'a> {
    subnet: Option<(&'a [u8], Option<IpAddr>)>,
    cookie: Option<&'a [u8]>,
    ours: bool,
}

/// The response to these bytes from this address, at this Unix millisecond; `turn` rotates records.
pub fn respond<'t>(
    state: &'t State,
    data: &[u8],
    address: IpAddr,
    now: u64,
    turn: usize,
    out: &mut Message,
) -> Said<'t> {
    if data.len() < HEADER || data[2] & 0x80 != 0 {
        return Said::Nothing;
    }
    if data[2] & 0x78 != 0 {
        return bare(data, NOTIMP, out);
    }
    match parse(data) {
        Err(Malformed) => bare(data, FORMERR, out),
        Ok(None) => Said::Handed(Handed::Ours),
        Ok(Some(query)) => one(state, data, &query, address, now, turn, out),
    }
}

fn bare<'t>(data: &[u8], code: u8, out: &mut Message) -> Said<'t> {
    out.bare(data, code);
    Said::Response(None, code, false)
}

fn one<'t>(
    state: &'t State,
    data: &[u8],
    query: &Query<'_>,
    address: IpAddr,
    now: u64,
    turn: usize,
    out: &mut Message,
) -> Said<'t> {
    let given = match query.edns.map_or(Ok(Options::default()), |edns| options(&edns)) {
        Ok(given) => given,
        Err(code) => {
            out.start(data, query, 0);
            out.finish(code, false, false);
            query.edns.inspect(|edns| out.opt(edns, code, &[]));
            return Said::Response(None, code, false);
        }
    };
    let foreign = query.class == CHAOS || (query.class != IN && !state.table.known);
    if given.ours || foreign || query.end == HEADER + 1 {
        return Said::Handed(Handed::Ours);
    }
    let cookie = given.cookie.filter(|_| !state.secrets.is_empty());
    let room = given.subnet.map_or(0, |(option, _)| 4 + option.len()) + cookie.map_or(0, |_| 4 + cookies::WHOLE);
    out.start(data, query, room);
    let client = match given.subnet {
        Some((_, Some(address))) => Client { address, subnet: true },
        _ => Client { address, subnet: false },
    };
    let name = Name::lower(&data[HEADER..query.end]);
    let asked = Asked { table: &state.table, name: &name, kind: query.kind, client, now, turn, resolver: address };
    let refused = query.class != IN || TRANSFERS.contains(&query.kind);
    let found = if refused { Ok(Found::refused()) } else { answer(&asked, out) };
    let found = match found {
        Ok(found) => found,
        Err(handed) => return Said::Handed(handed),
    };
    out.finish(found.code, found.authoritative, found.glue);
    let mut known = false;
    if let Some(edns) = query.edns {
        let made = cookie.map(|one| cookies::answered(one, address, (now / 1_000) as u32, &state.secrets));
        known = cookie.zip(made).is_some_and(|(given, made)| given == made);
        let why = if TRANSFERS.contains(&query.kind) { &PROHIBITED } else { &NOT_AUTHORITATIVE };
        close(out, &edns, &given, made, &found, why);
    }
    Said::Response(found.zone, found.code, known)
}

/// The options of a query; the code of the response where one is wrong.
fn options<'a>(edns: &Edns<'a>) -> Result<Options<'a>, u8> {
    let mut found = Options::default();
    if edns.version > 0 {
        return Err(BADVERS);
    }
    for (code, data) in edns.options() {
        match code {
            SUBNET if found.subnet.is_some() => return Err(FORMERR),
            SUBNET => found.subnet = Some((data, subnet(data).map_err(|Malformed| FORMERR)?)),
            COOKIE => {
                cookies::check(data).map_err(|Malformed| FORMERR)?;
                found.cookie = found.cookie.or(Some(data));
            }
            NSID | ZONEVERSION if !data.is_empty() => return Err(FORMERR),
            NSID | ZONEVERSION => found.ours = true,
            _ => {}
        }
    }
    Ok(found)
}

fn close(
    out: &mut Message,
    edns: &Edns<'_>,
    given: &Options<'_>,
    cookie: Option<[u8; cookies::WHOLE]>,
    found: &Found<'_>,
    why: &[u8],
) {
    let mut echoed = [0; 20];
    let mut said: [(u16, &[u8]); 3] = [(0, &[]); 3];
    let mut count = 0;
    let mut say = |code, data| {
        said[count] = (code, data);
        count += 1;
    };
    if let Some(cookie) = &cookie {
        say(COOKIE, cookie);
    }
    if let Some((option, address)) = given.subnet {
        let echoed = &mut echoed[..option.len()];
        echoed.copy_from_slice(option);
        echoed[3] = if address.is_some() { found.scope } else { 0 };
        say(SUBNET, echoed);
    }
    if found.code == REFUSED {
        say(EDE, why);
    }
    out.opt(edns, found.code, &said[..count]);
}
