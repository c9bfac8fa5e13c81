//! Who may send: tokens and passwords from a file.
//!
//! In: the file, and the headers of a request. Out: whether they name one of its lines. Digests are compared, all of
//! them each time, so that how long it takes tells nothing. It never shows a credential.

use anyhow::bail;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blake3::Hash;
use std::sync::{Arc, PoisonError, RwLock};

/// What a sender may be known by.
#[derive(Clone)]
pub struct Credentials {
    digests: Vec<Hash>,
}

impl Credentials {
    /// Of a text with one on each line: a token, or USER:PASSWORD. Lines that begin with `#` and empty ones do
    /// not count.
    ///
    /// # Errors
    /// Where it holds none, or one that is too short to keep anybody out.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        const SHORTEST: usize = 16;
        let mut digests = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let secret = line.split_once(':').map_or(line, |(_, password)| password);
            if secret.len() < SHORTEST {
                bail!(
                    "line {}: a token or password of {} characters can be guessed; give at least {SHORTEST}: \
                     openssl rand -hex 32",
                    number + 1,
                    secret.len()
                );
            }
            digests.push(blake3::hash(line.as_bytes()));
        }
        if digests.is_empty() {
            bail!("it holds no credential: write a token, or USER:PASSWORD, on a line");
        }
        Ok(Self { digests })
    }

    /// Whether a request names one of them: by `Authorization` (Bearer, ApiKey, Basic) or as Firehose does.
    #[must_use]
    pub fn admit(&self, headers: &HeaderMap) -> bool {
        given(headers).is_some_and(|given| self.knows(&given))
    }

    fn knows(&self, given: &[u8]) -> bool {
        let digest = blake3::hash(given);
        // Equality of digests takes the same time whatever they are.
        self.digests.iter().fold(false, |known, one| known | (*one == digest))
    }
}

/// The credentials in force; others may take their place while requests arrive.
#[derive(Clone)]
pub(super) struct SenderAccess(Arc<RwLock<Credentials>>);

impl SenderAccess {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self(Arc::new(RwLock::new(credentials)))
    }

    /// From now on these are known, and no others.
    pub(super) fn replace(&self, credentials: Credentials) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = credentials;
    }

    /// As [`Credentials::admit`].
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).admit(headers)
    }
}

/// Whether a request names senders more than once: another reader of it, as a proxy is, may take the other one.
pub(super) fn is_ambiguous(headers: &HeaderMap) -> bool {
    let names = [header::AUTHORIZATION.as_str(), super::firehose::ACCESS_KEY];
    names.iter().any(|name| headers.get_all(*name).iter().nth(1).is_some())
}

/// What a request gives: a token, or USER:PASSWORD.
fn given(headers: &HeaderMap) -> Option<Vec<u8>> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(key) = text(super::firehose::ACCESS_KEY) {
        return Some(key.as_bytes().to_vec());
    }
    let (scheme, value) = text(header::AUTHORIZATION.as_str())?.split_once(' ')?;
    let value = value.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "apikey" | "splunk" => Some(value.as_bytes().to_vec()),
        "basic" => STANDARD.decode(value).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn what_names_a_line_is_admitted_and_nothing_else() {
        let file = "# ours\n\n0123456789abcdef\nvector:correct horse battery\n";
        let known = Credentials::read(file).unwrap();
        let basic = STANDARD.encode("vector:correct horse battery");
        for (name, value) in [
            ("authorization", "Bearer 0123456789abcdef".to_owned()),
            ("authorization", "bearer  0123456789abcdef".to_owned()),
            ("authorization", "ApiKey 0123456789abcdef".to_owned()),
            ("authorization", format!("Basic {basic}")),
            ("x-amz-firehose-access-key", "0123456789abcdef".to_owned()),
        ] {
            assert!(known.admit(&headers(name, &value)), "{value}");
        }
        for (name, value) in [
            ("authorization", "Bearer 0123456789abcdeF".to_owned()),
            ("authorization", "Bearer ".to_owned()),
            ("authorization", "Bearer # ours".to_owned()),
            ("authorization", "0123456789abcdef".to_owned()),
            ("authorization", "Digest 0123456789abcdef".to_owned()),
            ("authorization", format!("Basic {}", STANDARD.encode("vector:"))),
            ("authorization", "Basic %%%".to_owned()),
            ("x-amz-firehose-access-key", String::new()),
            ("x-other", "0123456789abcdef".to_owned()),
        ] {
            assert!(!known.admit(&headers(name, &value)), "{value}");
        }
    }

    #[test]
    fn a_file_without_a_credential_lets_nobody_in_and_is_refused() {
        for text in ["", "# only\n", "short\n", "user:short\n"] {
            assert!(Credentials::read(text).is_err(), "{text:?}");
        }
    }
}
