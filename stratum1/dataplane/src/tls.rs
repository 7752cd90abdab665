//! TLS 1.3 for key establishment (RFC 8915, section 3) over memory: octets in, octets out, an exporter. Sockets are others'.
//!
//! No tickets and no resumption: each key establishment is a handshake of its own, so that no key of one lives on in another.

use std::fmt::Display;
use std::io::{Read, Write};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{CipherSuite, ClientConfig, ClientConnection, Connection, Error, PeerIncompatible, ServerConfig, ServerConnection};

use crate::tls_pem::{self, Part};

/// The protocol that is asked for and answered (RFC 8915, section 7.2).
pub const ALPN: &[u8] = b"ntske/1";
/// Octets that a session holds at most for a side that does not take them.
pub const MAX_HELD: usize = 64 * 1024;
/// The longest label of an exporter: HKDF's label has one octet for its length, and "tls13 " stands before ours.
const MAX_LABEL: usize = 249;
/// Octets that are exported at most (HKDF of SHA-256 would give 8160).
const MAX_EXPORT: usize = 1024;

/// A message for people; it names the part of the configuration at fault where one is.
pub type Fault = String;

fn fault(error: impl Display) -> Fault {
    error.to_string()
}

/// ring, and of its suites first the one with SHA-256: processors have instructions for that and not for SHA-384, which is a seventh of
/// a handshake. Keys for NTS have 128 bits of strength with AEAD 15 as well; who offers nothing but AES-256 gets it.
fn provider() -> CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

/// What a peer did, in words where rustls has only a name for it.
fn of_peer(error: Error) -> Fault {
    match error {
        Error::PeerIncompatible(
            PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::ServerDoesNotSupportTls12Or13,
        ) => "the peer does not speak TLS 1.3".to_owned(),
        Error::NoApplicationProtocol => "the peer offers no protocol ntske/1".to_owned(),
        Error::NoCertificatesPresented => "the peer shows no certificate".to_owned(),
        Error::InvalidMessage(what) => format!("what the peer sends is no TLS ({what:?})"),
        other => other.to_string(),
    }
}

/// What a server is: certificate chain, key, and maybe the authorities of its clients.
pub struct Server(Arc<ServerConfig>);

impl Server {
    /// All PEM. authorities: a client has to show a certificate of theirs; None: no client is asked for one.
    pub fn new(chain: &[u8], key: &[u8], authorities: Option<&[u8]>) -> Result<Self, Fault> {
        let provider = Arc::new(provider());
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13]).map_err(fault)?;
        let builder = match authorities {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let roots = Arc::new(tls_pem::authorities(Part::ClientAuthorities, pem)?);
                builder.with_client_cert_verifier(WebPkiClientVerifier::builder_with_provider(roots, provider).build().map_err(fault)?)
            }
        };
        let (chain, key) = (tls_pem::chain(chain)?, tls_pem::key(key)?);
        let mut config = builder.with_single_cert(chain, key).map_err(tls_pem::unfit)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.ignore_client_order = true;
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self(Arc::new(config)))
    }

    /// A new connection.
    pub fn session(&self) -> Result<Session, Fault> {
        Ok(Session::new(ServerConnection::new(self.0.clone()).map_err(fault)?))
    }
}

/// What a client is: the authorities that it believes, and maybe a certificate of its own.
pub struct Client(Arc<ClientConfig>);

impl Client {
    /// All PEM. own: certificate chain and key, for servers that ask for them.
    pub fn new(authorities: &[u8], own: Option<(&[u8], &[u8])>) -> Result<Self, Fault> {
        let provider = Arc::new(provider());
        let roots = tls_pem::authorities(Part::Authorities, authorities)?;
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).map_err(fault)?;
        let builder = builder.with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let (chain, key) = (tls_pem::chain(chain)?, tls_pem::key(key)?);
                builder.with_client_auth_cert(chain, key).map_err(tls_pem::unfit)?
            }
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Self(Arc::new(config)))
    }

    /// A new connection to a server that has to prove this name, or address. A dot at the name's end says that it is absolute.
    pub fn session(&self, server: &str) -> Result<Session, Fault> {
        let name = server.strip_suffix('.').unwrap_or(server);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| format!("server_name: a host name or an address is expected, not {server:?}"))?;
        Ok(Session::new(ClientConnection::new(self.0.clone(), name).map_err(fault)?))
    }
}

/// One connection. Whatever a peer sends, it holds no more than about 64 KiB in either direction.
pub struct Session {
    connection: Connection,
    plain: Vec<u8>,
    closed: bool,
}

impl Session {
    fn new(connection: impl Into<Connection>) -> Self {
        let mut connection = connection.into();
        connection.set_buffer_limit(Some(MAX_HELD));
        Self { connection, plain: Vec::new(), closed: false }
    }

    /// Takes what came from the peer. After an error `outgoing` may have an alert for it, and nothing more is to be had.
    pub fn receive(&mut self, mut data: &[u8]) -> Result<(), Fault> {
        // After the peer's close_notify there is nothing to be said (RFC 8446, section 6.1).
        while !data.is_empty() && !self.closed {
            self.connection.read_tls(&mut data).map_err(fault)?;
            let state = self.connection.process_new_packets().map_err(of_peer)?;
            self.closed = state.peer_has_closed();
            let length = state.plaintext_bytes_to_read();
            self.take(length)?;
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<(), Fault> {
        if self.plain.len() + length > MAX_HELD {
            return Err(format!("the peer has sent more than {MAX_HELD} octets that were not read"));
        }
        let start = self.plain.len();
        self.plain.resize(start + length, 0);
        self.connection.reader().read_exact(&mut self.plain[start..]).map_err(fault)
    }

    /// What the peer has said since the last call.
    pub fn plaintext(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.plain)
    }

    /// Says something. It is held back until the handshake is over.
    pub fn send(&mut self, data: &[u8]) -> Result<(), Fault> {
        let taken = self.connection.writer().write(data).map_err(fault)?;
        if taken < data.len() {
            return Err(format!("more than {MAX_HELD} octets wait to be sent"));
        }
        Ok(())
    }

    /// What has to be sent to the peer now.
    pub fn outgoing(&mut self) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut out).map_err(fault)?;
        }
        Ok(out)
    }

    /// Queues close_notify.
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// Whether the handshake is under way: no key can be exported yet.
    pub fn handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// The protocol agreed upon.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    /// The peer's own certificate (DER); it is verified.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        self.connection.peer_certificates().and_then(|chain| chain.first()).map(AsRef::as_ref)
    }

    /// Whether the peer has said that it sends no more (close_notify).
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// Key material (RFC 8446, section 7.5). label: 1 to 249 octets; length: 1 to 1024.
    pub fn export(&self, label: &[u8], context: &[u8], length: usize) -> Result<Vec<u8>, Fault> {
        if !(1..=MAX_LABEL).contains(&label.len()) {
            return Err(format!("label: 1 to {MAX_LABEL} octets are expected, not {}", label.len()));
        }
        if !(1..=MAX_EXPORT).contains(&length) {
            return Err(format!("length: 1 to {MAX_EXPORT} is expected, not {length}"));
        }
        if self.handshaking() {
            return Err("no key can be exported before the handshake is over".to_owned());
        }
        self.connection.export_keying_material(vec![0; length], label, Some(context)).map_err(fault)
    }
}
