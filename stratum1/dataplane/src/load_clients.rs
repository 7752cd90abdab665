//! Who asks: pretended clients with what each of them awaits, the requests they send and what becomes of each. No I/O.
//!
//! A request is known again by the transmit timestamp in it, which a server gives back as origin timestamp: 32 bits that change, 24
//! bits of the client's number, 8 bits of mark. An interleaved client (RFC 9769) also sends a receive timestamp made like that: the
//! one of both that comes back says in which mode the server answered.

use crate::load_histogram::Histogram;

/// Octets of an NTP header.
pub const HEADER: usize = 48;
/// The longest request.
pub const LONGEST: usize = 1024;
/// Clients at most: their numbers have 24 bits, but addresses and ports are found for fewer.
pub const MOST_CLIENTS: usize = 1 << 16;
const MOST_KEPT: usize = 32;
const TRANSMIT_MARK: u64 = 0x5a;
const RECEIVE_MARK: u64 = 0xb1;

/// What is asked.
pub enum Asking {
    /// Client requests of version 4, 48 octets, origin timestamp zero.
    Plain,
    /// The same, each as RFC 9769 has it.
    Interleaved,
    /// Ready-made requests, one a client, sent as they are again and again (NTS; their transmit timestamps name the client).
    Ready(Vec<Vec<u8>>),
}

#[derive(Clone, Copy, Default)]
struct Client {
    /// When the request that is unanswered was to be sent; 0 for none.
    awaiting: i64,
    generation: u32,
    transmit: u64,
    receive: u64,
    /// The server's receive timestamp in its last reply: what an interleaved client sends as origin.
    served: u64,
    /// Whether the last answer was in interleaved mode.
    interleaved: bool,
}

/// What was seen. `expected`: of `sent`, those whose answers are looked for (see `Clients::new`, sample).
#[derive(Clone, Default)]
pub struct Counts {
    /// Requests handed to the kernel.
    pub sent: u64,
    /// Of them, those whose answers are counted.
    pub expected: u64,
    /// Answers that fit a request still open.
    pub answered: u64,
    /// Of them: time, from a server that says that it is synchronised.
    pub time: u64,
    /// Of them: from one that says that it does not know the time.
    pub unsynchronised: u64,
    /// Of them: kisses of death by code.
    pub kisses: Vec<([u8; 4], u64)>,
    /// Of them: in interleaved mode.
    pub interleaved: u64,
    /// The first answers to ready-made requests, with the client's number, for whoever has the keys to look at.
    pub kept: Vec<(usize, Vec<u8>)>,
    /// Packets that answer nothing: late, twice, or not of an NTP server.
    pub strays: u64,
    /// From the instant a request was due to the kernel's stamp of its answer, ns.
    pub latency: Histogram,
}

/// The clients.
pub struct Clients {
    asking: Asking,
    clients: Vec<Client>,
    sample: usize,
    next: usize,
    /// What has been seen.
    pub counts: Counts,
}

impl Clients {
    /// sample: only every so manyth client's answers are expected (1: all), for a set-up that drops the others on their way.
    /// An error says what is wrong.
    pub fn new(asking: Asking, count: usize, sample: usize) -> Result<Self, String> {
        if !(1..=MOST_CLIENTS).contains(&count) {
            return Err(format!("{count} clients: 1 to {MOST_CLIENTS} are possible"));
        }
        if sample == 0 {
            return Err("a sample of every 0th client".into());
        }
        let mut clients = vec![Client::default(); count];
        if let Asking::Ready(requests) = &asking {
            if requests.len() != count {
                return Err(format!("{} ready-made requests for {count} clients", requests.len()));
            }
            for (number, (request, client)) in requests.iter().zip(&mut clients).enumerate() {
                if !(HEADER..=LONGEST).contains(&request.len()) {
                    return Err(format!("request {number}: {} octets; {HEADER} to {LONGEST} are possible", request.len()));
                }
                client.transmit = word(request, 40);
                if client.transmit & 0xffff_ffff != low(number, TRANSMIT_MARK) {
                    return Err(format!("request {number}: its transmit timestamp does not end in {:#010x}", low(number, TRANSMIT_MARK)));
                }
            }
        }
        Ok(Self { asking, clients, sample, next: 0, counts: Counts::default() })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// How many clients had their last answer in interleaved mode.
    pub fn interleaved(&self) -> u64 {
        self.clients.iter().map(|client| u64::from(client.interleaved)).sum()
    }

    /// Write the next request, which is due at `due` (ns, not 0), into `out` (LONGEST octets); its client and its length.
    pub fn request(&mut self, due: i64, out: &mut [u8]) -> (usize, usize) {
        let number = self.next;
        self.next = (number + 1) % self.clients.len();
        let client = &mut self.clients[number];
        if client.awaiting != 0 {
            client.served = 0; // an interleaved client that missed an answer begins anew
        }
        client.awaiting = due;
        if let Asking::Ready(requests) = &self.asking {
            let request = &requests[number];
            out[..request.len()].copy_from_slice(request);
            return (number, request.len());
        }
        client.generation = client.generation.wrapping_add(1);
        let high = u64::from(client.generation.wrapping_mul(0x9e37_79b1)) << 32;
        client.transmit = high | low(number, TRANSMIT_MARK);
        client.receive = high | low(number, RECEIVE_MARK);
        out[..HEADER].fill(0);
        out[..4].copy_from_slice(&[0x23, 0, 6, 0xe8]);
        if client.served != 0 && matches!(self.asking, Asking::Interleaved) {
            out[24..32].copy_from_slice(&client.served.to_be_bytes());
            out[32..40].copy_from_slice(&client.receive.to_be_bytes());
        }
        out[40..HEADER].copy_from_slice(&client.transmit.to_be_bytes());
        (number, HEADER)
    }

    /// The kernel took the last `count` requests that were written, and no later one.
    pub fn sent(&mut self, first: usize, count: usize) {
        self.counts.sent += count as u64;
        for number in (first..first + count).map(|number| number % self.clients.len()) {
            self.counts.expected += u64::from(number % self.sample == 0);
        }
    }

    /// The kernel refused these requests: they were never sent.
    pub fn unsent(&mut self, first: usize, count: usize) {
        let all = self.clients.len();
        for number in first..first + count {
            self.clients[number % all].awaiting = 0;
        }
    }

    /// A packet has come at `at` (ns, as `due`).
    pub fn reply(&mut self, packet: &[u8], at: i64) {
        if self.settle(packet, at).is_none() {
            self.counts.strays += 1;
        }
    }

    fn settle(&mut self, packet: &[u8], at: i64) -> Option<()> {
        if packet.len() < HEADER || packet[0] & 7 != 4 {
            return None;
        }
        let origin = word(packet, 24);
        let number = (origin >> 8 & 0xff_ffff) as usize;
        let interleaving = matches!(self.asking, Asking::Interleaved);
        let client = self.clients.get_mut(number)?;
        let interleaved = interleaving && origin == client.receive;
        if client.awaiting == 0 || !(interleaved || origin == client.transmit) || number % self.sample != 0 {
            return None;
        }
        self.counts.latency.add(at.saturating_sub(client.awaiting).max(0) as u64);
        client.awaiting = 0;
        client.served = word(packet, 32);
        client.interleaved = interleaved;
        self.counts.answered += 1;
        self.counts.interleaved += u64::from(interleaved);
        self.judge(packet);
        if matches!(self.asking, Asking::Ready(_)) && self.counts.kept.len() < MOST_KEPT {
            self.counts.kept.push((number, packet.to_vec()));
        }
        Some(())
    }

    fn judge(&mut self, packet: &[u8]) {
        let code = [packet[12], packet[13], packet[14], packet[15]];
        if packet[1] != 0 {
            self.counts.time += 1;
        } else if !code.iter().all(u8::is_ascii_uppercase) {
            self.counts.unsynchronised += 1;
        } else if let Some((_, count)) = self.counts.kisses.iter_mut().find(|(known, _)| *known == code) {
            *count += 1;
        } else if self.counts.kisses.len() < 16 {
            self.counts.kisses.push((code, 1));
        }
    }
}

fn low(number: usize, mark: u64) -> u64 {
    (number as u64) << 8 | mark
}

fn word(packet: &[u8], at: usize) -> u64 {
    packet[at..at + 8].iter().fold(0, |value, octet| value << 8 | u64::from(*octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(request: &[u8], interleaved: bool) -> [u8; HEADER] {
        let mut reply = [0; HEADER];
        reply[0] = 0x24;
        reply[1] = 1;
        let origin = if interleaved { 32..40 } else { 40..48 };
        reply[24..32].copy_from_slice(&request[origin]);
        reply[32..40].copy_from_slice(&7u64.to_be_bytes());
        reply
    }

    #[test]
    fn an_answer_settles_one_request_once() {
        let mut clients = Clients::new(Asking::Plain, 2, 1).unwrap();
        let mut out = [0; LONGEST];
        let (number, length) = clients.request(1000, &mut out);
        clients.sent(number, 1);
        let reply = answer(&out[..length], false);
        clients.reply(&reply, 4000);
        clients.reply(&reply, 5000);
        let counts = &clients.counts;
        assert_eq!((counts.sent, counts.expected, counts.answered, counts.time, counts.strays), (1, 1, 1, 1, 1));
        assert_eq!(counts.latency.max(), 3000);
    }

    #[test]
    fn a_late_answer_to_an_earlier_request_is_a_stray() {
        let mut clients = Clients::new(Asking::Plain, 1, 1).unwrap();
        let mut out = [0; LONGEST];
        clients.request(1000, &mut out);
        let late = answer(&out, false);
        clients.request(2000, &mut out);
        clients.sent(0, 2);
        clients.reply(&late, 2500);
        assert_eq!((clients.counts.sent, clients.counts.answered, clients.counts.strays), (2, 0, 1));
    }

    #[test]
    fn interleaved_clients_send_what_the_server_needs_and_see_its_mode() {
        let mut clients = Clients::new(Asking::Interleaved, 1, 1).unwrap();
        let mut out = [0; LONGEST];
        clients.request(1000, &mut out);
        assert_eq!(out[24..40], [0; 16]);
        clients.reply(&answer(&out, false), 1500);
        clients.request(2000, &mut out);
        assert_eq!((word(&out, 24), word(&out, 32) != word(&out, 40)), (7, true));
        clients.reply(&answer(&out, true), 2500);
        assert_eq!((clients.counts.answered, clients.counts.interleaved, clients.interleaved()), (2, 1, 1));
        clients.request(3000, &mut out);
        clients.request(4000, &mut out); // the one before was lost
        assert_eq!(word(&out, 24), 0);
    }

    #[test]
    fn only_the_sample_is_expected() {
        let mut clients = Clients::new(Asking::Plain, 128, 64).unwrap();
        let mut out = [0; LONGEST];
        for _ in 0..256 {
            let (number, _) = clients.request(1, &mut out);
            clients.sent(number, 1);
        }
        assert_eq!((clients.counts.sent, clients.counts.expected), (256, 4));
    }

    #[test]
    fn kisses_and_the_unsynchronised_are_told_apart() {
        let mut clients = Clients::new(Asking::Plain, 3, 1).unwrap();
        let mut out = [0; LONGEST];
        for code in [*b"RATE", [0; 4], *b"RATE"] {
            clients.request(1, &mut out);
            let mut reply = answer(&out, false);
            reply[1] = 0;
            reply[12..16].copy_from_slice(&code);
            clients.reply(&reply, 2);
        }
        assert_eq!((clients.counts.kisses.as_slice(), clients.counts.unsynchronised), ([(*b"RATE", 2)].as_slice(), 1));
    }

    #[test]
    fn ready_requests_must_name_their_client() {
        let mut request = vec![0; HEADER];
        assert!(Clients::new(Asking::Ready(vec![request.clone()]), 1, 1).is_err());
        request[47] = 0x5a;
        assert!(Clients::new(Asking::Ready(vec![request.clone()]), 1, 1).is_ok());
        assert!(Clients::new(Asking::Ready(vec![request.clone(), request.clone()]), 2, 1).is_err());
        assert!(Clients::new(Asking::Ready(vec![vec![0; 47]]), 1, 1).is_err());
        assert!(Clients::new(Asking::Ready(vec![request]), 2, 1).is_err());
    }
}
