//! MACs of NTP with symmetric keys: a digest of key and packet (RFC 5905, appendix A; RFC 7822), or AES-CMAC (RFC 8573).

use aes::{Aes128Enc, Aes256Enc};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::cmac::CmacKey;

/// The longest MAC without its key id; longer digests are cut to this, as all implementations do.
pub const MAX_LENGTH: usize = 20;
/// The longest uncut digest.
pub const MAX_WHOLE: usize = 64;
/// The longest secret of a digest.
pub const MAX_SECRET: usize = 256;

/// A symmetric key, ready for use.
pub struct MacKey(Kind);

enum Kind {
    Md5(Zeroizing<Box<[u8]>>),
    Sha1(Zeroizing<Box<[u8]>>),
    Sha256(Zeroizing<Box<[u8]>>),
    Sha384(Zeroizing<Box<[u8]>>),
    Sha512(Zeroizing<Box<[u8]>>),
    Aes128(Box<CmacKey<Aes128Enc>>),
    Aes256(Box<CmacKey<Aes256Enc>>),
}

impl MacKey {
    /// kind: the name as in the configuration ("md5", "sha1", "sha256", "sha384", "sha512", "aes128", "aes256"); secret: 16 octets for
    /// aes128, 32 for aes256, 1 to 256 for the others. The error says what is wrong, without the secret.
    pub fn new(kind: &str, secret: &[u8]) -> Result<Self, String> {
        let hashed = || {
            if (1..=MAX_SECRET).contains(&secret.len()) {
                return Ok(Zeroizing::new(secret.to_vec().into_boxed_slice()));
            }
            Err(format!("secret: 1 to {MAX_SECRET} octets are expected for {kind}, not {}", secret.len()))
        };
        let unfit = |right: usize| format!("secret: {right} octets are expected for {kind}, not {}", secret.len());
        Ok(Self(match kind {
            "md5" => Kind::Md5(hashed()?),
            "sha1" => Kind::Sha1(hashed()?),
            "sha256" => Kind::Sha256(hashed()?),
            "sha384" => Kind::Sha384(hashed()?),
            "sha512" => Kind::Sha512(hashed()?),
            "aes128" => Kind::Aes128(Box::new(CmacKey::new(secret).ok_or_else(|| unfit(16))?)),
            "aes256" => Kind::Aes256(Box::new(CmacKey::new(secret).ok_or_else(|| unfit(32))?)),
            _ => return Err(format!("kind: md5, sha1, sha256, sha384, sha512, aes128 or aes256 is expected, not {kind:?}")),
        }))
    }

    /// Octets of its MACs, without the key id.
    pub const fn length(&self) -> usize {
        match self.0 {
            Kind::Md5(_) | Kind::Aes128(_) | Kind::Aes256(_) => 16,
            _ => MAX_LENGTH,
        }
    }

    /// Octets of its uncut digests: longer than `length` for sha256, sha384 and sha512.
    pub const fn whole_length(&self) -> usize {
        match self.0 {
            Kind::Sha256(_) => 32,
            Kind::Sha384(_) => 48,
            Kind::Sha512(_) => MAX_WHOLE,
            _ => self.length(),
        }
    }

    /// Writes the MAC of a packet and gives its length; the octets after it are zeros.
    pub fn write(&self, packet: &[u8], out: &mut [u8; MAX_LENGTH]) -> usize {
        let mut whole = [0; MAX_WHOLE];
        self.write_whole(packet, &mut whole);
        let length = self.length();
        out.fill(0);
        out[..length].copy_from_slice(&whole[..length]);
        length
    }

    /// Writes the uncut digest of a packet and gives its length; the octets after it are zeros.
    pub fn write_whole(&self, packet: &[u8], out: &mut [u8; MAX_WHOLE]) -> usize {
        out.fill(0);
        match &self.0 {
            Kind::Md5(secret) => put(&hash::<Md5>(secret, packet), out),
            Kind::Sha1(secret) => put(&hash::<Sha1>(secret, packet), out),
            Kind::Sha256(secret) => put(&hash::<Sha256>(secret, packet), out),
            Kind::Sha384(secret) => put(&hash::<Sha384>(secret, packet), out),
            Kind::Sha512(secret) => put(&hash::<Sha512>(secret, packet), out),
            Kind::Aes128(context) => put(&context.cmac().mac(packet), out),
            Kind::Aes256(context) => put(&context.cmac().mac(packet), out),
        }
        self.whole_length()
    }

    /// Whether the digest, cut or whole, is that of the packet, in a time that does not depend on where they differ. False for other
    /// lengths; which of the two may be is the caller's.
    pub fn verify(&self, packet: &[u8], digest: &[u8]) -> bool {
        if digest.len() != self.length() && digest.len() != self.whole_length() {
            return false;
        }
        let mut right = [0; MAX_WHOLE];
        self.write_whole(packet, &mut right);
        right[..digest.len()].ct_eq(digest).into()
    }
}

impl Drop for MacKey {
    fn drop(&mut self) {
        match &mut self.0 {
            Kind::Aes128(context) => context.wipe(),
            Kind::Aes256(context) => context.wipe(),
            _ => {} // wipes itself
        }
    }
}

fn hash<D: Digest>(secret: &[u8], packet: &[u8]) -> aes::cipher::array::Array<u8, D::OutputSize> {
    D::new().chain_update(secret).chain_update(packet).finalize()
}

fn put(digest: &[u8], out: &mut [u8; MAX_WHOLE]) {
    out[..digest.len()].copy_from_slice(digest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::hex;

    #[test]
    fn digests_of_known_texts() {
        // The digests of "abc" (RFC 1321, RFC 3174, FIPS 180), its first octet as the secret; CMAC of RFC 4493 and SP 800-38B.
        let abc = [
            ("md5", "900150983cd24fb0d6963f7d28e17f72"),
            ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a3"),
            ("sha384", "cb00753f45a35e8bb5a03d699ac65007272c32ab"),
            ("sha512", "ddaf35a193617abacc417349ae20413112e6fa4e"),
        ];
        for (kind, digest) in abc {
            check(kind, b"a", b"bc", &hex(digest));
        }
        let block = hex("6bc1bee22e409f96e93d7e117393172a");
        check("aes128", &hex("2b7e151628aed2a6abf7158809cf4f3c"), &block, &hex("070a16b46b4d4144f79bdd9dd04a287c"));
        let long = hex("603deb1015ca71be2b73aef0857d7781 1f352c073b6108d72d9810a30914dff4");
        check("aes256", &long, &block, &hex("28a7023f452e8f82bd4bf28d8c37c35c"));
    }

    fn check(kind: &str, secret: &[u8], packet: &[u8], digest: &[u8]) {
        let key = MacKey::new(kind, secret).unwrap();
        let mut out = [0xff; MAX_LENGTH];
        assert_eq!(key.write(packet, &mut out), digest.len());
        assert_eq!(out[..digest.len()], *digest, "{kind}");
        assert!(out[digest.len()..].iter().all(|octet| *octet == 0));
        assert_eq!(key.length(), digest.len());
        let mut whole = [0xff; MAX_WHOLE];
        let length = key.write_whole(packet, &mut whole);
        assert_eq!(length, key.whole_length());
        assert_eq!(whole[..digest.len()], *digest);
        assert!(whole[length..].iter().all(|octet| *octet == 0) && key.verify(packet, &whole[..length]));
        whole[length - 1] ^= 1;
        assert!(!key.verify(packet, &whole[..length]));
        assert!(key.verify(packet, digest));
        assert!(!key.verify(packet, &digest[1..]) && !key.verify(packet, &[]) && !key.verify(packet, &[digest, &[0]].concat()));
        assert!((0..=MAX_WHOLE).filter(|length| key.verify(packet, &[&whole[..], &[0]].concat()[..*length])).count() <= 1);
        for place in 0..digest.len() {
            let mut wrong = digest.to_vec();
            wrong[place] ^= 0x80;
            assert!(!key.verify(packet, &wrong));
        }
    }

    #[test]
    fn keys_that_can_not_be_are_refused_by_field() {
        for (kind, secret, field) in [("md5", &[][..], "secret"), ("aes128", &[0; 15], "secret"), ("aes256", &[0; 16], "secret")] {
            assert!(MacKey::new(kind, secret).err().unwrap().starts_with(field));
        }
        assert!(MacKey::new("sha512", &[0; 257]).is_err() && MacKey::new("sha512", &[0; 256]).is_ok());
        assert!(MacKey::new("sha3", &[0; 16]).err().unwrap().starts_with("kind"));
    }
}
