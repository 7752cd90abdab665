//! Times the answer to one request without its socket: what the responder adds to the kernel's work.
//! `cargo run --release --no-default-features --example reply_cost`; takes a few seconds.

use std::hint::black_box;

use _dataplane::access::{Action, Address, Sender};
use _dataplane::aead::{self, Algorithm, TAG};
use _dataplane::cookie::{self, ClientKeys, MasterContext};
use _dataplane::digest::MacKey;
use _dataplane::limit::RateLimit;
use _dataplane::nts::Ring;
use _dataplane::reasons::Response;
use _dataplane::reply::{Arrival, Responder};
use _dataplane::service::{Entropy, Listener, Service, Tables};
use _dataplane::state::{State, WORDS};
use _dataplane::wire::MAX_REQUEST;

const NOW: i64 = 1_795_000_000_000_000_000;
const ROUNDS: u64 = 4_000_000;
const LIMIT: RateLimit = RateLimit { interval_ns: 1 << 20, burst: 255, leak: 64, kiss: 32, slots: 1 << 16 };

/// Cheap octets, so that theirs is not the time that is measured (workers draw from a buffer).
struct Cheap(u64);

impl Entropy for Cheap {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
        for (octet, random) in out.iter_mut().zip(self.0.to_be_bytes()) {
            *octet = random;
        }
    }
}

fn state() -> State {
    let mut words = [0; WORDS];
    (words[0], words[1], words[3], words[4], words[5]) = (1, (NOW + (1 << 50)) as u64, 1, -23_i64 as u64, 0x4750_5300);
    (words[7], words[8], words[9]) = (2e-6_f64.to_bits(), NOW as u64, 15e-6_f64.to_bits());
    words[10] = (NOW - 1_000_000_000) as u64;
    State::from_words(&words)
}

fn listener() -> Listener {
    let mut listener = Listener { own: vec![Sender { address: Address::V4([192, 0, 2, 1]), port: 123 }], ..Listener::default() };
    listener.access.add(Address::V4([0; 4]), 0, Action::Deny);
    listener.access.add(Address::V4([10, 0, 0, 0]), 8, Action::Allow);
    listener.access.add(Address::V4([10, 7, 0, 0]), 16, Action::Ignore);
    listener.access.add(Address::V4([10, 0, 0, 77]), 32, Action::Deny);
    listener
}

/// Nanoseconds that this process has run so far, without those in which it waited for a core.
fn on_cpu() -> f64 {
    let told = std::fs::read_to_string("/proc/self/schedstat").expect("Linux");
    told.split(' ').next().and_then(|number| number.parse().ok()).expect("nanoseconds")
}

/// Nanoseconds a request, from so many clients, one every 20 us; interleaved: each request goes on from the reply before.
fn measure(name: &str, service: &Service, listener: &Listener, clients: u64, interleaved: bool) {
    let tables = Tables::new(service);
    let state = state();
    let responder = Responder { service, listener, tables: &tables, state: &state };
    let (mut entropy, mut out, mut answered) = (Cheap(1), [0; MAX_REQUEST], 0_u64);
    let mut request = [0; 48];
    (request[0], request[2], request[31]) = (0x23, 6, u8::from(interleaved));
    let start = on_cpu();
    for round in 0..ROUNDS {
        let client = ((round * 7919) % clients) as u16;
        let sender = Sender { address: Address::V4([10, 0, (client >> 8) as u8, client as u8]), port: 40_000 };
        let receive_ns = NOW + (round * 20_000) as i64;
        request[40..48].copy_from_slice(&round.to_be_bytes());
        if interleaved {
            request[24..32].copy_from_slice(&out[32..40]);
        }
        let outcome =
            responder.reply(black_box(&request), &Arrival { sender, receive_ns, transmit_ns: receive_ns + 20_000 }, &mut entropy, &mut out);
        answered += u64::from(black_box(outcome).record.response != Response::Ignore);
    }
    let each = (on_cpu() - start) / ROUNDS as f64;
    println!("{name:60} {each:6.1} ns a request, {answered} of {ROUNDS} answered");
}

fn put_field(request: &mut Vec<u8>, kind: u16, value: &[u8]) {
    request.extend(kind.to_be_bytes());
    request.extend((value.len() as u16 + 4).to_be_bytes());
    request.extend(value);
}

/// A request of NTS that asks for so many cookies more.
fn nts_request(algorithm: Algorithm, placeholders: usize) -> Vec<u8> {
    let (c2s, s2c) = (vec![1; algorithm.key_length()], vec![2; algorithm.key_length()]);
    let keys = ClientKeys::of(algorithm, false, &c2s, &s2c).expect("keys of the right lengths");
    let mut cookie = vec![0; cookie::length(algorithm)];
    master().seal(&keys, &[7; 16], &mut cookie).expect("a cookie of the right length");
    let mut request = vec![0; 48];
    request[0] = 0x23;
    put_field(&mut request, 0x0104, &[5; 32]);
    put_field(&mut request, 0x0204, &cookie);
    for _ in 0..placeholders {
        put_field(&mut request, 0x0304, &vec![0; cookie.len()]);
    }
    let (nonce, mut tag) = (vec![9; algorithm.nonce_length()], [0; TAG]);
    aead::seal(algorithm, &c2s, &request, &nonce, &mut tag).expect("an empty text");
    let lengths = [0, nonce.len() as u8, 0, TAG as u8];
    put_field(&mut request, 0x0404, &[&lengths[..], &nonce, &tag].concat());
    request
}

fn mac_request(key_id: u32, key: &MacKey) -> Vec<u8> {
    let mut request = vec![0x55; 48];
    request[0] = 0x23;
    let mut digest = [0; 20];
    let length = key.write(&request, &mut digest);
    request.extend(key_id.to_be_bytes());
    request.extend(&digest[..length]);
    request
}

fn master() -> MasterContext {
    MasterContext::new(1, &[3; 32]).expect("a master key")
}

/// Nanoseconds for one and the same request again and again.
fn measure_one(name: &str, service: &Service, request: &[u8]) {
    let (tables, listener, state) = (Tables::new(service), Listener::default(), state());
    let responder = Responder { service, listener: &listener, tables: &tables, state: &state };
    let sender = Sender { address: Address::V4([10, 0, 0, 1]), port: 40_000 };
    let arrival = Arrival { sender, receive_ns: NOW, transmit_ns: NOW + 20_000 };
    let (mut entropy, mut out, rounds) = (Cheap(1), [0; MAX_REQUEST], ROUNDS / 20);
    let start = on_cpu();
    for _ in 0..rounds {
        let outcome = responder.reply(black_box(request), &arrival, &mut entropy, &mut out);
        assert_eq!(outcome.len, request.len());
    }
    println!("{name:60} {:6.0} ns a request of {} octets", (on_cpu() - start) / rounds as f64, request.len());
}

fn main() {
    let bare = Service::default();
    let whole = Service { rate_limit: Some(LIMIT), interleaved_slots: 1 << 16, hash_seed: 7, ..Service::default() };
    measure("nothing switched on, 1 client", &bare, &Listener::default(), 1, false);
    measure("rate limit, 4 access rules, interleaved mode; 64 clients", &whole, &listener(), 64, false);
    measure("the same with 60,000 clients", &whole, &listener(), 60_000, false);
    measure("the same, one client in interleaved mode", &Service { rate_limit: None, ..whole }, &listener(), 1, true);

    let mut keyed = Service { nts: Some(Ring::new(master(), Vec::new(), Vec::new())), ..Service::default() };
    for algorithm in [Algorithm::Siv256, Algorithm::Siv512, Algorithm::GcmSiv] {
        measure_one(&format!("NTS, AEAD {}", algorithm.id()), &keyed, &nts_request(algorithm, 0));
        measure_one(&format!("NTS, AEAD {}, 7 more cookies", algorithm.id()), &keyed, &nts_request(algorithm, 7));
    }
    for (place, kind) in ["md5", "sha1", "sha512", "aes128"].into_iter().enumerate() {
        let (key_id, key) = (place as u32 + 1, || MacKey::new(kind, &[7; 16]).expect("a key"));
        keyed.keys.add(key_id, key());
        measure_one(&format!("MAC, {kind}"), &keyed, &mac_request(key_id, &key()));
    }
}
