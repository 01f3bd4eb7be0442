//! A query as it stands in the message (RFC 1035 section 4, EDNS by RFC 6891): `gslb/query.py` in Rust.
#![forbid(unsafe_code)]

use crate::name;

pub const HEADER: usize = 12;
const OPT: u16 = 41;
const POINTER: u8 = 0xC0;

/// Format error: the message cannot be read.
#[derive(Debug, PartialEq)]
pub struct Malformed;

#[derive(Debug, Clone, Copy)]
pub struct Edns<'a> {
    pub payload: u16,
    pub version: u8,
    pub dnssec_ok: bool,
    options: &'a [u8],
}

/// One question: its name fills the message from the header to `end`, type and class follow.
#[derive(Debug)]
pub struct Query<'a> {
    pub end: usize,
    pub kind: u16,
    pub class: u16,
    pub edns: Option<Edns<'a>>,
}

impl<'a> Edns<'a> {
    /// Code and data of each option; they were found whole when the query was read.
    pub fn options(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self.options;
        std::iter::from_fn(move || {
            let (code, size) = (number(rest, 0)?, usize::from(number(rest, 2)?));
            let data = rest.get(4..4 + size)?;
            rest = &rest[4 + size..];
            Some((code, data))
        })
    }
}

/// The query in these bytes, at least a header; None when nothing is asked but (RFC 7873 section 5.4) perhaps a cookie.
pub fn parse(data: &[u8]) -> Result<Option<Query<'_>>, Malformed> {
    let count = |at| usize::from(number(data, at).unwrap_or(0));
    let (before, additional) = (count(6) + count(8), count(10));
    match count(4) {
        0 => match records(data, HEADER, before, additional)? {
            Some(_) => Ok(None),
            None => Err(Malformed),
        },
        1 => {
            let (whole, end) = skip_name(data, HEADER)?;
            if !whole {
                return Err(Malformed);
            }
            let kind = number(data, end).ok_or(Malformed)?;
            let class = number(data, end + 2).ok_or(Malformed)?;
            let edns = records(data, end + 4, before, additional)?;
            Ok(Some(Query { end, kind, class, edns }))
        }
        _ => Err(Malformed),
    }
}

/// Skip what follows the question, but for the OPT record: one at most, additional, owned by the root.
fn records(data: &[u8], mut at: usize, before: usize, additional: usize) -> Result<Option<Edns<'_>>, Malformed> {
    let mut found = None;
    for index in 0..before + additional {
        let owner = at;
        at = skip_name(data, at)?.1;
        let fixed = data.get(at..at + 10).ok_or(Malformed)?;
        at += 10;
        let field = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let body = data.get(at..at + usize::from(field(8))).ok_or(Malformed)?;
        if field(0) == OPT {
            if found.is_some() || data[owner] != 0 || index < before {
                return Err(Malformed);
            }
            let (payload, version, dnssec_ok) = (field(2), fixed[5], fixed[6] & 0x80 != 0);
            found = Some(Edns { payload, version, dnssec_ok, options: whole_options(body)? });
        }
        at += body.len();
    }
    Ok(found)
}

fn whole_options(options: &[u8]) -> Result<&[u8], Malformed> {
    let mut at = 0;
    while at < options.len() {
        at += 4 + usize::from(number(options, at + 2).ok_or(Malformed)?);
    }
    if at == options.len() {
        Ok(options)
    } else {
        Err(Malformed)
    }
}

/// Where a name ends, and whether it stands there whole, not compressed.
fn skip_name(data: &[u8], start: usize) -> Result<(bool, usize), Malformed> {
    let mut at = start;
    loop {
        let length = *data.get(at).ok_or(Malformed)?;
        if length & POINTER == POINTER {
            return Ok((false, at + 2));
        }
        at += 1 + usize::from(length);
        if length & POINTER != 0 || at > data.len() || at - start > name::MAX {
            return Err(Malformed);
        }
        if length == 0 {
            return Ok((true, at));
        }
    }
}

/// The 16-bit number that stands there.
pub fn number(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(data.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: &[u8] = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01";

    fn with_opt(options: &[u8]) -> Vec<u8> {
        let mut data = ASKED.to_vec();
        data[11] = 1;
        data.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, options.len() as u8]);
        data.extend_from_slice(options);
        data
    }

    #[test]
    fn a_question_is_read() {
        let query = parse(ASKED).unwrap().unwrap();
        assert_eq!((query.end, query.kind, query.class), (15, 1, 1));
        assert!(query.edns.is_none());
    }

    #[test]
    fn options_are_read_and_must_be_whole() {
        let data = with_opt(b"\0\x0a\0\x01x\0\x03\0\0");
        let edns = parse(&data).unwrap().unwrap().edns.unwrap();
        assert_eq!((edns.payload, edns.version, edns.dnssec_ok), (1232, 0, true));
        assert_eq!(edns.options().collect::<Vec<_>>(), [(10, &b"x"[..]), (3, &b""[..])]);
        for bad in [&b"\0"[..], b"\0\x0a\0\x02x"] {
            assert_eq!(parse(&with_opt(bad)).err(), Some(Malformed));
        }
    }

    #[test]
    fn every_cut_of_a_message_is_a_format_error() {
        let data = with_opt(b"\0\x0a\0\x01x");
        for end in HEADER..data.len() {
            assert_eq!(parse(&data[..end]).err(), Some(Malformed), "{end}");
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        let mut state = 7_u64;
        for _ in 0..if cfg!(miri) { 200 } else { 200_000 } {
            let mut data = with_opt(b"\0\x0a\0\x01x");
            for _ in 0..4 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let at = (state >> 33) as usize % data.len();
                data[at] = (state >> 56) as u8;
            }
            if let Ok(Some(query)) = parse(&data) {
                assert!(query.edns.map_or(0, |edns| edns.options().count()) < 20);
            }
        }
    }
}
