//! What a network card can stamp, and its clock: ethtool, the hardware stamping settings, and PTP clocks.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::checked;

const SIOCETHTOOL: libc::c_ulong = 0x8946;
const SIOCGHWTSTAMP: libc::c_ulong = 0x89b1;
const ETHTOOL_GET_TS_INFO: u32 = 0x41;
const HWTSTAMP_TX_ON: i32 = 1;
const HWTSTAMP_FILTER_ALL: i32 = 1;
const HWTSTAMP_FILTER_NTP_ALL: i32 = 15;
/// _IOWR('=', 8 and 9, ...) of linux/ptp_clock.h.
const PTP_SYS_OFFSET_PRECISE: libc::c_ulong = 0xc040_3d08;
const PTP_SYS_OFFSET_EXTENDED: libc::c_ulong = 0xc4c0_3d09;
const SAMPLES: usize = 5;
const NAME: usize = 16;

/// What a card stamps as it is set now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardStamps {
    /// The number of its clock (/dev/ptpN), None if it has none.
    pub clock: Option<u32>,
    /// It could stamp what it receives and sends.
    pub able: bool,
    /// It stamps all packets (or all of NTP) that it receives.
    pub receives: bool,
    /// It stamps what asks for it on sending.
    pub sends: bool,
}

/// The card's clock against CLOCK_REALTIME at one instant, ns; width: how long the reading took, half of it may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhcReading {
    /// The card's clock.
    pub card_ns: i64,
    /// CLOCK_REALTIME.
    pub system_ns: i64,
    /// Between the two looks at CLOCK_REALTIME.
    pub width_ns: i64,
}

#[repr(C)]
#[derive(Default)]
struct TsInfo {
    command: u32,
    stamping: u32,
    clock: i32,
    tx_types: u32,
    tx_reserved: [u32; 3],
    rx_filters: u32,
    rx_reserved: [u32; 3],
}

#[repr(C)]
#[derive(Default)]
struct HwConfig {
    flags: i32,
    tx_type: i32,
    rx_filter: i32,
}

/// struct ifreq with a pointer; 40 octets as on all 64-bit Linux.
#[repr(C)]
struct Request<'a, T> {
    name: [u8; NAME],
    data: &'a mut T,
    rest: [u64; 2],
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct PtpTime {
    seconds: i64,
    nanoseconds: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Default)]
struct Extended {
    samples: u32,
    reserved: [u32; 3],
    stamps: [[PtpTime; 3]; SAMPLES],
    unused: [[PtpTime; 3]; 25 - SAMPLES],
}

#[repr(C)]
#[derive(Default)]
struct Precise {
    device: PtpTime,
    realtime: PtpTime,
    raw: PtpTime,
    reserved: [u32; 4],
}

impl PtpTime {
    fn ns(self) -> i64 {
        self.seconds.wrapping_mul(1_000_000_000).wrapping_add(self.nanoseconds.into())
    }
}

/// Ask a card by its interface's name; `socket`: any. Fails where there is no such interface, or it knows no stamps at all.
pub fn card_stamps(socket: BorrowedFd<'_>, name: &str) -> io::Result<CardStamps> {
    let mut info = TsInfo { command: ETHTOOL_GET_TS_INFO, ..TsInfo::default() };
    ask(socket, name, SIOCETHTOOL, &mut info)?;
    let wanted = libc::SOF_TIMESTAMPING_RX_HARDWARE | libc::SOF_TIMESTAMPING_RAW_HARDWARE;
    let able = info.stamping & wanted == wanted && info.clock >= 0;
    let mut set = HwConfig::default();
    let told = able && ask(socket, name, SIOCGHWTSTAMP, &mut set).is_ok();
    Ok(CardStamps {
        clock: u32::try_from(info.clock).ok(),
        able,
        receives: told && matches!(set.rx_filter, HWTSTAMP_FILTER_ALL | HWTSTAMP_FILTER_NTP_ALL),
        sends: told && set.tx_type == HWTSTAMP_TX_ON,
    })
}

fn ask<T>(socket: BorrowedFd<'_>, name: &str, what: libc::c_ulong, data: &mut T) -> io::Result<()> {
    let mut request = Request { name: [0; NAME], data, rest: [0; 2] };
    let octets = name.as_bytes();
    let place = request.name[..NAME - 1].get_mut(..octets.len()).ok_or(io::ErrorKind::InvalidInput)?;
    place.copy_from_slice(octets);
    // SAFETY: `request` is an ifreq whose pointer leads to the structure that this request reads and writes; both outlive the call.
    checked(unsafe { libc::ioctl(socket.as_raw_fd(), what as _, &raw mut request) }).map(drop)
}

/// Read a card's clock (an open /dev/ptpN) against CLOCK_REALTIME: at one instant where the hardware can, else the narrowest of some.
pub fn read_phc(clock: &File) -> io::Result<PhcReading> {
    let mut precise = Precise::default();
    // SAFETY: `precise` is the structure that this request fills in.
    if unsafe { libc::ioctl(clock.as_raw_fd(), PTP_SYS_OFFSET_PRECISE as _, &raw mut precise) } == 0 {
        return Ok(PhcReading { card_ns: precise.device.ns(), system_ns: precise.realtime.ns(), width_ns: 0 });
    }
    let mut extended = Extended { samples: SAMPLES as u32, ..Extended::default() };
    // SAFETY: `extended` is the structure that this request reads and fills in, with all of its 25 places.
    checked(unsafe { libc::ioctl(clock.as_raw_fd(), PTP_SYS_OFFSET_EXTENDED as _, &raw mut extended) })?;
    let readings = extended.stamps.iter().map(|[before, card, after]| {
        let width_ns = after.ns() - before.ns();
        PhcReading { card_ns: card.ns(), system_ns: before.ns() + width_ns / 2, width_ns }
    });
    readings.filter(|reading| reading.width_ns >= 0).min_by_key(|reading| reading.width_ns).ok_or(io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    #[test]
    fn the_structures_have_the_kernels_sizes() {
        assert_eq!((size_of::<TsInfo>(), size_of::<HwConfig>(), size_of::<Request<'_, TsInfo>>()), (44, 12, 40));
        assert_eq!((size_of::<Precise>(), size_of::<Extended>()), (64, 1216));
    }

    #[test]
    fn loopback_has_no_card_and_a_file_no_clock() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let stamps = card_stamps(socket.as_fd(), "lo").unwrap();
        assert_eq!(stamps, CardStamps { clock: None, able: false, receives: false, sends: false });
        assert!(card_stamps(socket.as_fd(), "no-such-card").is_err());
        assert!(card_stamps(socket.as_fd(), "a name that is longer than any").is_err());
        assert!(read_phc(&File::open("/dev/null").unwrap()).is_err());
    }
}
