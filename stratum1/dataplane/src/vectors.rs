//! What the tests of the ciphers share: octets from hexadecimal, and AES as it is on processors without instructions for it.

use aes::cipher::consts::{U4, U16};
use aes::cipher::{
    Block, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, InOut, Key, KeyInit, KeySizeUser,
    ParBlocksSizeUser,
};

use crate::cmac::Cipher;

/// Octets; spaces are left out.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// 0, 1, 2, ... from `first` on.
pub fn counting(first: u8, length: usize) -> Vec<u8> {
    (0..length).map(|place| first.wrapping_add(place as u8)).collect()
}

/// A cipher whose backend does four blocks at once, as the bitsliced AES does.
pub struct Four<C>(C);

impl<C> BlockSizeUser for Four<C> {
    type BlockSize = U16;
}

impl<C: KeySizeUser> KeySizeUser for Four<C> {
    type KeySize = C::KeySize;
}

impl<C: KeyInit> KeyInit for Four<C> {
    fn new(key: &Key<Self>) -> Self {
        Self(C::new(key))
    }
}

impl<C: Cipher> BlockCipherEncrypt for Four<C> {
    fn encrypt_with_backend(&self, f: impl BlockCipherEncClosure<BlockSize = U16>) {
        f.call(&FourBackend(&self.0));
    }
}

impl<C: Cipher> Cipher for Four<C> {}

struct FourBackend<'a, C>(&'a C);

impl<C> BlockSizeUser for FourBackend<'_, C> {
    type BlockSize = U16;
}

impl<C> ParBlocksSizeUser for FourBackend<'_, C> {
    type ParBlocksSize = U4;
}

impl<C: Cipher> BlockCipherEncBackend for FourBackend<'_, C> {
    fn encrypt_block(&self, block: InOut<'_, '_, Block<Self>>) {
        self.0.encrypt_block_inout(block);
    }
}
