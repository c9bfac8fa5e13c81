//! Addresses of artifacts in a registry: `oci://HOST/REPO:TAG`, `oci://HOST/REPO@sha256:...`.
//!
//! In: what a person typed. Out: its parts, checked, or what is wrong with it. It connects to nothing.

use anyhow::{anyhow, bail};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;
use std::path::Path;

/// What an address begins with.
const SCHEME: &str = "oci://";
/// As registries bound them.
const MAX_REPOSITORY: usize = 255;
const MAX_TAG: usize = 128;

/// SHA-256 of a manifest or a layer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobDigest(String);

impl BlobDigest {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hex = String::new();
        firstseen_value::push_hex(&mut hex, &Sha256::digest(bytes));
        Self(hex)
    }

    /// Reads `sha256:` and 64 digits.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?;
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (hex.len() == 64 && hex.bytes().all(is_hex)).then(|| Self(hex.to_owned()))
    }

    /// Its digits alone.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BlobDigest {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "sha256:{}", self.0)
    }
}

/// An artifact in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryReference {
    /// `ghcr.io`, `localhost:5000`.
    pub host: String,
    /// `team/rules/new-user`.
    pub repository: String,
    /// What may change what it names.
    pub tag: Option<String>,
    /// What never does.
    pub digest: Option<BlobDigest>,
}

/// Whether a path is an address in a registry.
#[must_use]
pub fn is_reference(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().starts_with(SCHEME.as_bytes())
}

impl RegistryReference {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let name = crate::files::shown(path);
        let form = "give oci://HOST/REPOSITORY:TAG or oci://HOST/REPOSITORY@sha256:DIGEST";
        let text = path.to_str().and_then(|text| text.strip_prefix(SCHEME));
        let text = text.ok_or_else(|| match Self::meant_by(path) {
            Some(meant) => anyhow!("{name}: no address in a registry, which is written {meant}"),
            None => anyhow!("{name}: no address in a registry: {form}"),
        })?;
        let (text, digest) = match text.split_once('@') {
            None => (text, None),
            Some((text, digest)) => {
                let read = BlobDigest::read(digest);
                let read = read.ok_or_else(|| {
                    anyhow!("{name}: no digest: give sha256: and 64 digits, lower case")
                })?;
                (text, Some(read))
            }
        };
        let Some((host, rest)) = text.split_once('/') else {
            bail!("{name}: no repository: {form}")
        };
        let (repository, tag) = match rest.split_once(':') {
            None => (rest, None),
            Some((repository, tag)) => (repository, Some(tag)),
        };
        if !is_host(host) {
            bail!("{name}: no host: a name or an address, and a port where it is not 443: {form}");
        }
        if !is_repository(repository) {
            bail!("{name}: no repository: lower case letters, digits and . _ - between slashes");
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            bail!("{name}: no tag: letters, digits and . _ -, at most {MAX_TAG}");
        }
        if tag.is_none() && digest.is_none() {
            bail!("{name}: neither a tag nor a digest: {form}");
        }
        let tag = tag.map(str::to_owned);
        Ok(Self { host: host.to_owned(), repository: repository.to_owned(), tag, digest })
    }

    /// The address that a path may be meant for, which `oci://` is missing from: as `docker pull` takes it, or with
    /// what a browser shows before it. Nothing where it is more like a file.
    #[must_use]
    pub fn meant_by(path: &Path) -> Option<Self> {
        let text = path.to_str()?;
        let text = ["docker://", "https://", "http://", "oci:"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))
            .unwrap_or(text);
        let host = text.split('/').next()?;
        // A host has a dot or a port, as Docker tells it from a folder.
        let is_named = host.contains(['.', ':']) || host == "localhost";
        let read = Self::read(Path::new(&format!("{SCHEME}{text}"))).ok();
        read.filter(|_| is_named)
    }

    /// What is asked for: the digest where there is one.
    #[must_use]
    pub fn wanted(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.clone().unwrap_or_default(),
        }
    }

    /// The same artifact, by a digest.
    #[must_use]
    pub fn by_digest(&self, digest: &BlobDigest) -> String {
        format!("{SCHEME}{}/{}@{digest}", self.host, self.repository)
    }

    /// Whether the registry is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

impl fmt::Display for RegistryReference {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{SCHEME}{}/{}", self.host, self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(to, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(to, "@{digest}"))
    }
}

/// Whether a host, with or without a port, is this machine.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("v6", port.strip_prefix(':').or_else(|| port.is_empty().then_some("1")))
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, Some("1")),
        },
    };
    let label = |label: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty() && label.bytes().all(plain)
    };
    name.split('.').all(label)
        && host.len() <= MAX_REPOSITORY
        && port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_repository(repository: &str) -> bool {
    let part = |part: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let inside = |b: u8| plain(b) || b"._-".contains(&b);
        part.bytes().all(inside)
            && part.bytes().next().is_some_and(plain)
            && part.bytes().last().is_some_and(plain)
            && !part.contains("..")
    };
    repository.len() <= MAX_REPOSITORY && repository.split('/').all(part)
}

fn is_tag(tag: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= MAX_TAG
        && tag.bytes().next().is_some_and(plain)
        && tag.bytes().all(|b| plain(b) || b".-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RegistryReference, String> {
        RegistryReference::read(Path::new(text)).map_err(|e| e.to_string())
    }

    #[test]
    fn addresses_are_read_and_written() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for text in [
            "oci://localhost:5000/rule:1".to_owned(),
            "oci://[::1]:5000/rule:1".to_owned(),
            "oci://ghcr.io/team/rules/new-user:v1.2_a-b".to_owned(),
            format!("oci://ghcr.io/team/rule@{digest}"),
            format!("oci://ghcr.io/team/rule:1@{digest}"),
        ] {
            let reference = read(&text).unwrap();
            assert_eq!(reference.to_string(), text);
            let wanted =
                if text.contains('@') { digest.as_str() } else { text.rsplit(':').next().unwrap() };
            assert_eq!(reference.wanted(), wanted);
        }
        for (host, loopback) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("127.9.9.9", true),
            ("[::1]:5000", true),
            ("localhost.example.org", false),
            ("10.0.0.1:5000", false),
            ("[::2]", false),
        ] {
            assert_eq!(is_loopback(host), loopback, "{host}");
        }
    }

    #[test]
    fn an_address_without_its_scheme_is_recognised() {
        let digest = format!("ghcr.io/x/y@sha256:{}", "0a".repeat(32));
        for (text, meant) in [
            ("ghcr.io/x/y:1", Some("oci://ghcr.io/x/y:1")),
            ("docker://ghcr.io/x/y:1", Some("oci://ghcr.io/x/y:1")),
            ("https://ghcr.io/x/y:1", Some("oci://ghcr.io/x/y:1")),
            ("oci:ghcr.io/x/y:1", Some("oci://ghcr.io/x/y:1")),
            ("localhost/y:1", Some("oci://localhost/y:1")),
            ("localhost:5000/y:1", Some("oci://localhost:5000/y:1")),
            (&digest, Some(&*format!("oci://{digest}"))),
            ("rules/y:1", None),
            ("rules/new.wasm", None),
            ("../x/y:1", None),
            ("/x/y:1", None),
            ("new.wasm", None),
            ("", None),
        ] {
            let found = RegistryReference::meant_by(Path::new(text)).map(|one| one.to_string());
            assert_eq!(found.as_deref(), meant, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, said) in [
            ("oci://", "no repository"),
            ("oci://host", "no repository"),
            ("oci://host/", "no repository"),
            ("oci:///rule:1", "no host"),
            ("oci://user:pass@host/rule:1", "no digest"),
            ("oci://ho st/rule:1", "no host"),
            ("oci://host:port/rule:1", "no host"),
            ("oci://host:0/rule:1", "no host"),
            ("oci://[::1/rule:1", "no host"),
            ("oci://host/Rule:1", "no repository"),
            ("oci://host/../rule:1", "no repository"),
            ("oci://host/a//b:1", "no repository"),
            ("oci://host/a?b:1", "no repository"),
            ("oci://host/rule", "neither a tag nor a digest"),
            ("oci://host/rule:", "no tag"),
            ("oci://host/rule:a/b", "no tag"),
            ("oci://host/rule@sha256:12", "no digest"),
            ("oci://host/rule@sha512:12", "no digest"),
            ("http://host/rule:1", "no address"),
            ("ghcr.io/rule:1", "written oci://ghcr.io/rule:1"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
