//! AES-128-GCM-SIV (RFC 8452), in place. The tag stands after the ciphertext.

use aes::Aes128Enc;
use aes::cipher::array::Array;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use polyval::Polyval;
use polyval::universal_hash::UniversalHash;
use subtle::ConstantTimeEq;

use crate::cmac::{BLOCK, Block, LANES};

/// Octets that sealing adds, after the text.
pub const TAG: usize = 16;
/// Octets of a nonce.
pub const NONCE: usize = 12;
/// Octets of a key.
pub const KEY: usize = 16;
/// Blocks of key stream made at once.
const WIDE: usize = 8;

/// Seals in place what stands before the last 16 octets of text, which become the tag. text: at least 16 octets, else false.
#[inline]
pub fn seal(key: &[u8; KEY], nonce: &[u8; NONCE], with: &[u8], text: &mut [u8]) -> bool {
    let Some((plain, tag)) = text.split_last_chunk_mut::<TAG>() else { return false };
    let keys = Keys::derive(key, nonce);
    *tag = keys.tag(nonce, with, plain);
    keys.apply_stream(tag, plain);
    true
}

/// Opens in place: what stands before the last 16 octets of text is the plaintext then. False where it is not what was sealed; the
/// plaintext is zeros then.
#[inline]
pub fn open(key: &[u8; KEY], nonce: &[u8; NONCE], with: &[u8], text: &mut [u8]) -> bool {
    let Some((plain, tag)) = text.split_last_chunk_mut::<TAG>() else { return false };
    let keys = Keys::derive(key, nonce);
    keys.apply_stream(tag, plain);
    let genuine = bool::from(keys.tag(nonce, with, plain).ct_eq(tag));
    if !genuine {
        plain.fill(0);
    }
    genuine
}

/// The two keys of one message.
struct Keys {
    hash: Polyval,
    cipher: Aes128Enc,
}

impl Keys {
    /// RFC 8452, section 4: the left halves of four blocks are the keys.
    #[inline]
    fn derive(key: &[u8; KEY], nonce: &[u8; NONCE]) -> Self {
        let mut blocks = [aes::Block::default(); LANES];
        for (number, block) in (0u8..).zip(&mut blocks) {
            block[0] = number;
            block[BLOCK - NONCE..].copy_from_slice(nonce);
        }
        Aes128Enc::new(key.into()).encrypt_blocks(&mut blocks);
        let join = |first: usize| {
            let mut joined = [0; BLOCK];
            let (left, right) = joined.split_at_mut(BLOCK / 2);
            left.copy_from_slice(&blocks[first][..BLOCK / 2]);
            right.copy_from_slice(&blocks[first + 1][..BLOCK / 2]);
            joined
        };
        Self { hash: Polyval::new(&join(0).into()), cipher: Aes128Enc::new(&join(2).into()) }
    }

    #[inline]
    fn tag(&self, nonce: &[u8; NONCE], with: &[u8], plain: &[u8]) -> Block {
        let mut hash = self.hash.clone();
        hash.update_padded(with);
        hash.update_padded(plain);
        let mut lengths = [0; BLOCK];
        let (left, right) = lengths.split_at_mut(BLOCK / 2);
        left.copy_from_slice(&(with.len() as u64 * 8).to_le_bytes());
        right.copy_from_slice(&(plain.len() as u64 * 8).to_le_bytes());
        hash.update(&[lengths.into()]);
        let mut block = hash.finalize();
        for (octet, mask) in block.iter_mut().zip(nonce) {
            *octet ^= mask;
        }
        block[BLOCK - 1] &= 0x7f;
        self.cipher.encrypt_block(&mut block);
        block.into()
    }

    /// Text ^ AES in counter mode; the counter is the first four octets, little endian, and wraps around in them.
    #[inline]
    fn apply_stream(&self, tag: &Block, text: &mut [u8]) {
        let mut fixed = *tag;
        fixed[BLOCK - 1] |= 0x80;
        let [a, b, c, d, ..] = fixed;
        let mut counter = u32::from_le_bytes([a, b, c, d]);
        for part in text.chunks_mut(WIDE * BLOCK) {
            let mut blocks = [aes::Block::from(fixed); WIDE];
            let used = part.len().div_ceil(BLOCK).next_multiple_of(LANES);
            for block in &mut blocks[..used] {
                block[..4].copy_from_slice(&counter.to_le_bytes());
                counter = counter.wrapping_add(1);
            }
            self.cipher.encrypt_blocks(&mut blocks[..used]);
            for (octet, mask) in part.iter_mut().zip(Array::slice_as_flattened(&blocks)) {
                *octet ^= mask;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::hex;

    fn check(key: &str, nonce: &str, with: &str, plain: &str, sealed: &str) {
        let key: [u8; KEY] = hex(key).try_into().unwrap();
        let nonce: [u8; NONCE] = hex(nonce).try_into().unwrap();
        let mut text = hex(plain);
        text.extend([0; TAG]);
        assert!(seal(&key, &nonce, &hex(with), &mut text));
        assert_eq!(text, hex(sealed));
        let mut again = text.clone();
        assert!(open(&key, &nonce, &hex(with), &mut again));
        assert_eq!(again[..again.len() - TAG], hex(plain));
        for place in 0..text.len() {
            let mut forged = text.clone();
            forged[place] ^= 1;
            assert!(!open(&key, &nonce, &hex(with), &mut forged));
            assert!(forged[..forged.len() - TAG].iter().all(|octet| *octet == 0));
        }
    }

    #[test]
    fn vectors_of_rfc_8452() {
        let (key, nonce) = ("01000000000000000000000000000000", "030000000000000000000000");
        check(key, nonce, "", "", "dc20e2d83f25705bb49e439eca56de25");
        check(key, nonce, "", "0100000000000000", "b5d839330ac7b786578782fff6013b815b287c22493a364c");
        check(
            key,
            nonce,
            "01",
            "020000000000000000000000 00000000 03000000000000000000000000000000",
            "620048ef3c1e73e57e02bb8562c416a3 19e73e4caac8e96a1ecb2933145a1d71 e6af6a7f87287da059a71684ed3498e1",
        );
    }

    #[test]
    fn the_counter_wraps_in_its_four_octets() {
        // Made so that the tag begins with ffffffff.
        check(
            "000102030405060708090a0b0c0d0e0f",
            "6465666768696a6b6c6d6e6f",
            "",
            "7374726174756d3120636f756e746572 914047851cd9ca70fdf9a226b63b2135",
            "c5591e182537dc43a05d6ff2c86c8d4b 02ac3181eb74a01ad3b456f66bfa64af ffffffff000000000000000000000000",
        );
    }

    #[test]
    fn a_text_without_room_for_the_tag_is_refused() {
        assert!(!seal(&[0; KEY], &[0; NONCE], &[], &mut [0; 15]) && !open(&[0; KEY], &[0; NONCE], &[], &mut []));
    }
}
