//! Control messages, read from and written into octets; nothing here needs `unsafe`.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Octets of a control message's head: its length as usize, level and type.
const HEAD: usize = size_of::<usize>() + 8;
const TIMESPEC: usize = 16;

/// linux/errqueue.h: where an extended error comes from.
const ORIGIN_TIMESTAMPING: u8 = 4;

/// The address that a datagram was sent to, and the interface it came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The address that a reply is to leave from.
    V4(Ipv4Addr),
    /// The interface matters for link-local addresses only.
    V6(Ipv6Addr, u32),
}

/// What the kernel told beside a datagram. Stamps in ns, 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// CLOCK_REALTIME.
    pub software_ns: i64,
    /// The network card's own clock.
    pub hardware_ns: i64,
    /// The interface that took the hardware stamp; 0: not told.
    pub interface: u32,
    /// Told on wildcard sockets only.
    pub destination: Option<Destination>,
    /// The number of the datagram whose transmit stamp this is (error queue only).
    pub sent: Option<u32>,
}

impl Received {
    /// Read all control messages that are whole; what is not known is skipped.
    pub fn parse(mut control: &[u8]) -> Self {
        let mut told = Self::default();
        while control.len() >= HEAD {
            let length = usize::from_ne_bytes(array(control, 0));
            if !(HEAD..=control.len()).contains(&length) {
                break;
            }
            told.take(word(control, size_of::<usize>()), word(control, size_of::<usize>() + 4), &control[HEAD..length]);
            control = &control[aligned(length).min(control.len())..];
        }
        told
    }

    fn take(&mut self, level: i32, kind: i32, data: &[u8]) {
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) if data.len() >= 3 * TIMESPEC => {
                self.software_ns = timespec(data, 0);
                self.hardware_ns = timespec(data, 2 * TIMESPEC);
            }
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING_PKTINFO) if data.len() >= 4 => self.interface = word(data, 0) as u32,
            (libc::IPPROTO_IP, libc::IP_PKTINFO) if data.len() >= 12 => {
                self.destination = Some(Destination::V4(Ipv4Addr::from(array(data, 4))));
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if data.len() >= 20 => {
                self.destination = Some(Destination::V6(Ipv6Addr::from(array(data, 0)), word(data, 16) as u32));
            }
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
                if data.len() >= 16 && data[4] == ORIGIN_TIMESTAMPING =>
            {
                self.sent = Some(word(data, 12) as u32); // ee_data
            }
            _ => {}
        }
    }
}

/// Control messages to send with a datagram: at most a packet info and the wish for a transmit stamp.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct Outgoing {
    octets: [u8; Self::ROOM],
    used: usize,
}

impl Outgoing {
    const ROOM: usize = 64;

    /// None at all.
    pub const EMPTY: Self = Self { octets: [0; Self::ROOM], used: 0 };

    /// How long they are together.
    pub fn len(&self) -> usize {
        self.used
    }

    /// The octets, for the kernel to copy.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.octets.as_mut_ptr()
    }

    /// Forget all.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// Let the reply leave from an address. Only a link-local one names its interface: for all others the routes decide.
    pub fn leave_from(&mut self, asked: Destination) {
        match asked {
            Destination::V4(address) => {
                let mut data = [0; 12]; // interface, source, unused
                data[4..8].copy_from_slice(&address.octets());
                self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &data);
            }
            Destination::V6(address, interface) => {
                let mut data = [0; 20];
                data[..16].copy_from_slice(&address.octets());
                let scope = if is_link_local(&address) { interface } else { 0 };
                data[16..].copy_from_slice(&scope.to_ne_bytes());
                self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &data);
            }
        }
    }

    /// Ask for the transmit stamps of this datagram (flags of SO_TIMESTAMPING that make stamps).
    pub fn ask_stamp(&mut self, flags: u32) {
        self.push(libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &flags.to_ne_bytes());
    }

    fn push(&mut self, level: i32, kind: i32, data: &[u8]) {
        let (start, length) = (self.used, HEAD + data.len());
        let end = start + aligned(length);
        let Some(place) = self.octets.get_mut(start..end) else { return };
        place.fill(0);
        place[..size_of::<usize>()].copy_from_slice(&length.to_ne_bytes());
        place[HEAD - 8..HEAD - 4].copy_from_slice(&level.to_ne_bytes());
        place[HEAD - 4..HEAD].copy_from_slice(&kind.to_ne_bytes());
        place[HEAD..length].copy_from_slice(data);
        self.used = end;
    }
}

/// fe80::/10, which means nothing without its interface.
fn is_link_local(address: &Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(size_of::<usize>())
}

/// `N` octets from a place that the caller has seen to be there.
fn array<const N: usize>(data: &[u8], at: usize) -> [u8; N] {
    let mut octets = [0; N];
    octets.copy_from_slice(&data[at..at + N]);
    octets
}

fn word(data: &[u8], at: usize) -> i32 {
    i32::from_ne_bytes(array(data, at))
}

fn timespec(data: &[u8], at: usize) -> i64 {
    let (seconds, fraction) = (i64::from_ne_bytes(array(data, at)), i64::from_ne_bytes(array(data, at + 8)));
    seconds.wrapping_mul(1_000_000_000).wrapping_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(outgoing: &Outgoing) -> &[u8] {
        &outgoing.octets[..outgoing.used]
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut outgoing = Outgoing::EMPTY;
        let asked = Destination::V6("fe80::1".parse().unwrap(), 7);
        outgoing.leave_from(asked);
        outgoing.ask_stamp(2);
        assert_eq!(octets(&outgoing).len(), 64);
        assert_eq!(Received::parse(octets(&outgoing)).destination, Some(asked));
        outgoing.clear();
        outgoing.leave_from(Destination::V6("2001:db8::1".parse().unwrap(), 7));
        assert_eq!(Received::parse(octets(&outgoing)).destination, Some(Destination::V6("2001:db8::1".parse().unwrap(), 0)));
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let mut outgoing = Outgoing::EMPTY;
        for _ in 0..5 {
            outgoing.ask_stamp(2);
        }
        assert!(outgoing.len() <= Outgoing::ROOM);
    }

    #[test]
    fn cut_and_impossible_messages_end_the_reading() {
        let mut outgoing = Outgoing::EMPTY;
        outgoing.leave_from(Destination::V4(Ipv4Addr::LOCALHOST));
        let whole = octets(&outgoing).to_vec();
        for cut in 0..28 {
            assert_eq!(Received::parse(&whole[..cut]), Received::default());
        }
        for length in [0usize, 15, 200, usize::MAX] {
            let mut broken = whole.clone();
            broken[..size_of::<usize>()].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(Received::parse(&broken), Received::default());
        }
    }
}
