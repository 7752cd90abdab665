//! Times one NTS request: its cryptography alone (open the cookie, check the authenticator, seal a new cookie, seal the reply), and
//! all that the responder does for it, from datagram to datagram; for comparison a plain request.
//! `cargo run --release --no-default-features --example nts_request`; takes a second for each AEAD.

use std::hint::black_box;
use std::time::Instant;

use _dataplane::access::{Address, Sender};
use _dataplane::aead::{self, Algorithm, TAG};
use _dataplane::cookie::{self, ClientKeys, MasterContext};
use _dataplane::nts::Ring;
use _dataplane::reasons::Response;
use _dataplane::reply::{Arrival, Responder};
use _dataplane::service::{Entropy, Listener, Service, Tables};
use _dataplane::state::{State, WORDS};
use _dataplane::wire::MAX_REQUEST;

const HEADER: usize = 48;
const UNIQUE: usize = 36;
/// Short batches, and the best of many: a processor that is shared is left alone for a millisecond now and then.
const ROUNDS: u32 = 500;
const BATCHES: u32 = 2_000;

/// A request's parts: what is authenticated (header, unique identifier, cookie field), nonce, sealed nothing.
struct Request {
    octets: Vec<u8>,
    nonce: Vec<u8>,
    tag: [u8; TAG],
}

fn request(algorithm: Algorithm, master: &MasterContext) -> Request {
    let (c2s, s2c) = (vec![1; algorithm.key_length()], vec![2; algorithm.key_length()]);
    let keys = ClientKeys::of(algorithm, false, &c2s, &s2c).expect("keys of the right lengths");
    let mut octets = vec![0x55; HEADER + UNIQUE + 4];
    let mut cookie = vec![0; cookie::length(algorithm)];
    master.seal(&keys, &[7; 16], &mut cookie).expect("a cookie of the right length");
    octets.extend(&cookie);
    let nonce = vec![9; algorithm.nonce_length()];
    let mut tag = [0; TAG];
    aead::seal(algorithm, &c2s, &octets, &nonce, &mut tag).expect("an empty text");
    Request { octets, nonce, tag }
}

/// One request's work; a checksum so that nothing is left out.
fn answer(master: &MasterContext, request: &Request) -> u8 {
    let mut keys = ClientKeys::new();
    let cookie = &request.octets[HEADER + UNIQUE + 4..];
    master.open(cookie, &mut keys).expect("our cookie");
    let mut tag = request.tag;
    aead::open(keys.algorithm(), keys.c2s(), &request.octets, &request.nonce, &mut tag).expect("our request");
    let mut reply = [0; 512];
    let (front, text) = reply.split_at_mut(HEADER + UNIQUE);
    let length = cookie::length(keys.algorithm());
    let text = &mut text[..TAG + 4 + length];
    let at = keys.algorithm().offset() + 4;
    master.seal(&keys, &[3; 16], &mut text[at..at + length]).expect("the right length");
    aead::seal(keys.algorithm(), keys.s2c(), front, &request.nonce, text).expect("the right lengths");
    text[0]
}

/// The datagram: header, unique identifier, cookie, authenticator.
fn datagram(request: &Request) -> Vec<u8> {
    let nonce = request.nonce.len();
    let mut octets = request.octets.clone();
    octets.extend([4, 4].into_iter().chain(((8 + 16 + TAG) as u16).to_be_bytes()));
    octets.extend((nonce as u16).to_be_bytes().into_iter().chain((TAG as u16).to_be_bytes()));
    octets.extend(&request.nonce);
    octets.extend(request.tag);
    octets.resize(request.octets.len() + 8 + 16 + TAG, 0);
    octets
}

struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 = self.0.wrapping_add(1);
        out.fill(self.0);
    }
}

fn state() -> State {
    let mut words = [0; WORDS];
    (words[0], words[1], words[3], words[4], words[14]) = (1, i64::MAX as u64, 1, -25_i64 as u64, 1);
    State::from_words(&words)
}

fn best(mut once: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            once();
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(ROUNDS));
    }
    best * 1e6
}

fn main() {
    let new_master = || MasterContext::new(1, &[4; 32]).expect("a key of the right length");
    let master = new_master();
    let service = Service { nts: Some(Ring::new(new_master(), vec![], vec![])), ..Service::default() };
    let (listener, tables, state) = (Listener::default(), Tables::new(&service), state());
    let responder = Responder { service: &service, listener: &listener, tables: &tables, state: &state };
    let arrival = Arrival { sender: Sender { address: Address::V4([192, 0, 2, 1]), port: 40_000 }, receive_ns: 1, transmit_ns: 2 };
    let (mut entropy, mut out) = (Counting(0), [0; MAX_REQUEST]);
    let mut reply = |request: &[u8]| {
        let outcome = responder.reply(black_box(request), black_box(&arrival), &mut entropy, black_box(&mut out));
        assert!(outcome.record.response == Response::Time && outcome.len == request.len());
    };
    let mut plain = [0; HEADER];
    plain[0] = 0x23;
    println!("plain: {:.3} us", best(|| reply(&plain)));
    for algorithm in [Algorithm::Siv256, Algorithm::Siv384, Algorithm::Siv512, Algorithm::GcmSiv] {
        let mut request = request(algorithm, &master);
        let alone = best(|| {
            black_box(answer(black_box(&master), black_box(&request)));
        });
        prepare(algorithm, &mut request);
        let datagram = datagram(&request);
        let whole = best(|| reply(&datagram));
        println!("AEAD {}: cryptography {alone:.3} us, the whole reply {whole:.3} us", algorithm.id());
    }
}

/// Makes header and fields real, and the tag for them.
fn prepare(algorithm: Algorithm, request: &mut Request) {
    request.octets[..HEADER].fill(0);
    request.octets[0] = 0x23;
    request.octets[HEADER..HEADER + 4].copy_from_slice(&[1, 4, 0, UNIQUE as u8]);
    let length = (4 + cookie::length(algorithm)) as u16;
    request.octets[HEADER + UNIQUE..][..2].copy_from_slice(&[2, 4]);
    request.octets[HEADER + UNIQUE + 2..][..2].copy_from_slice(&length.to_be_bytes());
    let key = vec![1; algorithm.key_length()];
    aead::seal(algorithm, &key, &request.octets, &request.nonce, &mut request.tag).expect("an empty text");
}
