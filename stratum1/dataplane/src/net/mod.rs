//! The system calls of the data plane, and the only `unsafe` of the crate: each block says why it is sound.
//!
//! Everything above this module sees safe functions: descriptors are borrowed while a call lasts, buffers are arrays that outlive it,
//! and the pointers in message headers are made anew for each call and used by nobody afterwards.
#![allow(unsafe_code)]

mod batch;
mod control;
mod endpoint;
mod nic;
mod poll;
mod stamped;

pub use batch::{BATCH, Batch, Request, Sent};
pub use control::{Destination, Received};
pub use endpoint::{Endpoint, Stamping};
pub use nic::{CardStamps, PhcReading, card_stamps, read_phc};
pub use poll::{Event, Poller};
pub use stamped::{StampReader, TransmitStamp};

/// CLOCK_REALTIME, ns since 1970.
#[inline]
pub fn realtime_ns() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a timespec of ours; the clock exists on every kernel, so the call can't fail.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut now) };
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// What a system call returned, or why it failed.
fn checked(result: libc::c_int) -> std::io::Result<libc::c_int> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}
