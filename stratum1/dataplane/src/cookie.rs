//! NTS cookies of ours: head (key id, AEAD), nonce, and the client's two keys sealed by AES-SIV-CMAC-256 under a master key.
//!
//! What is authenticated, in the order of S2V: head, nonce. RFC 8915, section 6 suggests the shape; only we read it.

use aes::Aes128Enc;
use zeroize::Zeroize;

use crate::aead::{Algorithm, MAX_KEY, Refused, TAG};
use crate::siv::Siv;

/// Octets of a cookie's head.
pub const HEAD: usize = 4;
/// Octets of a cookie's nonce.
pub const NONCE: usize = 16;
/// Octets of a master key.
pub const SECRET: usize = 32;
/// The longest cookie.
pub const MAX_LENGTH: usize = length(Algorithm::Siv512);
/// The bit of the head's AEAD octet that keys of NTPv5 have.
const VERSION_5: u32 = 0x80;
const MAX_KEY_ID: u32 = (1 << 24) - 1;

/// Octets of a cookie with keys of an AEAD.
pub const fn length(algorithm: Algorithm) -> usize {
    HEAD + NONCE + TAG + 2 * algorithm.key_length()
}

/// What a cookie says in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which master key sealed it, 24 bits.
    pub key_id: u32,
    /// The number of the AEAD of the keys in it, 7 bits; maybe none of ours.
    pub algorithm_id: u16,
    /// Whether its keys are those of NTPv5.
    pub version5: bool,
}

/// The head of a cookie; None where it is shorter than that.
pub fn head(cookie: &[u8]) -> Option<Head> {
    let word = u32::from_be_bytes(*cookie.first_chunk()?);
    Some(Head { key_id: word >> 8, algorithm_id: (word & 0x7f) as u16, version5: word & VERSION_5 != 0 })
}

/// The keys of one client, out of a cookie.
///
/// They are not wiped: a worker keeps them in its stack for one packet, beside the master keys that open every cookie.
pub struct ClientKeys {
    algorithm: Algorithm,
    version5: bool,
    octets: [u8; TAG + 2 * MAX_KEY],
}

impl ClientKeys {
    /// Zeros, to be filled by `MasterContext::open`.
    pub const fn new() -> Self {
        Self { algorithm: Algorithm::Siv256, version5: false, octets: [0; TAG + 2 * MAX_KEY] }
    }

    /// Keys that were agreed on. version5: for NTPv5 (next protocol 0x8001). Refused where one has not its AEAD's length.
    pub fn of(algorithm: Algorithm, version5: bool, c2s: &[u8], s2c: &[u8]) -> Result<Self, Refused> {
        let each = algorithm.key_length();
        if c2s.len() != each || s2c.len() != each {
            return Err(Refused);
        }
        let mut keys = Self { algorithm, version5, ..Self::new() };
        keys.octets[TAG..TAG + each].copy_from_slice(c2s);
        keys.octets[TAG + each..TAG + 2 * each].copy_from_slice(s2c);
        Ok(keys)
    }

    /// Their AEAD.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether they were agreed on for NTPv5: a client must not carry keys of one protocol over to the other.
    pub const fn version5(&self) -> bool {
        self.version5
    }

    /// The key of the client's requests.
    pub fn c2s(&self) -> &[u8] {
        &self.octets[TAG..TAG + self.algorithm.key_length()]
    }

    /// The key of the server's replies.
    pub fn s2c(&self) -> &[u8] {
        let each = self.algorithm.key_length();
        &self.octets[TAG + each..TAG + 2 * each]
    }
}

impl Default for ClientKeys {
    fn default() -> Self {
        Self::new()
    }
}

/// A master key, ready for use; as long as its ring lives.
pub struct MasterContext {
    key_id: u32,
    /// Boxed, so that moving the context leaves no copies of the key behind.
    siv: Box<Siv<Aes128Enc>>,
}

impl MasterContext {
    /// key_id: below 2^24; secret: 32 octets. Else Refused.
    pub fn new(key_id: u32, secret: &[u8]) -> Result<Self, Refused> {
        if key_id > MAX_KEY_ID {
            return Err(Refused);
        }
        let siv = Box::new(Siv::new(secret).ok_or(Refused)?);
        Ok(Self { key_id, siv })
    }

    /// The first octets of its cookies.
    pub const fn key_id(&self) -> u32 {
        self.key_id
    }

    /// Takes the keys out of a cookie. Refused (and `keys` of no use) where its head names another key or an AEAD that is none of
    /// ours, where the length is not exactly that AEAD's, or where it is not what was sealed.
    pub fn open(&self, cookie: &[u8], keys: &mut ClientKeys) -> Result<(), Refused> {
        let Head { key_id, algorithm_id, version5 } = head(cookie).ok_or(Refused)?;
        let algorithm = Algorithm::from_id(algorithm_id).ok_or(Refused)?;
        if key_id != self.key_id || cookie.len() != length(algorithm) {
            return Err(Refused);
        }
        let (head, rest) = cookie.split_at(HEAD);
        let (nonce, sealed) = rest.split_at(NONCE);
        (keys.algorithm, keys.version5) = (algorithm, version5);
        let text = &mut keys.octets[..sealed.len()];
        text.copy_from_slice(sealed);
        if self.siv.open(&[head, nonce], text) { Ok(()) } else { Err(Refused) }
    }

    /// Writes a cookie. out: exactly `length` of the keys' AEAD, else Refused; nonce: random, never used twice under this key.
    pub fn seal(&self, keys: &ClientKeys, nonce: &[u8; NONCE], out: &mut [u8]) -> Result<(), Refused> {
        if out.len() != length(keys.algorithm) {
            return Err(Refused);
        }
        let (front, text) = out.split_at_mut(HEAD + NONCE);
        let (head, place) = front.split_at_mut(HEAD);
        let version = if keys.version5 { VERSION_5 } else { 0 };
        head.copy_from_slice(&((self.key_id << 8) | version | u32::from(keys.algorithm.id())).to_be_bytes());
        place.copy_from_slice(nonce);
        let sealed = &mut text[TAG..];
        sealed.copy_from_slice(&keys.octets[TAG..][..sealed.len()]);
        if self.siv.seal(&[head, place], text) { Ok(()) } else { Err(Refused) }
    }
}

impl Drop for MasterContext {
    fn drop(&mut self) {
        self.key_id.zeroize();
        self.siv.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::counting;

    const ALL: [(Algorithm, usize); 4] =
        [(Algorithm::Siv256, 100), (Algorithm::Siv384, 132), (Algorithm::Siv512, 164), (Algorithm::GcmSiv, 68)];

    fn sealed(master: &MasterContext, algorithm: Algorithm, version5: bool) -> Vec<u8> {
        let (c2s, s2c) = (counting(1, algorithm.key_length()), counting(80, algorithm.key_length()));
        let mut cookie = vec![0; length(algorithm)];
        master.seal(&ClientKeys::of(algorithm, version5, &c2s, &s2c).unwrap(), &[9; 16], &mut cookie).unwrap();
        cookie
    }

    #[test]
    fn what_was_sealed_is_opened_and_nothing_else() {
        let master = MasterContext::new(0xabcdef, &[5; SECRET]).unwrap();
        for ((algorithm, right), version5) in ALL.into_iter().zip([false, true, false, true]) {
            let cookie = sealed(&master, algorithm, version5);
            assert_eq!(cookie.len(), right);
            assert_eq!(head(&cookie), Some(Head { key_id: 0xabcdef, algorithm_id: algorithm.id(), version5 }));
            let mut keys = ClientKeys::new();
            master.open(&cookie, &mut keys).unwrap();
            assert_eq!((keys.algorithm(), keys.version5()), (algorithm, version5));
            assert_eq!(keys.c2s(), counting(1, algorithm.key_length()));
            assert_eq!(keys.s2c(), counting(80, algorithm.key_length()));
            for place in 0..right {
                let mut forged = cookie.clone();
                forged[place] ^= 0x80;
                assert_eq!(master.open(&forged, &mut keys), Err(Refused), "octet {place}");
                assert_eq!(master.open(&cookie[..place], &mut keys), Err(Refused));
            }
        }
    }

    #[test]
    fn another_master_key_does_not_open_it() {
        let cookie = sealed(&MasterContext::new(1, &[5; SECRET]).unwrap(), Algorithm::Siv256, false);
        let other = MasterContext::new(1, &[6; SECRET]).unwrap();
        assert_eq!(other.open(&cookie, &mut ClientKeys::new()), Err(Refused));
    }

    #[test]
    fn numbers_and_lengths_that_can_not_be_are_refused() {
        assert!(MasterContext::new(1 << 24, &[0; SECRET]).is_err() && MasterContext::new(1, &[0; 31]).is_err());
        assert!(ClientKeys::of(Algorithm::Siv256, false, &[0; 32], &[0; 31]).is_err());
        let master = MasterContext::new(1, &[0; SECRET]).unwrap();
        assert_eq!(master.seal(&ClientKeys::new(), &[0; NONCE], &mut [0; 99]), Err(Refused));
        assert_eq!(head(&[0; 3]), None);
    }
}
