//! What the first octet, the length and the port of a datagram decide.

use crate::reasons::Reason;
use crate::wire::{HEADER, MAX_REQUEST};

const NTP_PORT: u16 = 123;
/// Client's mode.
pub const CLIENT: u8 = 3;
/// Symmetric active mode.
pub const SYMMETRIC_ACTIVE: u8 = 1;

/// Version, mode and the first octet of a time reply (without leap) that a request deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// 1 to 5.
    pub version: u8,
    /// 0 (version 1 only), 1 or 3.
    pub mode: u8,
    /// Version and mode bits of the reply.
    pub bits: u8,
}

/// The version that a datagram claims, 0 if it is empty.
#[inline]
pub fn version(request: &[u8]) -> u8 {
    request.first().map_or(0, |first| first >> 3 & 7)
}

#[inline]
fn verdict(first: u8, ntpv5: bool) -> Result<Asked, Reason> {
    let (version, mode) = (first >> 3 & 7, first & 7);
    let bits = match mode {
        6 => return Err(Reason::Control),
        7 => return Err(Reason::Private),
        _ if !(1..=if ntpv5 { 5 } else { 4 }).contains(&version) => return Err(Reason::Version),
        SYMMETRIC_ACTIVE if version < 5 => version << 3 | 2,
        CLIENT => version << 3 | 4,
        0 if version == 1 => version << 3 | 4,
        _ => return Err(Reason::NotARequest),
    };
    Ok(Asked { version, mode, bits })
}

/// Whether a datagram is to be looked into. ntpv5: whether version 5 is answered. Its first octet speaks first, so that short mode 6 packets are called that.
#[inline]
pub fn judge(request: &[u8], port: u16, ntpv5: bool) -> Result<Asked, Reason> {
    let Some(&first) = request.first() else {
        return Err(if port == 0 { Reason::SourcePort } else { Reason::TooShort });
    };
    let asked = verdict(first, ntpv5)?;
    if port == 0 {
        return Err(Reason::SourcePort);
    }
    if !(HEADER..=MAX_REQUEST).contains(&request.len()) {
        return Err(if request.len() < HEADER { Reason::TooShort } else { Reason::TooLong });
    }
    if port == NTP_PORT && asked.mode == 0 {
        return Err(Reason::NotARequest);
    }
    if request.len() % 4 != 0 {
        return Err(Reason::Unaligned);
    }
    Ok(asked)
}
