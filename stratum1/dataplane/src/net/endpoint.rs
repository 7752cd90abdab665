//! A bound UDP socket and its options.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::checked;

/// What every socket reports: software stamps both ways, transmit stamps numbered and without the datagram.
const REPORTED: u32 = libc::SOF_TIMESTAMPING_RX_SOFTWARE
    | libc::SOF_TIMESTAMPING_SOFTWARE
    | libc::SOF_TIMESTAMPING_OPT_ID
    | libc::SOF_TIMESTAMPING_OPT_TSONLY;
/// What is added where cards may stamp: their stamps, told with the interface.
const HARDWARE: u32 = libc::SOF_TIMESTAMPING_RX_HARDWARE
    | libc::SOF_TIMESTAMPING_RAW_HARDWARE
    | libc::SOF_TIMESTAMPING_OPT_PKTINFO
    | libc::SOF_TIMESTAMPING_OPT_TX_SWHW;
const SO_MEMINFO: libc::c_int = 55;
/// SK_MEMINFO_DROPS of linux/sock_diag.h.
const DROPS: usize = 8;

/// Whether IPv4 datagrams may leave in fragments. Where they may, each needs an identification, which costs 6 % of a request; where
/// they may not, a datagram that is too long is an error.
pub fn set_fragments(socket: BorrowedFd<'_>, allowed: bool) -> io::Result<()> {
    let value = if allowed { libc::IP_PMTUDISC_WANT } else { libc::IP_PMTUDISC_DO };
    let (value_at, length) = ((&raw const value).cast(), size_of_val(&value) as libc::socklen_t);
    // SAFETY: `value` is an int of the length given and outlives the call.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, value_at, length) };
    checked(result).map(drop)
}

/// Which stamps a socket asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamping {
    /// The kernel's.
    Software,
    /// The cards' too.
    Hardware,
}

/// A bound, non-connected UDP socket that stamps.
#[derive(Debug)]
pub struct Endpoint {
    socket: OwnedFd,
    reported: u32,
}

impl Endpoint {
    /// Take over a socket that the caller has given up, by its descriptor. Fails if there is no such descriptor, or it can't stamp.
    pub fn take(descriptor: RawFd, stamping: Stamping) -> io::Result<Self> {
        // SAFETY: no pointer is passed; a wrong descriptor is an error.
        checked(unsafe { libc::fcntl(descriptor, libc::F_GETFD) })?;
        // SAFETY: it is open, and the caller's word is that it is nobody else's.
        Self::new(unsafe { OwnedFd::from_raw_fd(descriptor) }, stamping)
    }

    /// Take a socket over and switch its stamps on.
    pub fn new(socket: OwnedFd, stamping: Stamping) -> io::Result<Self> {
        let reported = if stamping == Stamping::Hardware { REPORTED | HARDWARE } else { REPORTED };
        let endpoint = Self { socket, reported };
        endpoint.set_stamping(reported)?;
        let _ = set_fragments(endpoint.as_fd(), false); // IPv6 sockets know no such option
        Ok(endpoint)
    }

    /// Whether stamps of network cards are told.
    pub fn stamps_by_card(&self) -> bool {
        self.reported & libc::SOF_TIMESTAMPING_RAW_HARDWARE != 0
    }

    /// The flags that make a transmit stamp, for one datagram.
    pub fn transmit_flags(&self) -> u32 {
        libc::SOF_TIMESTAMPING_TX_SOFTWARE | if self.stamps_by_card() { libc::SOF_TIMESTAMPING_TX_HARDWARE } else { 0 }
    }

    /// Number the datagrams that ask for a stamp from 0 again: after a failed one nobody knows whether it took a number.
    pub fn restart_numbers(&self) -> io::Result<()> {
        self.set_stamping(self.reported & !libc::SOF_TIMESTAMPING_OPT_ID)?;
        self.set_stamping(self.reported)
    }

    /// Datagrams that the kernel dropped since the socket was made, because it was full (or their checksum was wrong); wraps.
    ///
    /// The same count that SO_RXQ_OVFL tells with each datagram, without a control message for each.
    pub fn drops(&self) -> io::Result<u32> {
        let mut values = [0u32; 16];
        let mut length = size_of_val(&values) as libc::socklen_t;
        let (values_at, length_at) = (values.as_mut_ptr().cast(), &mut length);
        // SAFETY: `values` has the length that `length` says, and the kernel writes no more than it.
        checked(unsafe { libc::getsockopt(self.socket.as_raw_fd(), libc::SOL_SOCKET, SO_MEMINFO, values_at, length_at) })?;
        Ok(values[DROPS])
    }

    /// The pending error of the socket, cleared by asking.
    pub fn take_error(&self) -> io::Result<i32> {
        let mut error: libc::c_int = 0;
        let mut length = size_of_val(&error) as libc::socklen_t;
        let (error_at, length_at) = ((&raw mut error).cast(), &mut length);
        // SAFETY: `error` has the length that `length` says.
        checked(unsafe { libc::getsockopt(self.socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ERROR, error_at, length_at) })?;
        Ok(error)
    }

    fn set_stamping(&self, flags: u32) -> io::Result<()> {
        let length = size_of_val(&flags) as libc::socklen_t;
        let (socket, flags_at) = (self.socket.as_raw_fd(), (&raw const flags).cast());
        // SAFETY: `flags` is an int of the length given and outlives the call.
        checked(unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, flags_at, length) }).map(drop)
    }
}

impl AsFd for Endpoint {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
