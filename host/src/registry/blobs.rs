//! What was pulled, kept by digest.
//!
//! In: digests and bytes. Out: the bytes of a digest, which are compared with it again each time they are
//! read; so it does not matter who can write to the folder. Where nothing can be kept, it is pulled again.

use super::reference::BlobDigest;
use crate::files::temporary_in;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::SystemTime;

/// As many blobs are kept; a rule has two. The oldest ones go first.
const MAX_KEPT: usize = 512;

/// A folder of blobs; or none, and nothing is kept.
#[derive(Debug, Clone, Default)]
pub struct BlobCache {
    folder: Option<PathBuf>,
}

impl BlobCache {
    /// In this folder, which is made when something is kept.
    #[must_use]
    pub const fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// The bytes of a digest, if they are kept and are no more than this.
    #[must_use]
    pub fn get(&self, digest: &BlobDigest, max_size: u64) -> Option<Vec<u8>> {
        let path = self.folder.as_ref()?.join(name(digest));
        let mut bytes = Vec::new();
        let file = File::open(&path).ok()?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        file.take(max_size.saturating_add(1)).read_to_end(&mut bytes).ok()?;
        if bytes.len() as u64 > max_size || BlobDigest::of(&bytes) != *digest {
            // It was damaged; what is pulled takes its place.
            let _ = fs::remove_file(&path);
            return None;
        }
        Some(bytes)
    }

    /// Keeps bytes. Where that fails, they are pulled again another time.
    pub fn put(&self, digest: &BlobDigest, bytes: &[u8]) {
        let Some(folder) = &self.folder else { return };
        let put = || -> std::io::Result<()> {
            fs::create_dir_all(folder)?;
            let mut file = temporary_in(folder, 0o600)?;
            file.write_all(bytes)?;
            file.persist(folder.join(name(digest))).map(|_| ()).map_err(|e| e.error)
        };
        if put().is_ok() {
            self.remove_oldest();
        }
    }

    fn remove_oldest(&self) {
        let Some(entries) = self.folder.as_ref().and_then(|folder| fs::read_dir(folder).ok())
        else {
            return;
        };
        let blobs = entries
            .flatten()
            .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"sha256-"));
        let mut kept: Vec<(SystemTime, PathBuf)> = blobs
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        let over = kept.len().saturating_sub(MAX_KEPT);
        kept.sort_unstable();
        for (_, path) in kept.iter().take(over) {
            let _ = fs::remove_file(path);
        }
    }
}

fn name(digest: &BlobDigest) -> String {
    format!("sha256-{}", digest.hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_compared_with_its_digest() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("oci");
        let cache = BlobCache::new(Some(folder.clone()));
        let digest = BlobDigest::of(b"bytes");
        assert_eq!(cache.get(&digest, 9), None);
        cache.put(&digest, b"bytes");
        assert_eq!(cache.get(&digest, 5).as_deref(), Some(&b"bytes"[..]));
        assert_eq!(cache.get(&BlobDigest::of(b"other"), 9), None);
        let path = folder.join(name(&digest));
        for wrong in [&b"bytez"[..], b"", b"bytes and more"] {
            fs::write(&path, wrong).unwrap();
            assert_eq!(cache.get(&digest, 9), None);
            assert!(!path.exists(), "what is damaged goes");
        }
        let none = BlobCache::default();
        none.put(&digest, b"bytes");
        assert_eq!(none.get(&digest, 9), None);
    }

    #[test]
    fn no_more_is_kept_than_there_may_be() {
        let root = tempfile::tempdir().unwrap();
        let cache = BlobCache::new(Some(root.path().to_owned()));
        for number in 0..MAX_KEPT + 3 {
            let bytes = number.to_string();
            fs::write(root.path().join(name(&BlobDigest::of(bytes.as_bytes()))), bytes).unwrap();
        }
        fs::write(root.path().join("other"), "not a blob").unwrap();
        cache.put(&BlobDigest::of(b"last"), b"last");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), MAX_KEPT + 1);
    }
}
