//! The section that holds the signatures.
//!
//! In: the section's bytes, untrusted. Out: what they say, and the same bytes again. What has another
//! spelling than that is refused, and nothing is reserved for what they merely claim.
//!
//! ```text
//! 00  size  9 "signature"                 a custom section
//!   01 01 01                              version, of a module, SHA-256
//!   01  size                              one set of hashes
//!     01  hash (32)                       one hash: of all that is behind the section
//!     n   size                            n signatures
//!       id (0 or 12)  01  64  signature   the key's id, Ed25519
//! ```

use crate::error::SignatureError;
use crate::integers::{push_slice, push_u32, take_slice, take_u32};
use crate::keys::{KeyId, VerifyingKey};
use crate::module::{CUSTOM, NAME};

/// Before what is signed, so that a signature is of nothing else.
const DOMAIN: &[u8] = b"wasmsig";
/// Version of the format, a module, SHA-256.
const KIND: [u8; 3] = [1, 1, 1];
/// Ed25519.
const ALGORITHM: u8 = 1;
/// As many signatures as a file may have.
const MAX_SIGNATURES: usize = 64;

/// The signatures of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    /// SHA-256 of the content.
    pub(crate) hash: [u8; 32],
    /// In the order in which they were made.
    pub(crate) signatures: Vec<Signature>,
}

/// A signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    /// The key that it names.
    pub(crate) key: Option<KeyId>,
    pub(crate) bytes: [u8; 64],
}

impl Document {
    /// Reads a whole section.
    ///
    /// # Errors
    /// When it is not one, in its one spelling.
    pub(crate) fn read(section: &[u8]) -> Result<Self, SignatureError> {
        let document = Self::parse(section)?;
        if document.section()? != section {
            return Err(SignatureError::Damaged("it is not spelled as signatures are"));
        }
        let signatures = &document.signatures;
        let twice = |(at, one)| signatures.iter().skip(at + 1).any(|other| other == one);
        if signatures.iter().enumerate().any(twice) {
            return Err(SignatureError::Damaged("it holds one signature twice"));
        }
        Ok(document)
    }

    fn parse(section: &[u8]) -> Result<Self, SignatureError> {
        let short = || SignatureError::Damaged("it ends too early");
        let mut rest = section.get(1..).ok_or_else(short)?;
        let mut rest = take_slice(&mut rest).ok_or_else(short)?;
        take_slice(&mut rest).ok_or_else(short)?;
        let (kind, mut rest) = rest.split_first_chunk().ok_or_else(short)?;
        if *kind != KIND {
            return Err(SignatureError::Damaged("it is of a kind that is not known here"));
        }
        if take_u32(&mut rest).ok_or_else(short)? != 1 {
            return Err(SignatureError::Parts);
        }
        let mut set = take_slice(&mut rest).ok_or_else(short)?;
        if take_u32(&mut set).ok_or_else(short)? != 1 {
            return Err(SignatureError::Parts);
        }
        let (hash, mut set) = set.split_first_chunk().ok_or_else(short)?;
        let count = take_u32(&mut set).ok_or_else(short)?;
        match usize::try_from(count) {
            Ok(0) => return Err(SignatureError::NotSigned),
            Ok(1..=MAX_SIGNATURES) => {}
            _ => return Err(SignatureError::Damaged("it claims too many signatures")),
        }
        let mut signatures = Vec::new();
        for _ in 0..count {
            signatures.push(Signature::read(take_slice(&mut set).ok_or_else(short)?)?);
        }
        Ok(Self { hash: *hash, signatures })
    }

    /// The section that says this.
    ///
    /// # Errors
    /// When there are more signatures than a file may have.
    pub(crate) fn section(&self) -> Result<Vec<u8>, SignatureError> {
        let count = self.signatures.len();
        if count > MAX_SIGNATURES {
            // The one that was to be added does not count.
            return Err(SignatureError::TooMany(count.saturating_sub(1)));
        }
        self.write(count).ok_or(SignatureError::Damaged("it is too large"))
    }

    fn write(&self, count: usize) -> Option<Vec<u8>> {
        let mut set = vec![1];
        set.extend_from_slice(&self.hash);
        push_u32(&mut set, u32::try_from(count).ok()?);
        for signature in &self.signatures {
            let mut bytes = Vec::new();
            push_slice(&mut bytes, signature.key.as_ref().map_or(&[][..], KeyId::bytes))?;
            bytes.push(ALGORITHM);
            push_slice(&mut bytes, &signature.bytes)?;
            push_slice(&mut set, &bytes)?;
        }
        let mut content = Vec::new();
        push_slice(&mut content, NAME)?;
        content.extend_from_slice(&KIND);
        content.push(1);
        push_slice(&mut content, &set)?;
        let mut section = vec![CUSTOM];
        push_slice(&mut section, &content)?;
        Some(section)
    }

    /// What is signed.
    pub(crate) fn message(&self) -> Vec<u8> {
        [DOMAIN, &KIND, &self.hash].concat()
    }

    /// Whether one of the signatures was made by this key, and names it or none.
    pub(crate) fn is_by(&self, key: &VerifyingKey) -> bool {
        let message = self.message();
        let named = |one: &&Signature| one.key.is_none_or(|id| id == key.id());
        self.signatures.iter().filter(named).any(|one| key.made(&one.bytes, &message))
    }

    /// The ids of the keys, for a person.
    pub(crate) fn ids(&self) -> String {
        let id = |one: &Signature| match one.key {
            Some(id) => format!("key {id}"),
            None => "a key that it does not name".to_owned(),
        };
        self.signatures.iter().map(id).collect::<Vec<_>>().join(", ")
    }
}

impl Signature {
    fn read(mut bytes: &[u8]) -> Result<Self, SignatureError> {
        let damaged = || SignatureError::Damaged("one of its signatures is not Ed25519");
        let key = match take_slice(&mut bytes).ok_or_else(damaged)? {
            [] => None,
            id => Some(KeyId::of_bytes(id).ok_or_else(damaged)?),
        };
        let (algorithm, mut bytes) = bytes.split_first().ok_or_else(damaged)?;
        let signature = take_slice(&mut bytes).ok_or_else(damaged)?;
        let signature = signature.try_into().map_err(|_| damaged())?;
        match *algorithm == ALGORITHM && bytes.is_empty() {
            true => Ok(Self { key, bytes: signature }),
            false => Err(damaged()),
        }
    }
}
