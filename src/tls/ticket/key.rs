//! One period's key: its derivation, and the ticket that it seals, which is
//! `key name (16 bytes) || nonce (12) || ciphertext || tag (16)`. Both are a format: replicas of different
//! versions share it, and `known_answer` in the tests pins it.

use std::iter;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf;

const NAME_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const AEAD_KEY_BYTES: usize = 32;

/// By how much a ticket is longer than what it holds.
pub(super) const OVERHEAD_BYTES: usize = NAME_BYTES + NONCE_BYTES + TAG_BYTES;

/// What the derived bytes are for, then the version of the format; the period follows.
const INFO: &[u8] = b"wssgate session ticket\x01";

/// Every key that opens in one period, derived beforehand.
pub(super) struct Ring {
    pub(super) period: u64,
    pub(super) sealing: Key,
    pub(super) others: Vec<Key>,
}

impl Ring {
    /// The key of that name, if its time is not up. Names are no secret, so they are compared as it comes.
    pub(super) fn find(&self, name: &[u8; NAME_BYTES], now: u64) -> Option<&Key> {
        let mut keys = iter::once(&self.sealing).chain(&self.others);
        keys.find(|key| key.name == *name && now < key.until)
    }
}

pub(super) struct Key {
    pub(super) name: [u8; NAME_BYTES],
    /// Replicas draw their nonces independently of each other. Should two meet, GCM-SIV tells no more than
    /// whether the sessions are equal (RFC 8452).
    aead: RandomizedNonceKey,
    /// In unix seconds, and in addition to what its period says.
    until: u64,
}

impl Key {
    pub(super) fn derive(prk: &hkdf::Prk, period: u64, until: u64) -> Result<Self, Unspecified> {
        let mut bytes = [0; NAME_BYTES + AEAD_KEY_BYTES];
        prk.expand(&[INFO, &period.to_be_bytes()], Length(bytes.len()))?.fill(&mut bytes)?;
        let (name, key) = bytes.split_first_chunk().ok_or(Unspecified)?;
        let aead = RandomizedNonceKey::new(&AES_256_GCM_SIV, key)?;
        Ok(Self { name: *name, aead, until })
    }

    pub(super) fn seal(&self, plain: &[u8], context: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = plain.to_vec();
        let nonce = self.aead.seal_in_place_append_tag(Aad::from(context), &mut sealed).ok()?;
        Some([&self.name, nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// What follows the key's name.
    pub(super) fn open(&self, sealed: &[u8], context: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let mut plain = sealed.to_vec();
        let opened = self.aead.open_in_place(Nonce::from(nonce), Aad::from(context), &mut plain);
        let plain_bytes = opened.ok()?.len();
        plain.truncate(plain_bytes);
        Some(plain)
    }
}

/// How many bytes HKDF shall give.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
