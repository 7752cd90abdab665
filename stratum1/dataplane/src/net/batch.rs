//! Datagrams in batches: received with one recvmmsg, answered with one sendmmsg.

use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::checked;
use super::control::{Destination, Outgoing, Received};
use super::endpoint::set_fragments;
use crate::access::{Address, Sender};
use crate::wire::{MAX_REQUEST, ReplyBuffer};

/// Datagrams of one batch: more gain little, and a transmit stamp would be foretold over a longer time.
pub const BATCH: usize = 64;

/// One octet more than the longest request shows that a datagram was cut. The step from one buffer to the next is no power of two,
/// for their first octets would then share a few lines of the cache.
const REQUEST_ROOM: usize = MAX_REQUEST + 64;
const CONTROL_ROOM: usize = 192;
/// sockaddr_in6, the larger of the two.
const NAME_ROOM: usize = 28;

/// The buffers of one datagram and its reply.
#[repr(C, align(64))]
struct Slot {
    name: [u8; NAME_ROOM],
    control: Aligned<CONTROL_ROOM>,
    outgoing: Outgoing,
    request: [u8; REQUEST_ROOM],
    reply: [u8; MAX_REQUEST],
}

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Aligned<const N: usize>([u8; N]);

/// One datagram as it came.
pub struct Request<'a> {
    /// At most MAX_REQUEST + 1 octets of it.
    pub octets: &'a [u8],
    /// Whom it came from; an IPv4 sender on an IPv6 socket is V4.
    pub sender: Sender,
    /// What the kernel told beside it.
    pub told: Received,
}

/// What became of a batch that was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Bit n: the n-th reply was refused by the kernel.
    pub failed: u64,
}

/// Buffers for one batch; made once, so that nothing is allocated while packets come.
pub struct Batch {
    slots: Box<[Slot]>,
    vectors: Box<[libc::iovec; BATCH]>,
    headers: Box<[libc::mmsghdr; BATCH]>,
    received: usize,
    /// The slots to answer, in the order of sending, and their replies' lengths.
    queue: [(u8, u16); BATCH],
    queued: usize,
}

// SAFETY: the pointers in headers and vectors are written and used within one call of `receive` or `send`, never across two.
unsafe impl Send for Batch {}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// Empty buffers.
    pub fn new() -> Self {
        let slot = || Slot {
            name: [0; NAME_ROOM],
            control: Aligned([0; CONTROL_ROOM]),
            outgoing: Outgoing::EMPTY,
            request: [0; REQUEST_ROOM],
            reply: [0; MAX_REQUEST],
        };
        Self {
            slots: (0..BATCH).map(|_| slot()).collect(),
            vectors: Box::new([libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH]),
            // SAFETY: all zeros are a valid mmsghdr: null pointers and lengths of 0.
            headers: Box::new(unsafe { std::mem::zeroed() }),
            received: 0,
            queue: [(0, 0); BATCH],
            queued: 0,
        }
    }

    /// Take what waits in a socket, without waiting for more: the number of datagrams, 0 if there was none.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        (self.received, self.queued) = (0, 0);
        for ((slot, vector), header) in self.slots.iter_mut().zip(self.vectors.iter_mut()).zip(self.headers.iter_mut()) {
            vector.iov_base = slot.request.as_mut_ptr().cast();
            vector.iov_len = MAX_REQUEST + 1;
            let header = &mut header.msg_hdr;
            header.msg_name = slot.name.as_mut_ptr().cast();
            header.msg_namelen = NAME_ROOM as libc::socklen_t;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = slot.control.0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_ROOM as _;
        }
        let headers = self.headers.as_mut_ptr();
        // SAFETY: every header points into buffers of `self` with their true lengths; they outlive the call.
        let result =
            unsafe { libc::recvmmsg(socket.as_raw_fd(), headers, BATCH as libc::c_uint, libc::MSG_DONTWAIT as _, ptr::null_mut()) };
        match checked(result) {
            Ok(count) => self.received = count as usize,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock || error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(self.received)
    }

    /// A datagram of the last `receive`, and the buffer for its reply. Panics for an index that was not received: our own mistake.
    #[inline]
    pub fn request(&mut self, index: usize) -> (Request<'_>, &mut ReplyBuffer) {
        assert!(index < self.received);
        let (slot, header) = (&mut self.slots[index], &self.headers[index]);
        let length = (header.msg_len as usize).min(MAX_REQUEST + 1);
        let told = Received::parse(&slot.control.0[..header.msg_hdr.msg_controllen.min(CONTROL_ROOM)]);
        (Request { octets: &slot.request[..length], sender: sender(&slot.name), told }, &mut slot.reply)
    }

    /// Whom a datagram of the last `receive` came from.
    #[inline]
    pub fn sender(&self, index: usize) -> Sender {
        sender(&self.slots[index].name)
    }

    /// Queue the first `length` octets of a reply for its sender; `leave_from` and `stamp` as control messages. Returns its place.
    #[inline]
    pub fn queue(&mut self, index: usize, length: usize, leave_from: Option<Destination>, stamp: u32) -> usize {
        let outgoing = &mut self.slots[index].outgoing;
        outgoing.clear();
        if let Some(asked) = leave_from {
            outgoing.leave_from(asked);
        }
        if stamp != 0 {
            outgoing.ask_stamp(stamp);
        }
        let place = self.queued;
        self.queue[place] = (index as u8, length.min(MAX_REQUEST) as u16);
        self.queued += 1;
        place
    }

    /// How many replies are queued.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Send what is queued. What the kernel refuses is dropped: the sender asks again.
    pub fn send(&mut self, socket: BorrowedFd<'_>) -> Sent {
        let queued = std::mem::take(&mut self.queued);
        self.point_at_replies(queued);
        let (mut next, mut sent) = (0, Sent::default());
        while next < queued {
            let headers = self.headers[next..queued].as_mut_ptr();
            // SAFETY: each of the headers from `next` to `queued` was pointed at a reply, name and control of `self`.
            let result = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers, (queued - next) as libc::c_uint, libc::MSG_DONTWAIT as _) };
            match checked(result) {
                Ok(count) if count > 0 => next += count as usize,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                    sent.failed |= u64::from(!self.send_in_fragments(socket, next)) << next;
                    next += 1;
                }
                _ => {
                    sent.failed |= 1 << next;
                    next += 1;
                }
            }
        }
        sent
    }

    /// Send one reply that is longer than its path bears in one piece; whether the kernel took it.
    fn send_in_fragments(&mut self, socket: BorrowedFd<'_>, place: usize) -> bool {
        let _ = set_fragments(socket, true); // IPv6 sockets know no such option, and need none
        // SAFETY: the header in this place was pointed at a reply, name and control of `self`.
        let result = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const self.headers[place].msg_hdr, libc::MSG_DONTWAIT) };
        let _ = set_fragments(socket, false);
        result >= 0
    }

    fn point_at_replies(&mut self, queued: usize) {
        let places = self.queue[..queued].iter().zip(self.vectors.iter_mut()).zip(self.headers.iter_mut());
        for ((&(index, length), vector), header) in places {
            let slot = &mut self.slots[usize::from(index)];
            vector.iov_base = slot.reply.as_mut_ptr().cast();
            vector.iov_len = usize::from(length);
            let header = &mut header.msg_hdr;
            header.msg_name = slot.name.as_mut_ptr().cast();
            header.msg_namelen = name_length(&slot.name);
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = slot.outgoing.as_mut_ptr().cast();
            header.msg_controllen = slot.outgoing.len() as _;
        }
    }
}

fn family(name: &[u8; NAME_ROOM]) -> i32 {
    i32::from(u16::from_ne_bytes([name[0], name[1]]))
}

fn name_length(name: &[u8; NAME_ROOM]) -> libc::socklen_t {
    if family(name) == libc::AF_INET { 16 } else { NAME_ROOM as _ }
}

/// Address and port of a sockaddr_in or sockaddr_in6.
#[inline]
fn sender(name: &[u8; NAME_ROOM]) -> Sender {
    let port = u16::from_be_bytes([name[2], name[3]]);
    if family(name) == libc::AF_INET {
        return Sender { address: Address::V4([name[4], name[5], name[6], name[7]]), port };
    }
    let mut octets = [0; 16];
    octets.copy_from_slice(&name[8..24]);
    let mapped = Ipv6Addr::from(octets).to_ipv4_mapped();
    Sender { address: mapped.map_or(Address::V6(octets), |ipv4| Address::V4(ipv4.octets())), port }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, UdpSocket};
    use std::os::fd::AsFd;

    #[test]
    fn a_batch_goes_there_and_back() {
        let (server, client) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        client.connect(server.local_addr().unwrap()).unwrap();
        let mut batch = Batch::new();
        assert_eq!(batch.receive(server.as_fd()).unwrap(), 0);
        for size in [0usize, 48, 2048, 2049, 60_000] {
            client.send(&vec![size as u8; size]).unwrap();
        }
        assert_eq!(batch.receive(server.as_fd()).unwrap(), 5);
        for (index, size) in [0usize, 48, 2048, 2049, 2049].into_iter().enumerate() {
            let (request, reply) = batch.request(index);
            assert_eq!(request.octets.len(), size);
            assert_eq!(request.sender, Sender { address: Address::V4([127, 0, 0, 1]), port: client.local_addr().unwrap().port() });
            reply[0] = index as u8;
            if index % 2 == 1 {
                batch.queue(index, 10 + index, None, 0);
            }
        }
        assert_eq!(batch.send(server.as_fd()), Sent::default());
        let mut octets = [0; 100];
        for index in [1usize, 3] {
            assert_eq!(client.recv(&mut octets).unwrap(), 10 + index);
            assert_eq!(octets[0], index as u8);
        }
    }

    #[test]
    fn what_the_kernel_refuses_is_told_and_the_rest_goes() {
        let (server, client) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        client.connect(server.local_addr().unwrap()).unwrap();
        let mut batch = Batch::new();
        for _ in 0..3 {
            client.send(&[0; 48]).unwrap();
        }
        assert_eq!(batch.receive(server.as_fd()).unwrap(), 3);
        for index in 0..3 {
            let foreign = (index == 1).then(|| Destination::V4(Ipv4Addr::new(192, 0, 2, 1)));
            batch.queue(index, 48, foreign, 0);
        }
        assert_eq!(batch.send(server.as_fd()), Sent { failed: 0b010 });
    }

    #[test]
    fn mapped_senders_are_ipv4() {
        let mut name = [0; NAME_ROOM];
        name[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        name[2..4].copy_from_slice(&123u16.to_be_bytes());
        name[18..24].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 1]);
        assert_eq!(sender(&name), Sender { address: Address::V4([192, 0, 2, 1]), port: 123 });
        name[8] = 0x20;
        assert!(matches!(sender(&name), Sender { address: Address::V6(_), port: 123 }));
    }
}
