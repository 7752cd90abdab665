//! The four AEADs of NTS (RFC 8915, section 5.1, and the IANA registry) by their numbers, on a caller's buffer.
//!
//! A client's key is used once for each request, so there is no context to keep: only the schedules that the call needs are made.

use aes::{Aes128Enc, Aes192Enc, Aes256Enc};

use crate::{gcm_siv, siv};

/// Octets that sealing adds to a text.
pub const TAG: usize = 16;
/// The longest key.
pub const MAX_KEY: usize = 64;

/// An AEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// AES-SIV-CMAC-256.
    Siv256,
    /// AES-SIV-CMAC-384.
    Siv384,
    /// AES-SIV-CMAC-512.
    Siv512,
    /// AES-128-GCM-SIV.
    GcmSiv,
}

/// Not what was sealed, or lengths that can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

impl Algorithm {
    /// The AEAD with a number in IANA's registry, if it is one of ours.
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            15 => Some(Self::Siv256),
            16 => Some(Self::Siv384),
            17 => Some(Self::Siv512),
            30 => Some(Self::GcmSiv),
            _ => None,
        }
    }

    /// Its number in IANA's registry.
    pub const fn id(self) -> u16 {
        match self {
            Self::Siv256 => 15,
            Self::Siv384 => 16,
            Self::Siv512 => 17,
            Self::GcmSiv => 30,
        }
    }

    /// Octets of a key.
    pub const fn key_length(self) -> usize {
        match self {
            Self::Siv256 => 32,
            Self::Siv384 => 48,
            Self::Siv512 => MAX_KEY,
            Self::GcmSiv => gcm_siv::KEY,
        }
    }

    /// Octets of the nonces that we make: 16, or the 12 that GCM-SIV takes.
    pub const fn nonce_length(self) -> usize {
        match self {
            Self::GcmSiv => gcm_siv::NONCE,
            _ => 16,
        }
    }

    /// Whether a nonce of this length can be: exactly 12 octets for GCM-SIV, at least one for SIV.
    pub const fn takes_nonce(self, length: usize) -> bool {
        match self {
            Self::GcmSiv => length == gcm_siv::NONCE,
            _ => length > 0,
        }
    }

    /// Where in a sealed text the text itself stands: after SIV's synthetic IV, before GCM-SIV's tag.
    pub const fn offset(self) -> usize {
        match self {
            Self::GcmSiv => 0,
            _ => siv::IV,
        }
    }

    fn text(self, sealed: &mut [u8]) -> Result<&mut [u8], Refused> {
        let length = sealed.len().checked_sub(TAG).ok_or(Refused)?;
        sealed.get_mut(self.offset()..).and_then(|rest| rest.get_mut(..length)).ok_or(Refused)
    }
}

/// Seals in place. with: what is authenticated besides; text: 16 octets longer than the plaintext, which stands at `offset`.
/// Refused where key, nonce or text have lengths that can't be.
#[inline]
pub fn seal(algorithm: Algorithm, key: &[u8], with: &[u8], nonce: &[u8], text: &mut [u8]) -> Result<(), Refused> {
    if !algorithm.takes_nonce(nonce.len()) {
        return Err(Refused);
    }
    let sealed = match algorithm {
        Algorithm::Siv256 => siv::seal_once::<Aes128Enc>(key, &[with, nonce], text),
        Algorithm::Siv384 => siv::seal_once::<Aes192Enc>(key, &[with, nonce], text),
        Algorithm::Siv512 => siv::seal_once::<Aes256Enc>(key, &[with, nonce], text),
        Algorithm::GcmSiv => gcm_siv::seal(exact(key)?, exact(nonce)?, with, text),
    };
    if sealed { Ok(()) } else { Err(Refused) }
}

/// Opens in place and gives the plaintext, a part of text. Refused where it is not what was sealed (the plaintext is zeros then), or
/// where lengths can't be.
#[inline]
pub fn open<'a>(algorithm: Algorithm, key: &[u8], with: &[u8], nonce: &[u8], text: &'a mut [u8]) -> Result<&'a mut [u8], Refused> {
    if !algorithm.takes_nonce(nonce.len()) {
        return Err(Refused);
    }
    let genuine = match algorithm {
        Algorithm::Siv256 => siv::open_once::<Aes128Enc>(key, &[with, nonce], text),
        Algorithm::Siv384 => siv::open_once::<Aes192Enc>(key, &[with, nonce], text),
        Algorithm::Siv512 => siv::open_once::<Aes256Enc>(key, &[with, nonce], text),
        Algorithm::GcmSiv => gcm_siv::open(exact(key)?, exact(nonce)?, with, text),
    };
    if genuine { algorithm.text(text) } else { Err(Refused) }
}

fn exact<const N: usize>(octets: &[u8]) -> Result<&[u8; N], Refused> {
    octets.try_into().map_err(|_| Refused)
}
