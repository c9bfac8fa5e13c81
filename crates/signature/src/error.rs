//! Why a key or a signature is not taken.
//!
//! In: what is wrong. Out: errors whose text continues "NAME: ".

use crate::keys::KeyId;
use thiserror::Error;

/// Why bytes are not the key that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Of no known form.
    #[error("not an Ed25519 key: neither as wasmsign2 and `firstseen keygen` write it nor PEM")]
    Unknown,
    /// A secret key, where a public one is to be.
    #[error("a secret key: keep it to yourself, and give the public key beside it")]
    IsSecret,
    /// A public key, where a secret one is to be.
    #[error("a public key; what signs is the secret one")]
    IsPublic,
    /// Of the right form, and not usable.
    #[error("a damaged key: make another pair with `firstseen keygen`")]
    Damaged,
}

/// Why a module is not signed as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// The bytes are not sections of a module.
    #[error("not a WebAssembly module, or one that is damaged")]
    NotAModule,
    /// No signature.
    #[error("it is not signed")]
    NotSigned,
    /// A signature that is not the first section, or one of several.
    #[error("it has a signature that is not its first section: it was changed after it was signed")]
    Misplaced,
    /// A section that cannot be read.
    #[error("its signature is damaged: {0}")]
    Damaged(&'static str),
    /// Signatures of parts of a module are not taken.
    #[error("its signature is of parts of it, and not of the whole file")]
    Parts,
    /// Other content than was signed.
    #[error("it was changed after it was signed")]
    Changed,
    /// The signature names a key that did not make it.
    #[error("its signature names key {0}, which did not make it")]
    Invalid(KeyId),
    /// Signed by keys that were not given.
    #[error("it is signed by {0}, and by none of the keys that were given")]
    OtherKeys(String),
    /// As many as there may be.
    #[error("it has {0} signatures already, and no more are taken")]
    TooMany(usize),
}
