//! AES-SIV-CMAC-256, -384 and -512 (RFC 5297), in place. The synthetic IV stands before the ciphertext.

use aes::cipher::Key;
use aes::cipher::array::Array;
use subtle::ConstantTimeEq;

use crate::cmac::{BLOCK, Block, Cipher, Cmac, CmacKey, LANES, Lane, double, padded, xor};

/// Octets that sealing adds, before the text.
pub const IV: usize = 16;
/// Blocks of key stream made at once: what AES instructions do side by side.
const WIDE: usize = 8;

/// A key that is kept: both AES key schedules and the subkeys.
pub struct Siv<C> {
    mac: CmacKey<C>,
    stream: C,
}

impl<C: Cipher> Siv<C> {
    /// The context of a key, which is twice as long as the cipher's: first the half of the CMAC, then the half of the key stream.
    /// None where the length is another.
    pub fn new(key: &[u8]) -> Option<Self> {
        let (mac, stream) = halves::<C>(key)?;
        Some(Self { mac: CmacKey::new(mac)?, stream: C::new(stream) })
    }

    /// Overwrites the key, which is of no use then.
    pub fn wipe(&mut self) {
        self.mac.wipe();
        self.stream = C::new(&Array::default());
        std::hint::black_box(&mut self.stream);
    }

    /// Seals text[16..] in place and writes the synthetic IV before it. text: at least 16 octets, else false and nothing is done.
    /// with: what is authenticated besides (a nonce is the last of it).
    #[inline]
    pub fn seal(&self, with: &[&[u8]], text: &mut [u8]) -> bool {
        let Some((iv, plain)) = text.split_first_chunk_mut::<IV>() else { return false };
        *iv = s2v(&self.mac.cmac(), with, plain);
        apply_stream(&self.stream, iv, plain);
        true
    }

    /// Opens text in place: text[16..] is the plaintext then. False where it is not what was sealed; the plaintext is zeros then.
    #[inline]
    pub fn open(&self, with: &[&[u8]], text: &mut [u8]) -> bool {
        let Some((iv, plain)) = text.split_first_chunk_mut::<IV>() else { return false };
        apply_stream(&self.stream, iv, plain);
        is_genuine(&self.mac.cmac(), with, iv, plain)
    }
}

/// The two halves of a key, None where its length is wrong.
#[inline]
fn halves<C: Cipher>(key: &[u8]) -> Option<(&Key<C>, &Key<C>)> {
    let (mac, stream) = key.split_at_checked(C::key_size())?;
    Some((mac.try_into().ok()?, stream.try_into().ok()?))
}

/// As `Siv::seal` for a key that is used once. False also where the key's length is wrong.
#[inline]
pub fn seal_once<C: Cipher>(key: &[u8], with: &[&[u8]], text: &mut [u8]) -> bool {
    let Some((mac, stream)) = halves::<C>(key) else { return false };
    let Some((iv, plain)) = text.split_first_chunk_mut::<IV>() else { return false };
    let mac = C::new(mac);
    *iv = s2v(&Cmac::new(&mac), with, plain);
    if !plain.is_empty() {
        apply_stream(&C::new(stream), iv, plain);
    }
    true
}

/// As `Siv::open` for a key that is used once; without text no key stream is set up, as in nearly all requests of NTS.
#[inline]
pub fn open_once<C: Cipher>(key: &[u8], with: &[&[u8]], text: &mut [u8]) -> bool {
    let Some((mac, stream)) = halves::<C>(key) else { return false };
    let Some((iv, plain)) = text.split_first_chunk_mut::<IV>() else { return false };
    if !plain.is_empty() {
        apply_stream(&C::new(stream), iv, plain);
    }
    let mac = C::new(mac);
    is_genuine(&Cmac::new(&mac), with, iv, plain)
}

#[inline]
fn is_genuine<C: Cipher>(mac: &Cmac<'_, C>, with: &[&[u8]], iv: &Block, plain: &mut [u8]) -> bool {
    let genuine = bool::from(s2v(mac, with, plain).ct_eq(iv));
    if !genuine {
        plain.fill(0);
    }
    genuine
}

/// S2V of RFC 5297, section 2.4. The chains of what is authenticated and of the text's beginning go side by side.
#[inline]
fn s2v<C: Cipher>(mac: &Cmac<'_, C>, with: &[&[u8]], text: &[u8]) -> Block {
    let end = End::of(text);
    let (first, more) = with.split_at(with.len().min(2));
    let lane = |place: usize| first.get(place).map_or_else(Lane::default, |data| mac.message(data));
    let ends = mac.run(&[mac.message(&[0; BLOCK]), lane(0), lane(1), Lane::part(end.body)]);
    let mut sum = ends[0];
    for end in &ends[1..=first.len()] {
        sum = xor(double(sum), *end);
    }
    for group in more.chunks(LANES) {
        let lane = |place: usize| group.get(place).map_or_else(Lane::default, |data| mac.message(data));
        for end in &mac.run(&[lane(0), lane(1), lane(2), lane(3)])[..group.len()] {
            sum = xor(double(sum), *end);
        }
    }
    end.finish(mac, ends[3], sum)
}

/// A text for S2V: its beginning, which does not depend on the other strings, and the one or two blocks at its end that do.
struct End<'a> {
    body: &'a [u8],
    /// The last whole block where octets follow it.
    straddled: &'a [u8],
    last: &'a [u8],
}

impl<'a> End<'a> {
    #[inline]
    fn of(text: &'a [u8]) -> Self {
        let whole = text.len() / BLOCK * BLOCK;
        let (cut, last) = match text.len() % BLOCK {
            0 => (whole.saturating_sub(BLOCK), whole.saturating_sub(BLOCK)),
            _ => (whole.saturating_sub(BLOCK), whole),
        };
        Self { body: &text[..cut], straddled: &text[cut..last], last: &text[last..] }
    }

    /// The CMAC of the text with the sum of the others mixed into its last 16 octets ("xorend"), or after it if it is shorter.
    #[inline]
    fn finish<C: Cipher>(&self, mac: &Cmac<'_, C>, state: Block, sum: Block) -> Block {
        let length = self.last.len();
        if length == BLOCK {
            return mac.go_on(state, &[mac.ready(&xor(padded(self.last), sum))]);
        }
        if self.straddled.is_empty() {
            let mut block = padded(self.last);
            block[length] = 0x80;
            return mac.go_on(state, &[mac.ready(&xor(double(sum), block))]);
        }
        let (head, tail) = sum.split_at(BLOCK - length);
        let mut before = [0; BLOCK];
        before[length..].copy_from_slice(head);
        let last = xor(padded(self.last), padded(tail));
        mac.go_on(state, &[xor(padded(self.straddled), before), mac.ready(&last[..length])])
    }
}

/// Text ^ AES in counter mode from the synthetic IV on, two of its bits cleared (RFC 5297, section 2.5).
#[inline]
fn apply_stream<C: Cipher>(stream: &C, iv: &Block, text: &mut [u8]) {
    let mut counter = u128::from_be_bytes(*iv) & !((1 << 63) | (1 << 31));
    for part in text.chunks_mut(WIDE * BLOCK) {
        let mut blocks = [aes::Block::default(); WIDE];
        // Rounded up to what bitsliced AES does at once: the blocks in vain cost nothing.
        let used = part.len().div_ceil(BLOCK).next_multiple_of(LANES);
        for block in &mut blocks[..used] {
            *block = counter.to_be_bytes().into();
            counter = counter.wrapping_add(1);
        }
        stream.encrypt_blocks(&mut blocks[..used]);
        for (octet, mask) in part.iter_mut().zip(Array::slice_as_flattened(&blocks)) {
            *octet ^= mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{Four, counting, hex};
    use aes::{Aes128Enc, Aes192Enc, Aes256Enc};

    fn check(key: &str, with: &[&str], plain: &str, sealed: &str) {
        let with: Vec<Vec<u8>> = with.iter().map(|text| hex(text)).collect();
        let with: Vec<&[u8]> = with.iter().map(Vec::as_slice).collect();
        let mut text = vec![0; IV];
        text.extend(hex(plain));
        assert!(Siv::<Aes128Enc>::new(&hex(key)).unwrap().seal(&with, &mut text));
        assert_eq!(text, hex(sealed));
        assert!(open_once::<Four<Aes128Enc>>(&hex(key), &with, &mut text));
        assert_eq!(text[IV..], hex(plain));
    }

    #[test]
    fn the_vectors_of_rfc_5297() {
        check(
            "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0 f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
            &["101112131415161718191a1b1c1d1e1f2021222324252627"],
            "112233445566778899aabbccddee",
            "85632d07c6e8f37f950acd320a2ecc93 40c02b9690c4dc04daef7f6afe5c",
        );
        check(
            "7f7e7d7c7b7a79787776757473727170 404142434445464748494a4b4c4d4e4f",
            &[
                "00112233445566778899aabbccddeeff deaddadadeaddadaffeeddccbbaa99887766554433221100",
                "102030405060708090a0",
                "09f911029d74e35bd84156c5635688c0",
            ],
            "7468697320697320736f6d6520706c61 696e7465787420746f20656e63727970 74207573696e67205349562d414553",
            "7bdb6e3b432667eb06f4d14bff2fbd0f cb900f2fddbe404326601965c889bf17
             dba77ceb094fa663b7a3f748ba8af829 ea64ad544a272e9c485b62a3fd5c0d",
        );
    }

    /// S2V as RFC 5297, section 2.4 writes it, one string after the other.
    fn plain_s2v<C: Cipher>(mac: &Cmac<'_, C>, with: &[&[u8]], text: &[u8]) -> Block {
        let sum = with.iter().fold(mac.mac(&[0; BLOCK]), |sum, data| xor(double(sum), mac.mac(data)));
        if text.len() < BLOCK {
            let mut block = padded(text);
            block[text.len()] = 0x80;
            return mac.mac(&xor(double(sum), block));
        }
        let mut mixed = text.to_vec();
        let start = text.len() - BLOCK;
        mixed[start..].iter_mut().zip(sum).for_each(|(octet, mask)| *octet ^= mask);
        mac.mac(&mixed)
    }

    fn compare<C: Cipher>(key: &[u8], strings: usize, length: usize) {
        let context = Siv::<C>::new(key).unwrap();
        let with: Vec<Vec<u8>> = (0..strings).map(|number| counting(number as u8, number * 7 % 40)).collect();
        let with: Vec<&[u8]> = with.iter().map(Vec::as_slice).collect();
        let plain = counting(100, length);
        let mut text = vec![0; IV + length];
        text[IV..].copy_from_slice(&plain);
        let mut again = text.clone();
        assert!(context.seal(&with, &mut text) && seal_once::<C>(key, &with, &mut again));
        assert_eq!(text[..IV], plain_s2v(&context.mac.cmac(), &with, &plain));
        assert_eq!(text, again);
        for place in 0..text.len() {
            let mut forged = text.clone();
            forged[place] ^= 1;
            assert!(!context.open(&with, &mut forged));
            assert!(forged[IV..].iter().all(|octet| *octet == 0));
        }
        assert!(open_once::<C>(key, &with, &mut again));
        assert_eq!(again[IV..], plain);
    }

    #[test]
    fn every_length_and_number_of_strings_is_s2v() {
        for length in (0..70).chain([127, 128, 129, 160]) {
            compare::<Aes128Enc>(&counting(1, 32), length % 8, length);
            compare::<Aes192Enc>(&counting(2, 48), 2, length);
            compare::<Aes256Enc>(&counting(3, 64), 3, length);
            compare::<Four<Aes128Enc>>(&counting(4, 32), length % 5, length);
        }
    }

    #[test]
    fn the_key_stream_counts_over_its_whole_width() {
        let stream = <Aes128Enc as aes::cipher::KeyInit>::new(&[5; 16].into());
        let mut text = [0; 40];
        apply_stream(&stream, &[0xff; 16], &mut text);
        // The two cleared bits stop the carry of the lowest 31 bits.
        for (place, part) in text.chunks(BLOCK).enumerate() {
            let mut block = aes::Block::from([0xff; 16]);
            let low = 0x7fff_ffff_7fff_ffff_u64 + place as u64;
            block[8..].copy_from_slice(&low.to_be_bytes());
            aes::cipher::BlockCipherEncrypt::encrypt_block(&stream, &mut block);
            assert_eq!(part, &block[..part.len()]);
        }
    }

    #[test]
    fn lengths_that_can_not_be_are_refused() {
        assert!(Siv::<Aes128Enc>::new(&[0; 31]).is_none() && Siv::<Aes128Enc>::new(&[0; 33]).is_none());
        assert!(!open_once::<Aes128Enc>(&[0; 33], &[], &mut [0; 16]) && !open_once::<Aes128Enc>(&[], &[], &mut [0; 16]));
        assert!(!open_once::<Aes128Enc>(&[0; 32], &[], &mut [0; 15]) && !seal_once::<Aes128Enc>(&[0; 32], &[], &mut []));
    }
}
