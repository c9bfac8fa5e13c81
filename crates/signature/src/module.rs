//! The sections of a module, as far as a signature is concerned.
//!
//! In: bytes, untrusted. Out: the signature's section and what is behind it. It reads the frames of
//! sections and the names of custom ones, nothing that is in them.

use crate::error::SignatureError;
use crate::integers::{take_slice, take_u32};

/// What a module of version 1 begins with. It is not part of what is signed, so nothing else is taken.
pub(crate) const HEADER: [u8; 8] = *b"\0asm\x01\0\0\0";
/// The name of the section.
pub(crate) const NAME: &[u8] = b"signature";
/// The id of a custom section.
pub(crate) const CUSTOM: u8 = 0;

/// A module, cut behind its signature.
pub(crate) struct SignedModule<'a> {
    /// The whole section, from its id on.
    pub(crate) section: Option<&'a [u8]>,
    /// All bytes behind it; where there is none, behind the header.
    pub(crate) content: &'a [u8],
}

impl<'a> SignedModule<'a> {
    /// Finds the signature of a module.
    ///
    /// # Errors
    /// When the bytes are not sections, or a signature is not the first of them.
    pub(crate) fn read(wasm: &'a [u8]) -> Result<Self, SignatureError> {
        let all = wasm.strip_prefix(&HEADER).ok_or(SignatureError::NotAModule)?;
        let content = behind_signature(wasm);
        let section = content.and_then(|content| all.get(..all.len() - content.len()));
        let content = content.unwrap_or(all);
        let mut rest = content;
        while !rest.is_empty() {
            if is_signature(take_section(&mut rest).ok_or(SignatureError::NotAModule)?) {
                return Err(SignatureError::Misplaced);
            }
        }
        Ok(Self { section, content })
    }
}

/// What is behind the signature, where a module begins with one.
pub(crate) fn behind_signature(wasm: &[u8]) -> Option<&[u8]> {
    let mut rest = wasm.strip_prefix(&HEADER)?;
    is_signature(take_section(&mut rest)?).then_some(rest)
}

/// The id and the content of a section, which is taken from the front.
fn take_section<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (id, behind) = rest.split_first()?;
    *rest = behind;
    Some((*id, take_slice(rest)?))
}

fn is_signature((id, mut content): (u8, &[u8])) -> bool {
    if id != CUSTOM {
        return false;
    }
    let length = take_u32(&mut content).and_then(|length| usize::try_from(length).ok());
    length.and_then(|length| content.get(..length)) == Some(NAME)
}
