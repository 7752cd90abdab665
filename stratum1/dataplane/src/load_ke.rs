//! NTS key establishments (RFC 8915, section 4) at a fixed rate: each a TCP connection, a full TLS 1.3 handshake without resumption,
//! one request and its answer. The server's certificate is not checked against anything; its signature is.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, Stream};

use crate::load::{Pace, Watch};
use crate::load_histogram::Histogram;

const PATIENCE: Duration = Duration::from_secs(5);
const MOST_OCTETS: usize = 16_384;
const MOST_KINDS: usize = 16;
/// RFC 8915, section 5.1.
const LABEL: &[u8] = b"EXPORTER-network-time-security";

/// What was seen.
#[derive(Default)]
pub struct Handshakes {
    /// Key establishments that got cookies.
    pub done: u64,
    /// Those that did not, by reason.
    pub failed: BTreeMap<String, u64>,
    /// From the instant one was due to its answer, ns.
    pub latency: Histogram,
    /// Cookies that were given.
    pub cookies: u64,
    /// From the first to the last answer, s.
    pub seconds: f64,
}

/// How many at once, and what for.
pub struct Plan {
    /// Where to.
    pub target: SocketAddr,
    /// The name asked for in the handshake.
    pub name: ServerName<'static>,
    /// How many at a time at most.
    pub threads: usize,
    /// The AEAD that is asked for.
    pub aead: u16,
}

/// Establish keys again and again, `pace.rate` times a second, or as fast as `threads` can if it is infinite.
pub fn run(plan: &Plan, pace: &Pace, watch: &Watch) -> Result<Handshakes, Error> {
    let config = config()?;
    let next = AtomicU64::new(0);
    let found = Mutex::new(Handshakes::default());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..plan.threads {
            scope.spawn(|| work(plan, pace, watch, (&config, &next, &found, begun)));
        }
    });
    let mut found = found.into_inner().unwrap_or_default();
    found.seconds = begun.elapsed().as_secs_f64();
    Ok(found)
}

type Shared<'a> = (&'a Arc<ClientConfig>, &'a AtomicU64, &'a Mutex<Handshakes>, Instant);

fn work(plan: &Plan, pace: &Pace, watch: &Watch, (config, next, found, begun): Shared) {
    loop {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        let after = if pace.rate.is_finite() { turn as f64 / pace.rate } else { begun.elapsed().as_secs_f64() };
        if after >= pace.seconds || watch.stop.load(Ordering::Relaxed) {
            return;
        }
        let due = begun + Duration::from_secs_f64(after);
        if let Some(left) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(left);
        }
        watch.sent.fetch_add(1, Ordering::Relaxed);
        let outcome = establish(plan, config);
        let Ok(mut found) = found.lock() else { return };
        match outcome {
            Ok(given) => {
                found.done += 1;
                found.cookies += given.cookies.len() as u64;
                found.latency.add(due.elapsed().as_nanos() as u64);
                watch.answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(reason) if found.failed.len() < MOST_KINDS || found.failed.contains_key(&reason) => {
                *found.failed.entry(reason).or_default() += 1
            }
            Err(_) => *found.failed.entry("other".into()).or_default() += 1,
        }
    }
}

/// What one key establishment gives.
#[derive(Debug, Default, PartialEq)]
pub struct Keys {
    /// The AEAD that the server chose.
    pub aead: u16,
    /// The cookies.
    pub cookies: Vec<Vec<u8>>,
    /// Whether AEAD 30's keys are exported with its own number (record 1024).
    pub compliant: bool,
    /// The keys, client to server and server to client.
    pub keys: [Vec<u8>; 2],
}

/// One key establishment.
pub fn establish(plan: &Plan, config: &Arc<ClientConfig>) -> Result<Keys, String> {
    let mut tcp = TcpStream::connect_timeout(&plan.target, PATIENCE).map_err(|error| error.kind().to_string())?;
    let _ = tcp.set_nodelay(true);
    let _ = tcp.set_read_timeout(Some(PATIENCE));
    let mut tls = ClientConnection::new(config.clone(), plan.name.clone()).map_err(|error| error.to_string())?;
    let mut stream = Stream::new(&mut tls, &mut tcp);
    stream.write_all(&request(plan.aead)).map_err(|error| text(&error))?;
    let mut answer = Vec::with_capacity(1024);
    let mut part = [0; 2048];
    let mut given = loop {
        let count = stream.read(&mut part).map_err(|error| text(&error))?;
        answer.extend_from_slice(&part[..count]);
        if let Some(given) = read_answer(&answer)? {
            break given;
        }
        if count == 0 || answer.len() > MOST_OCTETS {
            return Err("the answer has no end".into());
        }
    };
    let named = if given.aead == 30 && !given.compliant { 15 } else { given.aead };
    for (direction, key) in (0..).zip(&mut given.keys) {
        let [high, low] = named.to_be_bytes();
        *key = vec![0; key_length(given.aead).ok_or_else(|| format!("AEAD {}", given.aead))?];
        let context = [0, 0, high, low, direction];
        tls.export_keying_material(&mut key[..], LABEL, Some(&context)).map_err(|error| error.to_string())?;
    }
    tls.send_close_notify();
    let _ = tls.write_tls(&mut tcp);
    Ok(given)
}

/// Next protocol NTPv4; the algorithm; for AEAD 30 the wish to export its keys by its own number; end of message.
fn request(aead: u16) -> Vec<u8> {
    let [high, low] = aead.to_be_bytes();
    let compliant: &[u8] = if aead == 30 { &[4, 0, 0, 0] } else { &[] };
    [&[0x80, 1, 0, 2, 0, 0, 0x80, 4, 0, 2, high, low], compliant, &[0x80, 0, 0, 0]].concat()
}

fn key_length(aead: u16) -> Option<usize> {
    Some(match aead {
        15 => 32,
        16 => 48,
        17 => 64,
        30 => 16,
        _ => return None,
    })
}

fn text(error: &std::io::Error) -> String {
    error.get_ref().map_or_else(|| error.kind().to_string(), ToString::to_string)
}

/// What a whole answer gives; None while its end is missing; an error where it tells of one.
fn read_answer(answer: &[u8]) -> Result<Option<Keys>, String> {
    let (mut rest, mut given) = (answer, Keys::default());
    while let [kind_high, kind_low, high, low, body @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(value) = body.get(..length) else { return Ok(None) };
        match (u16::from_be_bytes([*kind_high & 0x7f, *kind_low]), value) {
            (0, _) if given.cookies.is_empty() => return Err("an answer without cookies".into()),
            (0, _) => return Ok(Some(given)),
            (2, _) => return Err(format!("error record {value:?}")),
            (4, [high, low]) => given.aead = u16::from_be_bytes([*high, *low]),
            (5, _) => given.cookies.push(value.to_vec()),
            (1024, _) => given.compliant = true,
            _ => (),
        }
        rest = &body[length..];
    }
    Ok(None)
}

/// TLS 1.3 without resumption.
pub fn config() -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"ntske/1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Whoever answers is load-tested; that it has the key of its certificate is checked, since a real client does that work.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_up_to_the_end_of_the_message() {
        let answer = [0x80, 1, 0, 2, 0, 0, 0x80, 4, 0, 2, 0, 15, 0, 5, 0, 3, 1, 2, 3, 0, 5, 0, 1, 9, 0x80, 0, 0, 0];
        let given = read_answer(&answer).unwrap().unwrap();
        assert_eq!((given.aead, given.cookies, given.compliant), (15, vec![vec![1, 2, 3], vec![9]], false));
        for length in 0..answer.len() {
            assert_eq!(read_answer(&answer[..length]), Ok(None), "{length}");
        }
        assert!(read_answer(&[0x80, 2, 0, 2, 0, 1]).is_err());
        assert!(read_answer(&[0x80, 0, 0, 0]).is_err());
    }

    #[test]
    fn only_for_aead_30_the_export_is_talked_about() {
        assert_eq!(request(15), [0x80, 1, 0, 2, 0, 0, 0x80, 4, 0, 2, 0, 15, 0x80, 0, 0, 0]);
        assert_eq!(request(30).len(), 20);
    }
}
