//! A response as it is written: question, sections and names compressed just as dnspython does it.
#![forbid(unsafe_code)]

use crate::name::{parent, upwards};
use crate::query::{Edns, Query, HEADER};
use crate::table::RRset;

const UDP_MAX: u16 = 1232;
const UDP_PLAIN: u16 = 512;
const QR: u8 = 0x80;
const AA: u8 = 0x04;
const TC: u8 = 0x02;

#[derive(Clone, Copy)]
pub enum Section {
    Answer = 0,
    Authority = 1,
    Additional = 2,
}

/// One is made for many responses. `full` from the first record on that has no room; nothing is written then.
#[derive(Default)]
pub struct Message {
    pub bytes: Vec<u8>,
    names: Vec<(usize, usize)>,
    counts: [u16; 3],
    body: usize,
    additional: Option<usize>,
    limit: usize,
    full: bool,
}

impl Message {
    /// Begin the response to this query, which leaves room for `options` bytes of EDNS options.
    pub fn start(&mut self, data: &[u8], query: &Query<'_>, options: usize) {
        let plain = usize::from(UDP_PLAIN);
        self.limit =
            query.edns.map_or(plain, |edns| usize::from(edns.payload.clamp(UDP_PLAIN, UDP_MAX)) - 11 - options);
        self.body = query.end + 4;
        self.bytes.clear();
        self.bytes.extend_from_slice(&data[..self.body]);
        self.bytes[2] = QR | data[2] & 0x01;
        self.bytes[3] = data[3] & 0x10;
        (self.counts, self.additional, self.full) = ([0; 3], None, false);
        self.names.clear();
    }

    /// Write these records, beginning with one that changes from turn to turn.
    pub fn rrset(&mut self, section: Section, owner: &[u8], rrset: &RRset, turn: usize) {
        if matches!(section, Section::Additional) && self.additional.is_none() && !self.full {
            self.additional = Some(self.bytes.len());
        }
        let (late, early) =
            rrset.records.split_at(if rrset.records.len() > 1 { turn % rrset.records.len() } else { 0 });
        for record in early.iter().chain(late) {
            if self.full {
                return;
            }
            self.begin(section, owner, rrset.kind, rrset.ttl);
            let at = self.bytes.len();
            let mut done = 0;
            for start in record.names.iter().map(|at| usize::from(*at)) {
                self.bytes.extend_from_slice(&record.data[done..start]);
                let name = crate::name::first_in(&record.data[start..]);
                self.name(name);
                done = start + name.len();
            }
            self.bytes.extend_from_slice(&record.data[done..]);
            self.end(at);
        }
    }

    /// Write a CNAME record that was made here.
    pub fn alias(&mut self, owner: &[u8], ttl: u32, target: &[u8]) {
        if !self.full {
            self.begin(Section::Answer, owner, crate::table::CNAME, ttl);
            let at = self.bytes.len();
            self.name(target);
            self.end(at);
        }
    }

    fn begin(&mut self, section: Section, owner: &[u8], kind: u16, ttl: u32) {
        self.counts[section as usize] += 1;
        self.name(owner);
        let mut fixed = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        fixed[..2].copy_from_slice(&kind.to_be_bytes());
        fixed[4..8].copy_from_slice(&ttl.to_be_bytes());
        self.bytes.extend_from_slice(&fixed);
    }

    fn end(&mut self, at: usize) {
        let size = (self.bytes.len() - at) as u16;
        self.bytes[at - 2..at].copy_from_slice(&size.to_be_bytes());
        self.full = self.bytes.len() > self.limit;
    }

    fn name(&mut self, name: &[u8]) {
        let mut rest = name;
        while rest.len() > 1 {
            if let Some(at) = self.asked_at(rest).or_else(|| self.written_at(rest)) {
                let pointer = 0xC000 | at as u16;
                self.bytes.extend_from_slice(&pointer.to_be_bytes());
                return;
            }
            self.names.push((self.bytes.len(), rest.len()));
            let label = 1 + usize::from(rest[0]);
            self.bytes.extend_from_slice(&rest[..label]);
            rest = parent(rest);
        }
        self.bytes.push(0);
    }

    /// Where the name stands in the question.
    fn asked_at(&self, name: &[u8]) -> Option<usize> {
        let end = self.body - 4;
        let one = upwards(&self.bytes[HEADER..end]).find(|one| one.len() <= name.len())?;
        (one == name || one.eq_ignore_ascii_case(name)).then_some(end - one.len())
    }

    /// Where the name stands behind the question.
    fn written_at(&self, name: &[u8]) -> Option<usize> {
        self.names.iter().find(|(at, len)| *len == name.len() && self.stands_at(*at, name)).map(|(at, _)| *at)
    }

    /// True when the name that stands there, perhaps compressed, is this one in any case.
    fn stands_at(&self, mut at: usize, name: &[u8]) -> bool {
        let mut rest = name;
        loop {
            let length = self.bytes[at];
            if length & 0xC0 == 0xC0 {
                at = usize::from(length & 0x3F) << 8 | usize::from(self.bytes[at + 1]);
                continue;
            }
            let end = 1 + usize::from(length);
            if rest.len() < end || !self.bytes[at..at + end].eq_ignore_ascii_case(&rest[..end]) {
                return false;
            }
            if length == 0 {
                return true;
            }
            (at, rest) = (at + end, &rest[end..]);
        }
    }

    /// The code, and whether it is our own word; without what has no room: hosts' addresses, where they are no glue, are
    /// left out first (RFC 9471), then everything, so that the client comes by TCP.
    pub fn finish(&mut self, code: u8, authoritative: bool, glue: bool) {
        self.bytes[2] |= if authoritative { AA } else { 0 };
        self.bytes[3] |= code & 0x0F;
        match self.additional {
            _ if !self.full => {}
            Some(at) if !glue => {
                self.bytes.truncate(at);
                self.counts[Section::Additional as usize] = 0;
            }
            _ => {
                self.bytes.truncate(self.body);
                self.counts = [0; 3];
                self.bytes[2] |= TC;
            }
        }
        for (at, count) in self.counts.iter().enumerate() {
            self.bytes[6 + 2 * at..8 + 2 * at].copy_from_slice(&count.to_be_bytes());
        }
        self.bytes[10..12].copy_from_slice(&self.counts[2].to_be_bytes());
    }

    /// The OPT record, last of all; `code` for its upper bits.
    pub fn opt(&mut self, edns: &Edns<'_>, code: u8, options: &[(u16, &[u8])]) {
        let size = options.iter().map(|(_, data)| 4 + data.len()).sum::<usize>() as u16;
        let [p0, p1] = UDP_MAX.to_be_bytes();
        let do_bit = if edns.dnssec_ok { 0x80 } else { 0 };
        let [s0, s1] = size.to_be_bytes();
        self.bytes.extend_from_slice(&[0, 0, 41, p0, p1, code >> 4, 0, do_bit, 0, s0, s1]);
        for (code, data) in options {
            self.bytes.extend_from_slice(&code.to_be_bytes());
            self.bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
            self.bytes.extend_from_slice(data);
        }
        self.counts[2] += 1;
        self.bytes[10..12].copy_from_slice(&self.counts[2].to_be_bytes());
    }

    /// Type, class and name of the question, as it came; empty where there is a header alone.
    pub fn question(&self) -> &[u8] {
        &self.bytes[HEADER..self.body]
    }

    /// Empty with TC, so that who is real comes by TCP (RFC 2181 section 9).
    pub fn slip(&mut self) {
        self.bytes.truncate(self.body);
        self.bytes[2] = QR | TC | self.bytes[2] & 0x01;
        self.bytes[3] &= 0x10;
        self.bytes[6..HEADER].fill(0);
    }

    /// A header alone: id, opcode and RD copied (RFC 8906 section 3).
    pub fn bare(&mut self, data: &[u8], code: u8) {
        self.body = HEADER;
        self.bytes.clear();
        self.bytes.extend_from_slice(&[data[0], data[1], QR | data[2] & 0x79, code, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
