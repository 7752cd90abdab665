//! The load generator: an open loop. When each request is due stands fixed before; one that leaves late is late by the generator's
//! fault and counted so, and a server that stalls makes every request that was due meanwhile late, not only the one it held up.

use std::io::{Error, Result};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::load_clients::Clients;
use crate::net_load::{BATCH, Batch, Port};

const NS: f64 = 1e9;
/// A backlog of due requests that is older is given up: this machine can't make the rate.
const OLDEST_BACKLOG: i64 = 20_000_000;
/// Before the next request is due by less than this, the loop looks and does not sleep.
const NO_SLEEP: i64 = 80_000;
const ETHERNET: usize = 14;
const HEADERS: usize = ETHERNET + 28;
const PORTS: usize = 64_000; // of 64 ports each one number: `sample` of 64 can be told by the port
const FIRST_PORT: usize = 1024;

/// How requests reach the server.
pub enum Route {
    /// As datagrams: from the address that the kernel chooses, or from `count` local ones that begin with `first`.
    Datagrams {
        /// First address and number of addresses.
        sources: Option<(Ipv4Addr, u32)>,
    },
    /// As frames, from addresses that nobody has.
    Frames {
        /// Destination and source as they stand in a frame.
        ethernet: [u8; 12],
        /// First address of the pretended clients.
        first: Ipv4Addr,
        /// How many addresses.
        count: u32,
        /// The server.
        target: (Ipv4Addr, u16),
    },
}

/// Who watches from another thread.
#[derive(Default)]
pub struct Watch {
    /// Requests sent so far.
    pub sent: AtomicU64,
    /// Answers so far.
    pub answered: AtomicU64,
    /// Set it to end early.
    pub stop: AtomicBool,
}

/// How long and how fast.
pub struct Pace {
    /// Requests a second.
    pub rate: f64,
    /// Seconds in which requests are due.
    pub seconds: f64,
    /// Seconds to wait for the last answers.
    pub drain: f64,
    /// So many requests leave together once the last of them is due (1: each when it is due).
    pub burst: u64,
}

/// How the generator itself fared.
#[derive(Default)]
pub struct Course {
    /// From the first request to the last, s.
    pub seconds: f64,
    /// Requests that were due and never sent, since this machine fell behind.
    pub skipped: u64,
    /// Requests that the kernel refused.
    pub refused: u64,
    /// The longest that a request left after it was due, ns.
    pub latest: i64,
}

struct Run<'a> {
    clients: &'a mut Clients,
    port: &'a Port,
    route: &'a Route,
    outgoing: Batch,
    incoming: Batch,
    begun: Instant,
    /// Requests that have been due, sent or not.
    turn: u64,
    course: Course,
}

/// Send and receive until the time is over.
pub fn run(clients: &mut Clients, port: &Port, route: &Route, pace: &Pace, watch: &Watch) -> Result<Course> {
    let (outgoing, incoming) = (Batch::default(), Batch::default());
    let mut run = Run { clients, port, route, outgoing, incoming, begun: Instant::now(), turn: 0, course: Course::default() };
    run.send_all(pace, watch)?;
    run.course.seconds = run.now() as f64 / NS;
    let end = run.now() + (pace.drain * NS) as i64;
    while run.now() < end && run.clients.counts.answered < run.clients.counts.expected && !watch.stop.load(Ordering::Relaxed) {
        if run.receive()? == 0 {
            port.wait(1_000_000);
        }
        run.show(watch);
    }
    run.show(watch);
    Ok(run.course)
}

impl Run<'_> {
    /// ns since the start, from 1 on.
    fn now(&self) -> i64 {
        self.begun.elapsed().as_nanos() as i64 + 1
    }

    fn show(&self, watch: &Watch) {
        watch.sent.store(self.clients.counts.sent, Ordering::Relaxed);
        watch.answered.store(self.clients.counts.answered, Ordering::Relaxed);
    }

    fn send_all(&mut self, pace: &Pace, watch: &Watch) -> Result<()> {
        let total = (pace.rate * pace.seconds).ceil() as u64;
        let apart = NS / pace.rate;
        while self.turn < total && !watch.stop.load(Ordering::Relaxed) {
            let now = self.now();
            let due = ((now as f64 / apart) as u64 + 1).min(total);
            let late = now - (self.turn as f64 * apart) as i64;
            let (given_up, count) = step(whole(due.saturating_sub(self.turn), pace.burst, due == total), late);
            self.course.skipped += given_up;
            self.turn += given_up;
            if count > 0 {
                self.course.latest = self.course.latest.max(late);
                self.send(count, apart)?;
            }
            if self.receive()? == 0 && count == 0 {
                self.rest(((self.turn + pace.burst - 1) as f64 * apart) as i64 - self.now());
            }
            self.show(watch);
        }
        Ok(())
    }

    fn rest(&self, ns: i64) {
        if ns > NO_SLEEP {
            self.port.wait((ns - NO_SLEEP).min(100_000_000));
        }
    }

    fn send(&mut self, count: usize, apart: f64) -> Result<()> {
        let mut first = 0;
        for index in 0..count {
            let due = ((self.turn + index as u64) as f64 * apart) as i64 + 1;
            let number = self.write(index, due);
            if index == 0 {
                first = number;
            }
        }
        self.turn += count as u64;
        let mut gone = 0;
        for _ in 0..3 {
            gone += self.port.send(&mut self.outgoing, gone, count).or_else(|error| refused(gone > 0, error))?;
            if gone == count {
                break;
            }
        }
        self.clients.sent(first, gone);
        self.clients.unsent(first + gone, count - gone);
        self.course.refused += (count - gone) as u64;
        Ok(())
    }

    fn write(&mut self, index: usize, due: i64) -> usize {
        let packet = self.outgoing.packet(index);
        let (number, length, source) = match self.route {
            Route::Datagrams { sources } => {
                let (number, length) = self.clients.request(due, packet);
                (number, length, sources.map(|(first, count)| nth(first, number, count)))
            }
            Route::Frames { ethernet, first, count, target } => {
                let (number, length) = self.clients.request(due, &mut packet[HEADERS..]);
                packet[..12].copy_from_slice(ethernet);
                let port = (FIRST_PORT + number % PORTS) as u16;
                write_headers(&mut packet[12..HEADERS], (nth(*first, number, *count), port), *target, length);
                (number, length + HEADERS, None)
            }
        };
        self.outgoing.set(index, length, source);
        number
    }

    fn receive(&mut self) -> Result<usize> {
        let count = self.port.receive(&mut self.incoming)?;
        if count == 0 {
            return Ok(0);
        }
        // the kernel stamps by CLOCK_REALTIME; what is due stands in ns since the start
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos() as i64;
        let begun = since_epoch - self.now();
        for index in 0..count {
            let (packet, stamp) = self.incoming.received(index);
            let at = if stamp == 0 { since_epoch } else { stamp } - begun;
            match self.route {
                Route::Datagrams { .. } => self.clients.reply(packet, at),
                Route::Frames { target, .. } => {
                    if let Some(datagram) = datagram_from(packet, *target) {
                        self.clients.reply(datagram, at);
                    }
                }
            }
        }
        Ok(count)
    }
}

/// Of the requests that are due, those that make whole bursts, or all once the last one is.
fn whole(due: u64, burst: u64, last: bool) -> u64 {
    if last { due } else { due / burst * burst }
}

/// Of the requests that are due, the first of them `late` ns ago: how many are given up, else how many are sent now.
fn step(due: u64, late: i64) -> (u64, usize) {
    if due > 0 && late > OLDEST_BACKLOG { (due, 0) } else { (0, due.min(BATCH as u64) as usize) }
}

/// Nobody listens there (ICMP told so): that is no reason to stop, the requests are lost. Everything else is.
fn refused(some: bool, error: Error) -> Result<usize> {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => Ok(0),
        _ if some => Ok(0),
        _ => Err(error),
    }
}

fn nth(first: Ipv4Addr, number: usize, count: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(first.to_bits().wrapping_add(number as u32 % count.max(1)))
}

/// Ethernet type, IPv4 and UDP headers; the UDP checksum is 0, none.
fn write_headers(out: &mut [u8], (source, from): (Ipv4Addr, u16), (target, to): (Ipv4Addr, u16), length: usize) {
    let total = (28 + length) as u16;
    out[..4].copy_from_slice(&[8, 0, 0x45, 0]);
    out[4..6].copy_from_slice(&total.to_be_bytes());
    out[6..14].copy_from_slice(&[0, 0, 0x40, 0, 64, 17, 0, 0]);
    out[14..18].copy_from_slice(&source.octets());
    out[18..22].copy_from_slice(&target.octets());
    let sum: u32 = out[2..22].chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    out[12..14].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
    out[22..24].copy_from_slice(&from.to_be_bytes());
    out[24..26].copy_from_slice(&to.to_be_bytes());
    out[26..28].copy_from_slice(&(total - 20).to_be_bytes());
    out[28..].fill(0);
}

fn datagram_from(frame: &[u8], (host, port): (Ipv4Addr, u16)) -> Option<&[u8]> {
    let packet = frame.get(ETHERNET..)?;
    let whole = packet.len() >= 28 && packet[0] == 0x45 && packet[9] == 17;
    (whole && packet[12..16] == host.octets() && packet[20..22] == port.to_be_bytes()).then(|| {
        let length = usize::from(u16::from_be_bytes([packet[24], packet[25]]));
        &packet[28..(20 + length).clamp(28, packet.len())]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_checksum_is_right_and_the_datagram_is_found_again() {
        let mut frame = [0u8; HEADERS + 48];
        let ends = ((Ipv4Addr::new(10, 99, 200, 7), 40000), (Ipv4Addr::new(10, 98, 0, 1), 123));
        write_headers(&mut frame[12..HEADERS], ends.0, ends.1, 48);
        let sum: u32 = frame[14..34].chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        assert_eq!(datagram_from(&frame, ends.0).map(<[u8]>::len), Some(48));
        assert_eq!(datagram_from(&frame, ends.1), None);
        for length in 0..HEADERS {
            assert!(datagram_from(&frame[..length], ends.0).is_none());
        }
    }

    #[test]
    fn what_is_due_is_sent_or_given_up_and_never_stands_still() {
        assert_eq!((step(0, 0), step(0, OLDEST_BACKLOG * 2)), ((0, 0), (0, 0)));
        assert_eq!((step(1, OLDEST_BACKLOG + 1), step(9, OLDEST_BACKLOG + 1)), ((1, 0), (9, 0)));
        assert_eq!((step(1, OLDEST_BACKLOG), step(1000, 0)), ((0, 1), (0, BATCH)));
    }

    #[test]
    fn bursts_are_whole_but_for_the_last() {
        assert_eq!([whole(15, 16, false), whole(17, 16, false), whole(33, 1, false), whole(5, 16, true)], [0, 16, 33, 5]);
    }

    #[test]
    fn addresses_go_round() {
        let first = Ipv4Addr::new(10, 99, 0, 255);
        assert_eq!([0, 1, 2, 3].map(|number| nth(first, number, 3).octets()[2..4].to_vec()), [[0, 255], [1, 0], [1, 1], [0, 255]]);
    }

    #[test]
    fn a_rate_is_kept_and_loss_counted_on_loopback() {
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let target = server.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            server.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            let (mut packet, mut asked, mut answered) = ([0; 100], 0, 0);
            while let Ok((length, from)) = server.recv_from(&mut packet) {
                packet.copy_within(40..48, 24);
                packet[..2].copy_from_slice(&[0x24, 1]);
                asked += 1;
                if asked % 4 != 0 {
                    server.send_to(&packet[..length], from).unwrap();
                    answered += 1;
                }
            }
            (asked, answered)
        });
        let mut clients = Clients::new(crate::load_clients::Asking::Plain, 256, 1).unwrap();
        let (port, watch) = (Port::connected(target).unwrap(), Watch::default());
        let pace = Pace { rate: 2000.0, seconds: 0.1, drain: 0.2, burst: 1 };
        let course = run(&mut clients, &port, &Route::Datagrams { sources: None }, &pace, &watch).unwrap();
        let (asked, answered) = answering.join().unwrap();
        let counts = &clients.counts;
        assert_eq!((counts.sent + course.skipped, counts.sent, counts.answered), (200, asked, answered));
        assert_eq!((counts.strays, course.refused, counts.latency.total()), (0, 0, answered));
        assert!(course.seconds >= 0.099, "{}", course.seconds);
        assert_eq!(watch.sent.load(Ordering::Relaxed), counts.sent);
    }
}
