//! Signatures of artifacts: Ed25519 over a whole module, in a section of its own at its front.
//!
//! In: a module's bytes and keys, both untrusted. Out: the module with one more signature, or which of the
//! keys signed it. It makes no keys by chance, opens no file, and reads no section but that one.
//!
//! ```text
//! \0asm 1   signature    type  import  ...  code  data  ...  firstseen.rules
//! 8 bytes   a custom     \_________________________________________________/
//!           section         SHA-256 of all these bytes is what is signed
//! ```
//!
//! The format is that of wasmsign2 and of the WebAssembly tool conventions (Signatures.md), so that its
//! tools check what is signed here, and the other way round. The crate wasmsign2 is not used, because it
//! reserves up to 4 GiB for what a file merely claims, and takes more than one spelling of one signature.
//! Less is taken here than the format allows: a signature is of the whole module, and the section has
//! exactly one spelling. So a byte that is changed, added, moved or removed anywhere is refused. One thing the
//! format cannot protect: whoever has a signed file can add or remove signatures beside that of the key
//! that is asked for.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::string_slice
    )
)]

mod document;
mod error;
mod integers;
mod keys;
mod module;

pub use error::{KeyError, SignatureError};
pub use keys::{KeyId, SigningKey, VerifyingKey};

use document::{Document, Signature};
use module::{HEADER, SignedModule};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Adds a signature. It is nothing where this key has signed these bytes already.
///
/// # Errors
/// When the bytes are not a module, or carry a signature that is damaged or of other content.
pub fn sign(wasm: &[u8], key: &SigningKey) -> Result<Option<Vec<u8>>, SignatureError> {
    let module = SignedModule::read(wasm)?;
    let hash = Sha256::digest(module.content).into();
    let mut document = match module.section {
        None => Document { hash, signatures: Vec::new() },
        Some(section) => signed_document(section, hash)?,
    };
    let public = key.public();
    if document.is_by(&public) {
        return Ok(None);
    }
    if document.signatures.iter().any(|one| one.key == Some(public.id())) {
        return Err(SignatureError::Invalid(public.id()));
    }
    let signature = Signature { key: Some(public.id()), bytes: key.sign(&document.message()) };
    document.signatures.push(signature);
    let section = document.section()?;
    Ok(Some([HEADER.as_slice(), &section, module.content].concat()))
}

/// Which of these keys signed this module: at least one.
///
/// # Errors
/// Why it is signed by none of them.
pub fn check<'k>(
    wasm: &[u8],
    keys: &'k [VerifyingKey],
) -> Result<Vec<&'k VerifyingKey>, SignatureError> {
    let document = document_of(wasm)?;
    let by: Vec<_> = keys.iter().filter(|key| document.is_by(key)).collect();
    if !by.is_empty() {
        return Ok(by);
    }
    // A signature that names a key which is known, and was not made by it.
    let claims = |one: &&Signature| keys.iter().any(|key| one.key == Some(key.id()));
    match document.signatures.iter().find(claims).and_then(|one| one.key) {
        Some(id) => Err(SignatureError::Invalid(id)),
        None => Err(SignatureError::OtherKeys(document.ids())),
    }
}

/// The keys that a module's signatures name, unchecked but for the content that they are of; nothing
/// for a signature that names none.
///
/// # Errors
/// When it is not signed, or its signature is damaged or of other content.
pub fn signers(wasm: &[u8]) -> Result<Vec<Option<KeyId>>, SignatureError> {
    Ok(document_of(wasm)?.signatures.iter().map(|one| one.key).collect())
}

/// A module without the signature at its front. What it does is the same.
#[must_use]
pub fn unsigned(wasm: &[u8]) -> Cow<'_, [u8]> {
    match module::behind_signature(wasm) {
        None => Cow::Borrowed(wasm),
        Some(content) => Cow::Owned([HEADER.as_slice(), content].concat()),
    }
}

fn document_of(wasm: &[u8]) -> Result<Document, SignatureError> {
    let module = SignedModule::read(wasm)?;
    let section = module.section.ok_or(SignatureError::NotSigned)?;
    signed_document(section, Sha256::digest(module.content).into())
}

/// What a section holds, if it is of content with this hash.
fn signed_document(section: &[u8], hash: [u8; 32]) -> Result<Document, SignatureError> {
    let document = Document::read(section)?;
    if document.hash != hash {
        return Err(SignatureError::Changed);
    }
    Ok(document)
}
