//! Certificates: read at the start, and again when the service is asked to.
//!
//! In: two files in PEM. Out: what rustls needs to speak to a sender. What cannot be read keeps what was there.

use crate::escape::escaped;
use anyhow::{anyhow, bail};
use rustls::pki_types::pem::{Error as PemFault, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{Error as TlsFault, InconsistentKeys, ServerConfig};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

/// What the files hold, as their lines `-----BEGIN` say it.
const CERTIFICATE: &str = "a certificate (BEGIN CERTIFICATE)";
const KEY: &str = "a private key (BEGIN PRIVATE KEY)";

/// Where certificate and key are.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate and those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The configuration in force.
pub(super) struct Tls {
    files: TlsFiles,
    present: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    /// Where one cannot be read or they do not belong together, by name.
    pub(super) fn open(files: TlsFiles) -> anyhow::Result<Self> {
        let present = RwLock::new(config(&files)?);
        Ok(Self { files, present })
    }

    /// Reads them again.
    ///
    /// # Errors
    /// As [`Tls::open`]; then those that were read before stay.
    pub(super) fn reload(&self) -> anyhow::Result<()> {
        let config = config(&self.files)?;
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.present.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn config(files: &TlsFiles) -> anyhow::Result<Arc<ServerConfig>> {
    let TlsFiles { certificate, key } = files;
    let named = |path: &PathBuf| crate::files::shown(path);
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| {
            anyhow!("--tls-cert {}: {}", named(certificate), pem_fault(&e, CERTIFICATE))
        })?;
    if chain.is_empty() {
        let fault = pem_fault(&PemFault::NoItemsFound, CERTIFICATE);
        bail!("--tls-cert {}: {fault}", named(certificate));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|e| anyhow!("--tls-key {}: {}", named(key), pem_fault(&e, KEY)))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private);
    let mut config = config.map_err(|e| pair_fault(&e, &named(certificate), &named(key)))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Why a file does not hold what it should, in PEM.
fn pem_fault(fault: &PemFault, wanted: &str) -> String {
    let reason = match fault {
        PemFault::Io(fault) => return fault.to_string(),
        PemFault::NoItemsFound => "there is none in it".to_owned(),
        PemFault::MissingSectionEnd { .. } => "its line -----END is missing".to_owned(),
        PemFault::IllegalSectionStart { .. } => "a line -----BEGIN in it is damaged".to_owned(),
        PemFault::Base64Decode(_) => "what is between its lines is damaged".to_owned(),
        PemFault::SectionTooLarge => "it is too large".to_owned(),
        other => escaped(&other.to_string()).into_owned(),
    };
    format!("give {wanted} in PEM: {reason}")
}

/// Why a certificate and a key cannot be used together.
fn pair_fault(fault: &TlsFault, certificate: &str, key: &str) -> anyhow::Error {
    match fault {
        TlsFault::InconsistentKeys(InconsistentKeys::KeyMismatch) => anyhow!(
            "--tls-key {key}: it is not the key of the first certificate in {certificate}; give the key that the \
             certificate was made with, and put the service's own certificate first in its file"
        ),
        TlsFault::InvalidCertificate(_) => {
            anyhow!("--tls-cert {certificate}: its first certificate cannot be read: make it anew")
        }
        other => anyhow!(
            "--tls-key {key}: a key that cannot be used ({other}): give one of RSA (2048 bits and more), ECDSA (P-256, \
             P-384) or Ed25519"
        ),
    }
}
