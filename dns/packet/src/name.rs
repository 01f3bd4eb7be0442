//! Names in wire form (RFC 1035 section 3.1): labels, each behind its length, the last one empty.
#![forbid(unsafe_code)]

pub const MAX: usize = 255;

/// A name in lower case, held in place.
#[derive(Clone, Copy)]
pub struct Name {
    len: usize,
    bytes: [u8; MAX],
}

impl Name {
    /// The name of these wire bytes, 255 at most. Lengths are no letters, so all of it can be lowered at once.
    pub fn lower(wire: &[u8]) -> Name {
        let mut name = Name { len: wire.len(), bytes: [0; MAX] };
        let held = &mut name.bytes[..wire.len()];
        held.copy_from_slice(wire);
        held.make_ascii_lowercase();
        name
    }

    /// The labels of `head` before those of `tail`; None when no name can be that long.
    pub fn joined(head: &[u8], tail: &[u8]) -> Option<Name> {
        let len = head.len() + tail.len();
        if len > MAX {
            return None;
        }
        let mut name = Name { len, bytes: [0; MAX] };
        name.bytes[..head.len()].copy_from_slice(head);
        name.bytes[head.len()..len].copy_from_slice(tail);
        name.bytes[..len].make_ascii_lowercase();
        Some(name)
    }

    pub fn wire(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The name without its first label; empty for the root.
pub fn parent(wire: &[u8]) -> &[u8] {
    match wire.first() {
        Some(&length) => &wire[1 + usize::from(length)..],
        None => wire,
    }
}

/// The name itself, then every name above it but the root.
pub fn upwards(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(wire), |name| Some(parent(name))).take_while(|name| name.len() > 1)
}

/// True for the apex and for every name below it; both in lower case.
pub fn lies_in(wire: &[u8], apex: &[u8]) -> bool {
    wire.len() >= apex.len() && upwards(wire).any(|name| name == apex)
}

/// True when every byte of every label stands for itself in text, so that text and wire form are of one length.
pub fn is_plain(wire: &[u8]) -> bool {
    upwards(wire).all(|name| {
        let label = &name[1..=usize::from(name[0])];
        label.iter().all(|byte| byte.is_ascii_graphic() && !b"\"().;\\@$".contains(byte))
    })
}

/// The bytes of the name that stands first in `data`, as far as they go.
pub fn first_in(data: &[u8]) -> &[u8] {
    let mut end = 0;
    while let Some(&length) = data.get(end) {
        end += 1 + usize::from(length);
        if length == 0 {
            break;
        }
    }
    &data[..end.min(data.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    const WWW: &[u8] = b"\x03WwW\x04TEST\0";

    #[test]
    fn names_are_lowered_and_cut() {
        let name = Name::lower(WWW);
        assert_eq!(name.wire(), b"\x03www\x04test\0");
        assert_eq!(parent(name.wire()), b"\x04test\0");
        assert_eq!(upwards(name.wire()).count(), 2);
        assert_eq!(upwards(b"\0").count(), 0);
        assert_eq!(parent(b"\0"), b"");
    }

    #[test]
    fn a_name_lies_in_its_zone_and_not_in_one_that_ends_alike() {
        assert!(lies_in(b"\x03www\x04test\0", b"\x04test\0"));
        assert!(lies_in(b"\x04test\0", b"\x04test\0"));
        assert!(!lies_in(b"\x05xtest\0", b"\x04test\0"));
    }

    #[test]
    fn names_join_up_to_their_limit() {
        assert_eq!(Name::joined(b"\x01A", b"\x04test\0").unwrap().wire(), b"\x01a\x04test\0");
        assert!(Name::joined(&[1; 200], &[1; 56]).is_none());
    }

    #[test]
    fn plain_names_are_those_without_escapes() {
        assert!(is_plain(b"\x05_tcp-\x01*\0"));
        assert!(!is_plain(b"\x03a.b\0"));
        assert!(!is_plain(b"\x02a\xff\0"));
    }

    #[test]
    fn the_first_name_ends_with_its_root() {
        assert_eq!(first_in(b"\x01a\0rest"), b"\x01a\0");
        assert_eq!(first_in(b"\x05a"), b"\x05a");
    }
}
