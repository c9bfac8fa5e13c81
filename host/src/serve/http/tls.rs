//! Certificates: read at the start, and again when the service is asked to.
//!
//! In: two files in PEM. Out: what rustls needs to speak to a sender. What cannot be read keeps what was there.

use anyhow::{Context, bail};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

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
        .with_context(|| format!("--tls-cert {}", named(certificate)))?;
    if chain.is_empty() {
        bail!("--tls-cert {}: it holds no certificate in PEM", named(certificate));
    }
    let private =
        PrivateKeyDer::from_pem_file(key).with_context(|| format!("--tls-key {}", named(key)))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private);
    let mut config = config.with_context(|| {
        format!("--tls-cert {} and --tls-key {}", named(certificate), named(key))
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
