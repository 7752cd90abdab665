//! Whatever comes: no panic, no reply longer than its request, one record for each, and memory that does not grow.

use _dataplane::access::{Action, Address, Sender};
use _dataplane::cookie::MasterContext;
use _dataplane::digest::MacKey;
use _dataplane::limit::RateLimit;
use _dataplane::nts::Ring;
use _dataplane::reasons::Record;
use _dataplane::reply::{Arrival, Responder};
use _dataplane::service::{Entropy, Listener, Service, Tables};
use _dataplane::state::{State, WORDS};
use _dataplane::wire::MAX_REQUEST;

const NOW: i64 = 1_795_000_000_000_000_000;
const FIELDS: [u16; 16] =
    [0x0104, 0x0204, 0x0304, 0x0404, 0x0102, 0x2005, 0xF501, 0xF502, 0xF503, 0xF505, 0xF506, 0xF507, 0xF508, 0xF509, 0xF5FF, 0];

/// xorshift64*: the same octets every time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }
}

impl Entropy for Chance {
    fn fill(&mut self, out: &mut [u8]) {
        for octet in out {
            *octet = (self.next() >> 32) as u8;
        }
    }
}

fn service() -> Service {
    let mut service = Service {
        rate_limit: Some(RateLimit { interval_ns: 1 << 20, burst: 8, leak: 200, kiss: 32, slots: 256 }),
        interleaved_slots: 256,
        ntpv5: true,
        ..Service::default()
    };
    service.keys.add(1, MacKey::new("md5", b"secret").expect("a key"));
    service.keys.add(2, MacKey::new("sha512", b"secret").expect("a key"));
    service.keys.add(0, MacKey::new("aes128", &[7; 16]).expect("a key"));
    let master = |id, octet| MasterContext::new(id, &[octet; 32]).expect("a master key");
    service.nts = Some(Ring::new(master(5, 1), vec![master(0, 2)], vec![9]));
    service
}

fn listener() -> Listener {
    let mut listener = Listener::default();
    listener.access.add(Address::V4([10, 0, 0, 3]), 32, Action::RequireNts);
    listener.access.add(Address::V4([10, 0, 0, 4]), 32, Action::Deny);
    listener
}

/// A state whose words are anything that Python could publish, and now and then what it never would.
fn state(chance: &mut Chance) -> State {
    let mut words = [0; WORDS];
    for word in &mut words {
        *word = chance.next();
    }
    if chance.below(4) > 0 {
        (words[0], words[1], words[2], words[3], words[4]) = (1, i64::MAX as u64, 0, 1, -20_i64 as u64);
        (words[6], words[7], words[8], words[9], words[10]) = (0, 2e-6_f64.to_bits(), NOW as u64, 15e-6_f64.to_bits(), NOW as u64);
        (words[11], words[12], words[13]) = (chance.below(3) as u64, [1, u64::MAX][chance.below(2)], NOW as u64);
        (words[14], words[19], words[24], words[25]) = (1, 1, 37, 0);
    }
    State::from_words(&words)
}

/// Arbitrary octets, or a header with arbitrary fields, up to 64 KiB.
fn request(chance: &mut Chance, out: &mut Vec<u8>) {
    out.clear();
    if chance.below(2) == 0 {
        let length = [64, 200, 2100, 65_536][chance.below(4)];
        out.resize(chance.below(length + 1), 0);
        chance.fill(out);
        return;
    }
    out.resize(48, 0);
    chance.fill(out);
    out[0] = [0x1B, 0x23, 0x23, 0x2B, 0x2B, 0x21][chance.below(6)];
    if out[0] == 0x2B {
        out.extend(b"\xF5\xFF\x00\x1Bdraft-ietf-ntp-ntpv5-09\0");
    }
    for _ in 0..chance.below(8) {
        let length = [chance.below(160), chance.below(40) * 4, 36, 104][chance.below(4)];
        let told = if chance.below(20) == 0 { chance.next() as u16 } else { length as u16 + 4 };
        out.extend(FIELDS[chance.below(FIELDS.len())].to_be_bytes());
        out.extend(told.to_be_bytes());
        let start = out.len();
        out.resize(start + length.next_multiple_of(4), 0);
        if chance.below(3) > 0 {
            chance.fill(&mut out[start..]);
        } else if length >= 4 {
            out[start..start + 4].copy_from_slice(&[0, [0, 5, 16][chance.below(3)], 5, [15, 16, 30][chance.below(3)]]);
        }
    }
}

/// Pages of memory that this process has in use.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages")
}

#[test]
fn whatever_comes_is_recorded_and_nothing_grows() {
    let (service, listener, mut chance) = (service(), listener(), Chance(0x5eed));
    let (tables, mut octets, mut out) = (Tables::new(&service), Vec::with_capacity(66_000), [0; MAX_REQUEST]);
    let (mut seen, mut before) = (vec![0_u32; Record::COUNT], 0);
    for round in 0..150_000 {
        let state = state(&mut chance);
        request(&mut chance, &mut octets);
        let receive_ns = if chance.below(50) == 0 { chance.next() as i64 } else { NOW + round * 100_000 };
        let transmit_ns = if chance.below(50) == 0 { chance.next() as i64 } else { receive_ns.wrapping_add(20_000) };
        let address = Address::V4([10, 0, 0, chance.below(6) as u8]);
        let port = [40_000, 123, 0][chance.below(40).saturating_sub(37)];
        let arrival = Arrival { sender: Sender { address, port }, receive_ns, transmit_ns };
        let responder = Responder { service: &service, listener: &listener, tables: &tables, state: &state };
        let outcome = responder.reply(&octets, &arrival, &mut chance, &mut out);
        assert!(outcome.len <= octets.len().min(MAX_REQUEST), "{} octets for {}", outcome.len, octets.len());
        seen[outcome.record.index()] += 1;
        if round == 20_000 {
            before = resident();
        }
    }
    assert_eq!(seen.iter().sum::<u32>(), 150_000);
    assert!(seen.iter().filter(|count| **count > 0).count() > 40, "too little variety to mean something");
    assert!(resident() <= before + 256, "grew from {before} to {} pages", resident());
}
