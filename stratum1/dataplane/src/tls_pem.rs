//! Certificates and keys out of PEM, with errors that name the part at fault and say what would be right. No secret is in a message.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, Error, RootCertStore};

use crate::tls::Fault;

/// Which text is at fault.
#[derive(Clone, Copy)]
pub enum Part {
    /// Our certificate, then those between it and the authority.
    Certificate,
    /// Its private key.
    Key,
    /// Whom a server believes about its clients.
    ClientAuthorities,
    /// Whom a client believes about servers.
    Authorities,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Key => "key",
            Self::ClientAuthorities => "client authority",
            Self::Authorities => "authority",
        }
    }
}

fn certificates(part: Part, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| format!("{}: it is no PEM: {error}", part.name()))?;
    if found.is_empty() {
        return Err(format!("{}: there is no certificate in it; PEM with BEGIN CERTIFICATE is expected", part.name()));
    }
    Ok(found)
}

/// Our certificate and those between it and the authority.
pub fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    certificates(Part::Certificate, pem)
}

/// The private key: PKCS#8, SEC1 or PKCS#1.
pub fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Fault> {
    let name = Part::Key.name();
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound if pem.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED) => {
            format!("{name}: it is encrypted; a key without a passphrase is expected")
        }
        rustls::pki_types::pem::Error::NoItemsFound => {
            format!("{name}: there is no private key in it; PEM with BEGIN PRIVATE KEY is expected")
        }
        // The text of other errors may quote a line, and the line may be a part of the key.
        _ => format!("{name}: it is no PEM"),
    })
}

const ENCRYPTED: &[u8] = b"BEGIN ENCRYPTED PRIVATE KEY";

/// Authorities' certificates.
pub fn authorities(part: Part, pem: &[u8]) -> Result<RootCertStore, Fault> {
    let mut store = RootCertStore::empty();
    for (place, each) in certificates(part, pem)?.into_iter().enumerate() {
        store.add(each).map_err(|error| format!("{}: number {} in it can't be used: {error}", part.name(), place + 1))?;
    }
    Ok(store)
}

/// Why a certificate and a key do not make a server (or a client with a certificate).
pub fn unfit(error: Error) -> Fault {
    let (certificate, key) = (Part::Certificate.name(), Part::Key.name());
    match error {
        Error::InconsistentKeys(_) => format!("{key}: it does not belong to the certificate"),
        Error::InvalidCertificate(CertificateError::BadEncoding) => {
            format!("{certificate}: it is no X.509 certificate of version 3")
        }
        Error::InvalidCertificate(reason) => format!("{certificate}: {reason}"),
        Error::General(_) => {
            format!("{key}: it can't be used; ECDSA P-256 or P-384, Ed25519 or RSA of 2048 bits or more is expected")
        }
        other => format!("{certificate} or {key}: {other}"),
    }
}
