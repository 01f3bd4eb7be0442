//! Datagrams in batches: recvmmsg and sendmmsg. The only file that is not safe Rust.
#![allow(unsafe_code)]

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_uint, iovec, mmsghdr, sockaddr_in, sockaddr_in6, sockaddr_storage};

/// Datagrams that are taken at once at most, and for how many there is room at least.
const SIZE: usize = 64;
const LEAST: usize = 8;
const DATAGRAM: usize = 4_096;
/// Apart by more than a page, so that their first lines do not meet in one set of the cache.
const STRIDE: usize = DATAGRAM + 64;
/// Room for one IP_PKTINFO or IPV6_PKTINFO.
const CONTROL: usize = 64;

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// From where a datagram came, and to which of our addresses.
#[derive(Clone, Copy)]
pub struct Origin {
    peer: sockaddr_storage,
    peer_len: u32,
    control: Control,
    control_len: usize,
}

impl Origin {
    fn none() -> Origin {
        // SAFETY: all zeros are a valid sockaddr_storage, of family AF_UNSPEC.
        let peer = unsafe { mem::zeroed() };
        Origin { peer, peer_len: 0, control: Control([0; CONTROL]), control_len: 0 }
    }

    /// The address of who sent it.
    pub fn address(&self) -> IpAddr {
        let peer: *const sockaddr_storage = &self.peer;
        match c_int::from(self.peer.ss_family) {
            libc::AF_INET6 => {
                // SAFETY: the family says which type stands there, and a sockaddr_storage has room and alignment for it.
                let v6 = unsafe { &*peer.cast::<sockaddr_in6>() };
                Ipv6Addr::from(v6.sin6_addr.s6_addr).into()
            }
            libc::AF_INET => {
                // SAFETY: as above.
                let v4 = unsafe { &*peer.cast::<sockaddr_in>() };
                Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into()
            }
            _ => Ipv4Addr::UNSPECIFIED.into(),
        }
    }

    /// Let routes choose the interface of the reply: only its source address is given, but to link-local clients.
    fn turn_round(&mut self) {
        let link_local = matches!(self.address(), IpAddr::V6(v6) if v6.is_unicast_link_local());
        let header = mem::size_of::<libc::cmsghdr>();
        if self.control_len < header || link_local {
            return;
        }
        let level = i32::from_ne_bytes([8, 9, 10, 11].map(|at| self.control.0[at]));
        let index = if level == libc::IPPROTO_IP { header } else { header + 16 };
        self.control.0[index..index + 4].fill(0);
    }

    /// A message header that points into `self` and `parts`: it is good as long as they stay.
    fn header(&mut self, parts: *mut iovec) -> libc::msghdr {
        // SAFETY: all zeros are a valid msghdr, without anything.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_name = (&raw mut self.peer).cast();
        header.msg_namelen = self.peer_len;
        header.msg_iov = parts;
        header.msg_iovlen = 1;
        if self.control_len > 0 {
            header.msg_control = (&raw mut self.control).cast();
            header.msg_controllen = self.control_len as _;
        }
        header
    }
}

/// A socket of ours: another descriptor of it.
pub fn own(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl takes any number; what it makes belongs to nobody else.
    match unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) } {
        -1 => Err(io::Error::last_os_error()),
        fresh => Ok(unsafe { OwnedFd::from_raw_fd(fresh) }),
    }
}

/// Send one reply; what cannot be sent is lost, as datagrams are.
pub fn send_one(socket: &OwnedFd, origin: &Origin, data: &[u8]) -> bool {
    let mut origin = *origin;
    let mut part = iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    let header = origin.header(&mut part);
    // SAFETY: the header points at `origin`, `part` and `data`, which outlive the call; sendmsg writes to none of them.
    unsafe { libc::sendmsg(socket.as_raw_fd(), &header, libc::MSG_DONTWAIT) >= 0 }
}

/// Datagrams that came together, and their replies.
pub struct Batch {
    data: Box<[u8]>,
    origins: Vec<Origin>,
    sizes: [usize; SIZE],
    replies: Vec<(usize, Vec<u8>)>,
    count: usize,
    room: usize,
}

impl Batch {
    pub fn new() -> Batch {
        Batch {
            data: vec![0; SIZE * STRIDE].into(),
            origins: vec![Origin::none(); SIZE],
            sizes: [0; SIZE],
            replies: (0..SIZE).map(|_| (0, Vec::with_capacity(DATAGRAM))).collect(),
            count: 0,
            room: LEAST,
        }
    }

    /// Wait for datagrams and take what is there; their number. There is room for twice as many as the last time: to
    /// make room costs more than to take a datagram.
    pub fn receive(&mut self, socket: &OwnedFd) -> io::Result<usize> {
        let mut parts: [MaybeUninit<iovec>; SIZE] = [const { MaybeUninit::uninit() }; SIZE];
        let mut headers: [MaybeUninit<mmsghdr>; SIZE] = [const { MaybeUninit::uninit() }; SIZE];
        let room = self.data.chunks_exact_mut(STRIDE).zip(&mut self.origins).take(self.room);
        for (((data, origin), part), header) in room.zip(&mut parts).zip(&mut headers) {
            (origin.peer_len, origin.control_len) = (mem::size_of::<sockaddr_storage>() as u32, CONTROL);
            let part = part.write(iovec { iov_base: data.as_mut_ptr().cast(), iov_len: DATAGRAM });
            header.write(mmsghdr { msg_hdr: origin.header(part), msg_len: 0 });
        }
        let all = headers.as_mut_ptr().cast::<mmsghdr>();
        // SAFETY: `room` headers and parts were written above; each points at DATAGRAM bytes of `data` and at one of
        // `origins`, which are not moved before the call returns.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                all,
                self.room as c_uint,
                libc::MSG_WAITFORONE as _,
                std::ptr::null_mut(),
            )
        };
        let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
        for (at, header) in headers[..got].iter().enumerate() {
            // SAFETY: written above, and since then only by the system.
            let header = unsafe { header.assume_init_ref() };
            self.sizes[at] = header.msg_len as usize;
            let origin = &mut self.origins[at];
            (origin.peer_len, origin.control_len) = (header.msg_hdr.msg_namelen, header.msg_hdr.msg_controllen);
            origin.turn_round();
        }
        (self.count, self.room) = (0, (2 * got).clamp(LEAST, SIZE));
        Ok(got)
    }

    /// One of the datagrams that were received, and from where.
    pub fn datagram(&self, at: usize) -> (&[u8], &Origin) {
        (&self.data[at * STRIDE..][..self.sizes[at]], &self.origins[at])
    }

    /// Answer it with these bytes, which are exchanged for others to write to.
    pub fn reply(&mut self, at: usize, bytes: &mut Vec<u8>) {
        let (to, held) = &mut self.replies[self.count];
        *to = at;
        mem::swap(held, bytes);
        self.count += 1;
    }

    /// Send all replies; one that cannot be sent is passed over.
    pub fn send(&mut self, socket: &OwnedFd) {
        let mut parts: [MaybeUninit<iovec>; SIZE] = [const { MaybeUninit::uninit() }; SIZE];
        let mut headers: [MaybeUninit<mmsghdr>; SIZE] = [const { MaybeUninit::uninit() }; SIZE];
        for (((to, reply), part), header) in self.replies[..self.count].iter_mut().zip(&mut parts).zip(&mut headers) {
            let part = part.write(iovec { iov_base: reply.as_mut_ptr().cast(), iov_len: reply.len() });
            header.write(mmsghdr { msg_hdr: self.origins[*to].header(part), msg_len: 0 });
        }
        let mut sent = 0;
        while sent < self.count {
            let rest = headers[sent..].as_mut_ptr().cast::<mmsghdr>();
            // SAFETY: the first `count` headers and parts were written above; each points at a reply and an origin,
            // which are not moved before the call returns.
            let done = unsafe { libc::sendmmsg(socket.as_raw_fd(), rest, (self.count - sent) as c_uint, 0) };
            sent += usize::try_from(done).unwrap_or(0).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    #[cfg_attr(miri, ignore)]
    fn datagrams_come_and_replies_go() {
        let (server, client) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        client.connect(server.local_addr().unwrap()).unwrap();
        let (socket, mut batch) = (OwnedFd::from(server), Batch::new());
        let mut left = 100;
        (0..left).for_each(|at| assert_eq!(client.send(&[at; 600]).unwrap(), 600));
        while left > 0 {
            let got = batch.receive(&socket).unwrap();
            for at in 0..got {
                let (data, origin) = batch.datagram(at);
                assert_eq!((data.len(), origin.address()), (600, client.local_addr().unwrap().ip()));
                let mut reply = data[..300].to_vec();
                batch.reply(at, &mut reply);
            }
            batch.send(&socket);
            left -= got as u8;
        }
        let mut reply = [0; 1_000];
        (0..100).for_each(|at| assert_eq!((client.recv(&mut reply).unwrap(), reply[299]), (300, at)));
    }

    #[test]
    #[cfg_attr(miri, ignore)]
    fn one_reply_goes_by_itself() {
        let (server, client) = (UdpSocket::bind("[::1]:0").unwrap(), UdpSocket::bind("[::1]:0").unwrap());
        client.connect(server.local_addr().unwrap()).unwrap();
        let socket = own(server.as_raw_fd()).unwrap();
        drop(server);
        client.send(b"?").unwrap();
        let mut batch = Batch::new();
        assert_eq!(batch.receive(&socket).unwrap(), 1);
        assert!(send_one(&socket, batch.datagram(0).1, b"!"));
        let mut reply = [0; 10];
        assert_eq!(client.recv(&mut reply).unwrap(), 1);
        assert_eq!(own(-1).err().unwrap().raw_os_error(), Some(libc::EBADF));
    }
}
