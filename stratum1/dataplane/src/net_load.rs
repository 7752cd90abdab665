//! The sockets of the load generator: datagrams or whole frames in batches, with the kernel's stamps.
#![allow(unsafe_code)] // sendmmsg, recvmmsg, control messages and packet sockets have no safe interface; nothing of this serves anybody

use std::io::{Error, ErrorKind, Result};
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{addr_of_mut, null_mut};

use libc::{c_int, c_void, iovec, mmsghdr, msghdr, sockaddr_in, sockaddr_ll, socklen_t, timespec};

/// Packets in one call.
pub const BATCH: usize = 32;
/// Octets that a packet may have, with all headers.
pub const ROOM: usize = 1536;
const CONTROL: usize = 128;
const BUFFER: c_int = 8 << 20;
const NS: i64 = 1_000_000_000;

/// Packets to send or received, in fixed memory.
pub struct Batch {
    packets: Vec<[u8; ROOM]>,
    lengths: [usize; BATCH],
    stamps: [i64; BATCH],
    sources: [Ipv4Addr; BATCH],
    control: Vec<Control>,
}

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

impl Default for Batch {
    fn default() -> Self {
        Self {
            packets: vec![[0; ROOM]; BATCH],
            lengths: [0; BATCH],
            stamps: [0; BATCH],
            sources: [Ipv4Addr::UNSPECIFIED; BATCH],
            control: vec![Control([0; CONTROL]); BATCH],
        }
    }
}

impl Batch {
    /// The octets of packet `index`, to be written; say how many they are by `set`.
    pub fn packet(&mut self, index: usize) -> &mut [u8] {
        &mut self.packets[index]
    }

    /// Packet `index` has so many octets; source: the address that a datagram leaves from, if it is not to be the kernel's choice.
    pub fn set(&mut self, index: usize, length: usize, source: Option<Ipv4Addr>) {
        self.lengths[index] = length.min(ROOM);
        self.sources[index] = source.unwrap_or(Ipv4Addr::UNSPECIFIED);
    }

    /// A received packet and the kernel's stamp of it (CLOCK_REALTIME, ns; 0: none).
    pub fn received(&self, index: usize) -> (&[u8], i64) {
        (&self.packets[index][..self.lengths[index]], self.stamps[index])
    }
}

/// Where packets go to and come from.
pub struct Port {
    sending: OwnedFd,
    receiving: OwnedFd,
    /// Frames, or datagrams to this address; None for those of a connected socket.
    to: Option<sockaddr_in>,
}

impl Port {
    /// A connected socket of the kernel's choice of address.
    pub fn connected(target: SocketAddr) -> Result<Self> {
        let any: SocketAddr = if target.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.connect(target)?;
        Self::stamped(socket.into(), None)
    }

    /// One socket for datagrams from many addresses, all of which have to be local ones.
    pub fn unconnected(host: Ipv4Addr, port: u16) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        Self::stamped(socket.into(), Some(address_of(host, port)))
    }

    fn stamped(socket: OwnedFd, to: Option<sockaddr_in>) -> Result<Self> {
        set_option(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        widen(&socket);
        Ok(Self { sending: socket.try_clone()?, receiving: socket, to })
    }

    /// Whole frames on an Ethernet interface, past its queueing discipline; needs CAP_NET_RAW. What is received: IPv4 packets.
    pub fn frames(interface: u32) -> Result<Self> {
        let sending = packet_socket(interface, 0)?;
        set_option(&sending, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1)?;
        set_option(&sending, libc::SOL_SOCKET, libc::SO_SNDBUF, 1 << 20)?;
        let receiving = packet_socket(interface, libc::ETH_P_IP as u16)?;
        set_option(&receiving, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        widen(&receiving);
        Ok(Self { sending, receiving, to: None })
    }

    /// Send the packets `from..to` of the batch; how many the kernel took, 0 where it has no room now. An error says why not even one.
    pub fn send(&self, batch: &mut Batch, from: usize, to: usize) -> Result<usize> {
        let mut vectors: [iovec; BATCH] = unsafe { zeroed() };
        let mut headers: [mmsghdr; BATCH] = unsafe { zeroed() };
        let mut name = self.to;
        for index in from..to {
            vectors[index] = vector(&mut batch.packets[index], batch.lengths[index]);
            let header = &mut headers[index].msg_hdr;
            header.msg_iov = &raw mut vectors[index];
            header.msg_iovlen = 1;
            if let Some(name) = &mut name {
                header.msg_name = addr_of_mut!(*name).cast();
                header.msg_namelen = size_of::<sockaddr_in>() as socklen_t;
                if !batch.sources[index].is_unspecified() {
                    leave_from(header, &mut batch.control[index], batch.sources[index]);
                }
            }
        }
        // SAFETY: each header points to buffers in `batch`, `vectors` and `name`, which outlive the call.
        let sent =
            unsafe { libc::sendmmsg(self.sending.as_raw_fd(), headers[from..].as_mut_ptr(), (to - from) as u32, libc::MSG_DONTWAIT) };
        match checked(sent) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS | libc::EINTR)) => Ok(0),
            other => other,
        }
    }

    /// Receive what is there; the number of packets in the batch, which may be 0.
    pub fn receive(&self, batch: &mut Batch) -> Result<usize> {
        receive(&self.receiving, batch, BATCH, 0)
    }

    /// Wait for a packet for at most so many ns.
    pub fn wait(&self, ns: i64) {
        let mut poll = libc::pollfd { fd: self.receiving.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let limit = timespec { tv_sec: ns / NS, tv_nsec: ns % NS };
        // SAFETY: both structures live until the call is over; there is no signal mask.
        unsafe { libc::ppoll(&raw mut poll, 1, &raw const limit, std::ptr::null()) };
    }
}

/// A connected socket with the kernel's stamps of what is sent and received, for one request at a time.
pub struct StampedPort {
    socket: OwnedFd,
}

impl StampedPort {
    /// Connected to the target.
    pub fn new(target: SocketAddr) -> Result<Self> {
        let any: SocketAddr = if target.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.connect(target)?;
        let socket = OwnedFd::from(socket);
        let wanted = libc::SOF_TIMESTAMPING_TX_SOFTWARE
            | libc::SOF_TIMESTAMPING_RX_SOFTWARE
            | libc::SOF_TIMESTAMPING_SOFTWARE
            | libc::SOF_TIMESTAMPING_OPT_TSONLY;
        set_option(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, wanted as c_int)?;
        Ok(Self { socket })
    }

    /// Send one datagram.
    pub fn send(&self, packet: &[u8]) -> Result<()> {
        // SAFETY: pointer and length are those of a slice.
        let sent = unsafe { libc::send(self.socket.as_raw_fd(), packet.as_ptr().cast(), packet.len(), 0) };
        if sent < 0 { Err(Error::last_os_error()) } else { Ok(()) }
    }

    /// The stamp of something sent that has come back by now.
    pub fn sent_stamp(&self, batch: &mut Batch) -> Option<i64> {
        (receive(&self.socket, batch, 1, libc::MSG_ERRQUEUE).ok()? > 0).then(|| batch.stamps[0])
    }

    /// Whether a datagram has come; it is the first of the batch.
    pub fn receive(&self, batch: &mut Batch) -> bool {
        receive(&self.socket, batch, 1, 0).is_ok_and(|count| count > 0)
    }
}

fn receive(socket: &OwnedFd, batch: &mut Batch, most: usize, flags: c_int) -> Result<usize> {
    let mut vectors: [iovec; BATCH] = unsafe { zeroed() };
    let mut headers: [mmsghdr; BATCH] = unsafe { zeroed() };
    for index in 0..most {
        vectors[index] = vector(&mut batch.packets[index], ROOM);
        let header = &mut headers[index].msg_hdr;
        header.msg_iov = &raw mut vectors[index];
        header.msg_iovlen = 1;
        header.msg_control = batch.control[index].0.as_mut_ptr().cast();
        header.msg_controllen = CONTROL as _;
    }
    // SAFETY: each header points to buffers in `batch` and `vectors`, which outlive the call.
    let got = unsafe { libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), most as u32, flags | libc::MSG_DONTWAIT, null_mut()) };
    match checked(got) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionRefused) => Ok(0),
        Err(error) => Err(error),
        Ok(count) => {
            for (index, header) in headers[..count].iter().enumerate() {
                batch.lengths[index] = (header.msg_len as usize).min(ROOM);
                batch.stamps[index] = stamp(&header.msg_hdr);
            }
            Ok(count)
        }
    }
}

fn stamp(header: &msghdr) -> i64 {
    // SAFETY: the kernel filled the control buffer and its length; the macros walk within both.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let kind = (*message).cmsg_type;
            if (*message).cmsg_level == libc::SOL_SOCKET && (kind == libc::SO_TIMESTAMPNS || kind == libc::SO_TIMESTAMPING) {
                let time = libc::CMSG_DATA(message).cast::<timespec>().read_unaligned();
                return time.tv_sec * NS + time.tv_nsec;
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    0
}

fn leave_from(header: &mut msghdr, control: &mut Control, source: Ipv4Addr) {
    let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: octets_of(source), ipi_addr: libc::in_addr { s_addr: 0 } };
    header.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: the buffer of CONTROL octets, aligned to 8, holds one message of this size.
    unsafe {
        header.msg_controllen = libc::CMSG_SPACE(size_of::<libc::in_pktinfo>() as u32) as _;
        let message = libc::CMSG_FIRSTHDR(header);
        (*message).cmsg_level = libc::IPPROTO_IP;
        (*message).cmsg_type = libc::IP_PKTINFO;
        (*message).cmsg_len = libc::CMSG_LEN(size_of::<libc::in_pktinfo>() as u32) as _;
        libc::CMSG_DATA(message).cast::<libc::in_pktinfo>().write_unaligned(info);
    }
}

fn vector(packet: &mut [u8; ROOM], length: usize) -> iovec {
    iovec { iov_base: packet.as_mut_ptr().cast(), iov_len: length }
}

fn octets_of(host: Ipv4Addr) -> libc::in_addr {
    libc::in_addr { s_addr: u32::from_ne_bytes(host.octets()) }
}

fn address_of(host: Ipv4Addr, port: u16) -> sockaddr_in {
    sockaddr_in { sin_family: libc::AF_INET as _, sin_port: port.to_be(), sin_addr: octets_of(host), sin_zero: [0; 8] }
}

fn packet_socket(interface: u32, protocol: u16) -> Result<OwnedFd> {
    // SAFETY: a fresh descriptor that nobody else owns.
    let socket = unsafe {
        let opened = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
        OwnedFd::from_raw_fd(checked(opened)? as c_int)
    };
    let mut address: sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = interface as c_int;
    // SAFETY: the address is a whole sockaddr_ll.
    checked(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size_of::<sockaddr_ll>() as socklen_t) })?;
    Ok(socket)
}

fn set_option(socket: &OwnedFd, level: c_int, name: c_int, value: c_int) -> Result<()> {
    // SAFETY: the value is an int that lives through the call.
    let done = unsafe {
        let value = (&raw const value).cast::<c_void>();
        libc::setsockopt(socket.as_raw_fd(), level, name, value, size_of::<c_int>() as socklen_t)
    };
    checked(done).map(|_| ())
}

/// As much room for what comes in as we may have.
fn widen(socket: &OwnedFd) {
    if set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, BUFFER).is_err() {
        let _ = set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, BUFFER);
    }
}

fn checked(result: c_int) -> Result<usize> {
    usize::try_from(result).map_err(|_| Error::last_os_error())
}
