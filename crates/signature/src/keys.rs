//! Keys: read from the bytes of a file, written, named by a fingerprint.
//!
//! In: a file's bytes, untrusted, or 32 bytes that nobody can guess. Out: keys, and what their files hold.
//! It opens no file and never shows a secret key.
//!
//! A file is one byte (1 for a public key, 0x81 for a secret one) and the key, as wasmsign2 has it; or PEM,
//! as OpenSSL writes Ed25519 keys.

use crate::error::KeyError;
use ed25519_compact::{KeyPair, PublicKey, SecretKey, Seed};
use sha2::{Digest, Sha256};
use std::fmt;

/// What a file of a public key begins with.
const PUBLIC: u8 = 0x01;
/// What a file of a secret key begins with.
const SECRET: u8 = 0x81;

/// The fingerprint of a public key: 12 bytes, as wasmsign2 derives them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 12]);

impl KeyId {
    /// Of the bytes in a signature.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(to, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "KeyId({self})")
    }
}

/// A public key: it says whether a signature was made by its secret half.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    key: PublicKey,
    id: KeyId,
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "VerifyingKey({})", self.id)
    }
}

impl VerifyingKey {
    /// Reads what a file of a public key holds.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, KeyError> {
        let key = match (bytes.split_first(), text(bytes)) {
            (Some((&PUBLIC, key)), _) if key.len() == 32 => PublicKey::from_slice(key).ok(),
            (Some((&SECRET, key)), _) if key.len() == 64 => return Err(KeyError::IsSecret),
            (_, Some(pem)) if is_secret(pem) => return Err(KeyError::IsSecret),
            (_, Some(pem)) if is_public(pem) => PublicKey::from_pem(pem).ok(),
            _ => return Err(KeyError::Unknown),
        };
        // A weak key would let a signature be of anything.
        let key = key.filter(|key| key.validate().is_ok());
        key.map(Self::of).ok_or(KeyError::Damaged)
    }

    fn of(key: PublicKey) -> Self {
        let id = hmac_sha256(&key, b"key_id").first_chunk().copied();
        Self { key, id: KeyId(id.unwrap_or_default()) }
    }

    /// Its fingerprint.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Its file, as wasmsign2 has it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&[PUBLIC], &self.key[..]].concat()
    }

    /// Its file as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.key.to_pem()
    }

    /// Whether it made this signature of this message.
    pub(crate) fn made(&self, signature: &[u8; 64], message: &[u8]) -> bool {
        self.key.verify(message, &ed25519_compact::Signature::new(*signature)).is_ok()
    }
}

/// A secret key. What it is can be written to a file and is never shown.
#[derive(Clone)]
pub struct SigningKey(SecretKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "SigningKey(of {})", self.public().id())
    }
}

impl SigningKey {
    /// Reads what a file of a secret key holds.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, KeyError> {
        let key = match (bytes.split_first(), text(bytes)) {
            (Some((&SECRET, key)), _) if key.len() == 64 => SecretKey::from_slice(key).ok(),
            (Some((&PUBLIC, key)), _) if key.len() == 32 => return Err(KeyError::IsPublic),
            (_, Some(pem)) if is_secret(pem) => SecretKey::from_pem(pem).ok(),
            (_, Some(pem)) if is_public(pem) => return Err(KeyError::IsPublic),
            _ => return Err(KeyError::Unknown),
        };
        // To sign with a public half that is another key's gives the secret away.
        let key = key.filter(|key| key.validate_public_key(&key.public_key()).is_ok());
        key.map(Self).ok_or(KeyError::Damaged)
    }

    /// A key from 32 bytes that nobody can guess.
    ///
    /// # Errors
    /// When all of them are zero.
    pub fn from_seed(seed: [u8; 32]) -> Result<Self, KeyError> {
        let pair = KeyPair::try_from_seed(Seed::new(seed)).map_err(|_| KeyError::Damaged)?;
        Ok(Self(pair.sk))
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> VerifyingKey {
        VerifyingKey::of(self.0.public_key())
    }

    /// Its file, as wasmsign2 has it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&[SECRET], &self.0[..]].concat()
    }

    /// Its file as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0.to_pem()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        *self.0.sign(message, None)
    }
}

/// HMAC (RFC 2104) with a key that is shorter than a block. Crate hmac would give `digest` a feature that it does
/// not have in build scripts, and so build cranelift, which uses it too, twice.
fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let block = |pad: u8| {
        let mut block = [pad; 64];
        block.iter_mut().zip(key).for_each(|(to, byte)| *to ^= byte);
        block
    };
    let inner = Sha256::new().chain_update(block(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block(0x5c)).chain_update(inner).finalize().into()
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn is_secret(pem: &str) -> bool {
    // "BEGIN PRIVATE KEY", "BEGIN OPENSSH PRIVATE KEY" and the like.
    pem.contains("PRIVATE KEY-----")
}

fn is_public(pem: &str) -> bool {
    pem.contains("-----BEGIN PUBLIC KEY-----")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_from_both_forms_and_are_not_mixed_up() {
        let secret = SigningKey::from_seed([7; 32]).unwrap();
        let public = secret.public();
        for bytes in [secret.to_bytes(), secret.to_pem().into_bytes()] {
            assert_eq!(SigningKey::read(&bytes).unwrap().to_bytes(), secret.to_bytes());
            assert_eq!(VerifyingKey::read(&bytes), Err(KeyError::IsSecret));
        }
        for bytes in [public.to_bytes(), public.to_pem().into_bytes()] {
            assert_eq!(VerifyingKey::read(&bytes).unwrap(), public);
            assert_eq!(SigningKey::read(&bytes).unwrap_err(), KeyError::IsPublic);
        }
        assert!(!format!("{secret:?}{public:?}").contains("7, 7"));
        assert_eq!(format!("{secret:?}"), format!("SigningKey(of {})", public.id()));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let secret = SigningKey::from_seed([7; 32]).unwrap();
        let whole = secret.to_bytes();
        for cut in 0..whole.len() {
            assert_eq!(SigningKey::read(&whole[..cut]).unwrap_err(), KeyError::Unknown);
        }
        // The public half of another key.
        let mut mixed = whole.clone();
        mixed[40] ^= 1;
        assert_eq!(SigningKey::read(&mixed).unwrap_err(), KeyError::Damaged);
        assert_eq!(SigningKey::from_seed([0; 32]).unwrap_err(), KeyError::Damaged);
        // Points of small order: with them a signature is of any message.
        let mut neutral = [0; 33];
        (neutral[0], neutral[1]) = (PUBLIC, 1);
        assert_eq!(VerifyingKey::read(&neutral), Err(KeyError::Damaged));
        let zero: Vec<u8> = [&[PUBLIC][..], &[0; 32]].concat();
        assert_eq!(VerifyingKey::read(&zero), Err(KeyError::Damaged));
        let pem = secret.public().to_pem();
        for wrong in [pem.replace("MCow", "MCox"), pem.replace("-----END", "----END")] {
            assert_eq!(VerifyingKey::read(wrong.as_bytes()), Err(KeyError::Damaged), "{wrong}");
        }
        assert_eq!(VerifyingKey::read(b"ssh-ed25519 AAAA"), Err(KeyError::Unknown));
    }
}
