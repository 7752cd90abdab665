//! Symmetric keys of requests and replies (RFC 5905, appendix A; RFC 8573).

use subtle::ConstantTimeEq;

use crate::digest::{MAX_WHOLE, MacKey};
use crate::reasons::Reason;
use crate::wire::Writer;

const KEY_ID: usize = 4;

/// The keys by id, sorted.
#[derive(Default)]
pub struct Keys(Vec<(u32, MacKey)>);

impl Keys {
    /// Adds a key; a later one with the same id replaces an earlier one.
    pub fn add(&mut self, key_id: u32, key: MacKey) {
        match self.0.binary_search_by_key(&key_id, |entry| entry.0) {
            Ok(at) => self.0[at].1 = key,
            Err(at) => self.0.insert(at, (key_id, key)),
        }
    }

    fn get(&self, key_id: u32) -> Option<&MacKey> {
        let at = self.0.binary_search_by_key(&key_id, |entry| entry.0).ok()?;
        self.0.get(at).map(|entry| &entry.1)
    }

    /// Whether a MAC (key id and digest) is right for what it covers.
    ///
    /// Versions 1 to 3 may send the whole of a digest that others cut, which a later version has no room for (RFC 7822).
    pub fn judge(&self, covered: &[u8], mac: &[u8], version: u8) -> Result<Signature<'_>, Reason> {
        // what is shorter than a key id is read as a smaller number, and then has no digest
        let key_id = mac.iter().take(KEY_ID).fold(0, |number, octet| number << 8 | u32::from(*octet));
        let key = self.get(key_id).ok_or(Reason::UnknownKey)?;
        let digest = mac.get(KEY_ID..).unwrap_or_default();
        if mac.len() < KEY_ID || digest.len() != key.length() && (version > 3 || digest.len() != key.whole_length()) {
            return Err(Reason::BadMac);
        }
        let mut right = [0; MAX_WHOLE];
        key.write_whole(covered, &mut right);
        if !bool::from(right[..digest.len()].ct_eq(digest)) {
            return Err(Reason::BadMac);
        }
        Ok(Signature { key_id, key, length: digest.len() })
    }
}

/// The key that a request was authenticated with and the length of its digest: the reply gets the same.
#[derive(Clone, Copy)]
pub struct Signature<'a> {
    key_id: u32,
    key: &'a MacKey,
    length: usize,
}

impl Signature<'_> {
    /// Octets of the MAC with its key id.
    pub fn length(&self) -> usize {
        KEY_ID + self.length
    }

    /// Appends the MAC of the `covered` first octets.
    pub fn sign(&self, covered: usize, writer: &mut Writer) {
        let mut digest = [0; MAX_WHOLE];
        self.key.write_whole(writer.written().get(..covered).unwrap_or_default(), &mut digest);
        writer.put(&self.key_id.to_be_bytes());
        writer.put(&digest[..self.length]);
    }
}
