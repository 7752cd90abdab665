//! The error queue of a socket: the kernel's transmit stamps of the datagrams that asked for one.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::checked;
use super::control::Received;

const AT_ONCE: usize = 16;
const CONTROL_ROOM: usize = 256;

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_ROOM]);

/// When a datagram left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmitStamp {
    /// The number of the datagram among those of its socket that asked, from 0.
    pub number: u32,
    /// CLOCK_REALTIME in ns, 0 if the kernel took none.
    pub software_ns: i64,
    /// The network card's clock in ns, 0 if it took none.
    pub hardware_ns: i64,
    /// The interface whose card it was, 0: not told.
    pub interface: u32,
}

/// Buffers for reading transmit stamps.
pub struct StampReader {
    controls: Box<[Control; AT_ONCE]>,
    headers: Box<[libc::mmsghdr; AT_ONCE]>,
    count: usize,
}

// SAFETY: the pointers in the headers are written and used within one call of `read`, never across two.
unsafe impl Send for StampReader {}

impl Default for StampReader {
    fn default() -> Self {
        Self::new()
    }
}

impl StampReader {
    /// Empty buffers.
    pub fn new() -> Self {
        // SAFETY: all zeros are a valid mmsghdr: null pointers and lengths of 0.
        let headers = Box::new(unsafe { std::mem::zeroed() });
        Self { controls: Box::new([Control([0; CONTROL_ROOM]); AT_ONCE]), headers, count: 0 }
    }

    /// Take what is in a socket's error queue, as much as fits; whether there may be more.
    pub fn read(&mut self, socket: BorrowedFd<'_>) -> io::Result<bool> {
        self.count = 0;
        for (header, control) in self.headers.iter_mut().zip(self.controls.iter_mut()) {
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = CONTROL_ROOM as _;
        }
        let (headers, flags) = (self.headers.as_mut_ptr(), libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT);
        // SAFETY: every header points at a control buffer of `self` and at nothing else; they outlive the call.
        let result = unsafe { libc::recvmmsg(socket.as_raw_fd(), headers, AT_ONCE as libc::c_uint, flags as _, ptr::null_mut()) };
        match checked(result) {
            Ok(count) => self.count = count as usize,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock || error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(self.count == AT_ONCE)
    }

    /// The stamps of the last `read`.
    pub fn stamps(&self) -> impl Iterator<Item = TransmitStamp> {
        self.headers[..self.count].iter().zip(self.controls.iter()).filter_map(|(header, control)| {
            let length = header.msg_hdr.msg_controllen.min(CONTROL_ROOM);
            let told = Received::parse(&control.0[..length]);
            let Received { software_ns, hardware_ns, interface, .. } = told;
            told.sent.map(|number| TransmitStamp { number, software_ns, hardware_ns, interface })
        })
    }
}
