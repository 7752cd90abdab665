//! Times the cryptography of one NTS request: open the cookie, check the authenticator, seal a new cookie, seal the reply.
//! `cargo run --release --no-default-features --example nts_request`; takes a second for each AEAD.

use std::hint::black_box;
use std::time::Instant;

use _dataplane::aead::{self, Algorithm, TAG};
use _dataplane::cookie::{self, ClientKeys, MasterContext};

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

fn main() {
    let master = MasterContext::new(1, &[4; 32]).expect("a key of the right length");
    for algorithm in [Algorithm::Siv256, Algorithm::Siv384, Algorithm::Siv512, Algorithm::GcmSiv] {
        let request = request(algorithm, &master);
        let mut best = f64::INFINITY;
        for _ in 0..BATCHES {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                black_box(answer(black_box(&master), black_box(&request)));
            }
            best = best.min(start.elapsed().as_secs_f64() / f64::from(ROUNDS));
        }
        println!("AEAD {}: {:.3} us a request", algorithm.id(), best * 1e6);
    }
}
