//! AES-CMAC (RFC 4493, NIST SP 800-38B), for several messages under one key side by side.
//!
//! A CMAC is a chain: each block waits for the one before. A processor with AES instructions works on several chains at the price of
//! the longest, and the bitsliced AES of processors without them does four blocks at the price of one. So the chains of a call (up to
//! `LANES`, all under one key) go forward in step.

use aes::cipher::array::Array;
use aes::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit, ParBlocks, consts::U16, typenum::Unsigned,
};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use zeroize::Zeroize;

/// Octets of a block, and of a CMAC.
pub const BLOCK: usize = 16;
/// One block.
pub type Block = [u8; BLOCK];
/// Chains that go forward in step: the blocks that bitsliced AES does at once.
pub const LANES: usize = 4;

/// An AES of any key size, encrypting only (no mode here decrypts blocks).
pub trait Cipher: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit {}
impl Cipher for Aes128Enc {}
impl Cipher for Aes192Enc {}
impl Cipher for Aes256Enc {}

/// x times the block, in the field GF(2^128) as CMAC counts its bits; in constant time.
#[inline]
pub fn double(block: Block) -> Block {
    let value = u128::from_be_bytes(block);
    ((value << 1) ^ (0u128.wrapping_sub(value >> 127) & 0x87)).to_be_bytes()
}

/// a ^ b.
#[inline]
pub fn xor(a: Block, b: Block) -> Block {
    (u128::from_ne_bytes(a) ^ u128::from_ne_bytes(b)).to_ne_bytes()
}

/// The first 16 octets of data, with zeros after them where it is shorter.
#[inline]
pub fn padded(data: &[u8]) -> Block {
    let mut block = [0; BLOCK];
    let length = data.len().min(BLOCK);
    block[..length].copy_from_slice(&data[..length]);
    block
}

/// A cipher under its key with the two subkeys of RFC 4493, section 2.3.
#[derive(Clone, Copy)]
pub struct Cmac<'c, C> {
    cipher: &'c C,
    whole: Block,
    broken: Block,
}

/// A key that is kept: key schedule and subkeys.
pub struct CmacKey<C> {
    cipher: C,
    whole: Block,
    broken: Block,
}

/// One chain: whole blocks, then one block that `Cmac::message` made ready.
#[derive(Clone, Copy, Default)]
pub struct Lane<'a> {
    body: &'a [aes::Block],
    last: aes::Block,
    steps: usize,
}

impl<'a> Lane<'a> {
    /// The chain over whole blocks only: a part of a message that goes on. Octets after the last whole block are left out.
    pub fn part(body: &'a [u8]) -> Self {
        let (body, _) = Array::slice_as_chunks(body);
        Self { body, last: aes::Block::default(), steps: body.len() }
    }

    /// One step of the chain, if it is that long.
    #[inline(always)]
    fn forward<B: BlockCipherEncBackend<BlockSize = U16>>(&self, step: usize, state: &mut aes::Block, backend: &B) {
        if step < self.steps {
            mix(state, self.block(step));
            backend.encrypt_block_inplace(state);
        }
    }

    #[inline(always)]
    fn block(&self, step: usize) -> &aes::Block {
        self.body.get(step).unwrap_or(&self.last)
    }
}

impl<C: Cipher> CmacKey<C> {
    /// key: as long as the cipher's keys are, else None.
    pub fn new(key: &[u8]) -> Option<Self> {
        let cipher = C::new_from_slice(key).ok()?;
        let Cmac { whole, broken, .. } = Cmac::new(&cipher);
        Some(Self { cipher, whole, broken })
    }

    /// Ready for use.
    #[inline]
    pub fn cmac(&self) -> Cmac<'_, C> {
        Cmac { cipher: &self.cipher, whole: self.whole, broken: self.broken }
    }

    /// Overwrites the key with zeros' schedule; nothing is gained by leaving the write out, as its result may be looked at.
    pub fn wipe(&mut self) {
        self.cipher = C::new(&Array::default());
        self.whole.zeroize();
        self.broken.zeroize();
        std::hint::black_box(&mut self.cipher);
    }
}

impl<'c, C: Cipher> Cmac<'c, C> {
    /// Makes the subkeys. (What is kept by reference is not copied: a schedule has room for bitsliced AES, 700 octets and more.)
    #[inline]
    pub fn new(cipher: &'c C) -> Self {
        let mut zero = aes::Block::default();
        cipher.encrypt_block(&mut zero);
        let whole = double(zero.into());
        Self { cipher, whole, broken: double(whole) }
    }

    /// The lane of a whole message of any length (0 too).
    #[inline]
    pub fn message<'a>(&self, data: &'a [u8]) -> Lane<'a> {
        let tail = match data.len() % BLOCK {
            0 => BLOCK.min(data.len()),
            rest => rest,
        };
        let (body, last) = data.split_at(data.len() - tail);
        let (body, _) = Array::slice_as_chunks(body);
        Lane { body, last: self.ready(last).into(), steps: body.len() + 1 }
    }

    /// The last block of a message, of 0 to 16 octets, with padding and subkey.
    #[inline]
    pub fn ready(&self, last: &[u8]) -> Block {
        let mut block = padded(last);
        match block.get_mut(last.len()) {
            None => xor(block, self.whole),
            Some(octet) => {
                *octet = 0x80;
                xor(block, self.broken)
            }
        }
    }

    /// The chains' ends, from zeros on: for a message its CMAC, for an unused lane zeros.
    #[inline]
    pub fn run(&self, lanes: &[Lane<'_>; LANES]) -> [Block; LANES] {
        let mut states = [aes::Block::default(); LANES];
        self.cipher.encrypt_with_backend(Chains { lanes, states: &mut states });
        states.map(Into::into)
    }

    /// One chain from a state on, over blocks that stand ready.
    #[inline]
    pub fn go_on(&self, state: Block, blocks: &[Block]) -> Block {
        let mut state = aes::Block::from(state);
        self.cipher.encrypt_with_backend(Chain { state: &mut state, blocks });
        state.into()
    }

    /// The CMAC of one message.
    pub fn mac(&self, data: &[u8]) -> Block {
        let none = Lane::default();
        self.run(&[self.message(data), none, none, none])[0]
    }
}

/// What `Cmac::run` does once it is known which instructions there are.
struct Chains<'a, 'b> {
    lanes: &'a [Lane<'b>; LANES],
    states: &'a mut [aes::Block; LANES],
}

impl BlockSizeUser for Chains<'_, '_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Chains<'_, '_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let longest = self.lanes.iter().map(|lane| lane.steps).max().unwrap_or(0);
        if B::ParBlocksSize::USIZE == LANES {
            return self.all_at_once(backend, longest);
        }
        let [first, second, third, fourth] = self.lanes;
        let [mut a, mut b, mut c, mut d] = [aes::Block::default(); LANES];
        for step in 0..longest {
            first.forward(step, &mut a, backend);
            second.forward(step, &mut b, backend);
            third.forward(step, &mut c, backend);
            fourth.forward(step, &mut d, backend);
        }
        *self.states = [a, b, c, d];
    }
}

impl Chains<'_, '_> {
    /// For a backend that does as many blocks at once as there are lanes.
    #[inline(always)]
    fn all_at_once<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B, longest: usize) {
        for step in 0..longest {
            let mut wide = ParBlocks::<B>::default();
            for ((block, state), lane) in wide.iter_mut().zip(self.states.iter()).zip(self.lanes) {
                *block = *state;
                mix(block, lane.block(step));
            }
            backend.encrypt_par_blocks_inplace(&mut wide);
            for ((block, state), lane) in wide.iter().zip(self.states.iter_mut()).zip(self.lanes) {
                if step < lane.steps {
                    *state = *block;
                }
            }
        }
    }
}

/// state ^= block; octet by octet, which becomes one instruction on a register (a u128 would go through two others).
#[inline(always)]
fn mix(state: &mut aes::Block, block: &aes::Block) {
    for (octet, mask) in state.iter_mut().zip(block) {
        *octet ^= mask;
    }
}

/// What `Cmac::go_on` does.
struct Chain<'a> {
    state: &'a mut aes::Block,
    blocks: &'a [Block],
}

impl BlockSizeUser for Chain<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Chain<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let mut state = *self.state;
        for block in self.blocks {
            mix(&mut state, block.into());
            backend.encrypt_block_inplace(&mut state);
        }
        *self.state = state;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{Four, counting, hex};

    const MESSAGE: &str = "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
        30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710";

    fn check<C: Cipher>(key: &str, vectors: &[(usize, &str)]) {
        let context = CmacKey::<C>::new(&hex(key)).unwrap();
        for (length, mac) in vectors {
            assert_eq!(context.cmac().mac(&hex(MESSAGE)[..*length]).to_vec(), hex(mac), "{length} octets");
        }
    }

    #[test]
    fn the_vectors_of_rfc_4493() {
        let key = "2b7e151628aed2a6abf7158809cf4f3c";
        let vectors = [
            (0, "bb1d6929e95937287fa37d129b756746"),
            (16, "070a16b46b4d4144f79bdd9dd04a287c"),
            (40, "dfa66747de9ae63030ca32611497c827"),
            (64, "51f0bebf7e3b9d92fc49741779363cfe"),
        ];
        check::<Aes128Enc>(key, &vectors);
        check::<Four<Aes128Enc>>(key, &vectors);
    }

    #[test]
    fn the_vectors_of_sp_800_38b_for_aes_256() {
        let key = "603deb1015ca71be2b73aef0857d7781 1f352c073b6108d72d9810a30914dff4";
        check::<Aes256Enc>(key, &[(0, "028962f61b7bf89efc6b551f4667d983"), (16, "28a7023f452e8f82bd4bf28d8c37c35c")]);
    }

    #[test]
    fn lanes_do_not_touch_each_other() {
        let context = CmacKey::<Aes128Enc>::new(&[7; 16]).unwrap();
        let wide = CmacKey::<Four<Aes128Enc>>::new(&[7; 16]).unwrap();
        let (context, wide) = (context.cmac(), wide.cmac());
        for length in 0..70 {
            let data = [counting(1, length), counting(2, 69 - length), counting(3, 16), counting(4, 33)];
            let macs = context.run(&data.each_ref().map(|data| context.message(data)));
            assert_eq!(macs, data.each_ref().map(|data| context.mac(data)));
            assert_eq!(macs, wide.run(&data.each_ref().map(|data| wide.message(data))));
        }
    }

    #[test]
    fn a_key_of_another_length_is_none() {
        assert!(CmacKey::<Aes128Enc>::new(&[0; 15]).is_none() && CmacKey::<Aes256Enc>::new(&[0; 16]).is_none());
    }

    #[test]
    fn what_is_wiped_is_another_key() {
        let mut context = CmacKey::<Aes128Enc>::new(&[7; 16]).unwrap();
        context.wipe();
        assert_ne!(context.cmac().mac(b"text"), CmacKey::<Aes128Enc>::new(&[7; 16]).unwrap().cmac().mac(b"text"));
        assert_eq!((context.whole, context.broken), ([0; BLOCK], [0; BLOCK]));
    }
}
