//! Which artifacts may be used, by who signed them.
//!
//! In: files and folders of public keys, the bytes of an artifact. Out: who signed it, or why it is
//! refused. It is asked about the very bytes that are loaded afterwards, before anything else is read
//! in them. Without a usable key there is an error, never "no keys required".

use crate::files::shown;
use anyhow::{Context, anyhow, bail};
use firstseen_signature::{KeyId, SignatureError, VerifyingKey, check};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No key's file is larger.
const MAX_KEY: u64 = 16 << 10;
/// As many keys as may be trusted at once.
const MAX_KEYS: usize = 1_024;

/// Public keys, with the files that they are from.
#[derive(Debug)]
pub struct TrustedKeys {
    keys: Vec<VerifyingKey>,
    /// One for each key.
    files: Vec<String>,
}

impl TrustedKeys {
    /// Reads the keys of these files and folders, for an option of this name. Of a folder all files count that
    /// are not hidden.
    ///
    /// # Errors
    /// A file that is no public key, a folder without one, by name.
    pub fn open(option: &str, paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut all = Self { keys: Vec::new(), files: Vec::new() };
        for path in paths {
            all.add(path).with_context(|| option.to_owned())?;
        }
        if all.keys.is_empty() {
            bail!("{option}: there is no key; give a public key or a folder of them");
        }
        Ok(all)
    }

    fn add(&mut self, path: &Path) -> anyhow::Result<()> {
        let name = shown(path);
        let fault = |e: std::io::Error| anyhow!("{name}: {e}");
        if !std::fs::metadata(path).map_err(fault)?.is_dir() {
            return self.add_file(path);
        }
        let before = self.files.len();
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                files.push(entry.path());
            }
        }
        files.sort_unstable();
        for file in files {
            if !std::fs::metadata(&file).map_err(fault)?.is_file() {
                bail!("{}: not a file; a folder of keys holds public keys alone", shown(&file));
            }
            self.add_file(&file)?;
        }
        if self.files.len() == before {
            bail!("{name}: no key in this folder; with none in it, everything would be refused");
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path) -> anyhow::Result<()> {
        let name = shown(path);
        let key = VerifyingKey::read(&read_key(path)?).map_err(|e| anyhow!("{name}: {e}"))?;
        if self.keys.len() == MAX_KEYS {
            bail!("{name}: over {MAX_KEYS} keys");
        }
        self.keys.push(key);
        self.files.push(name);
        Ok(())
    }

    /// The keys that signed an artifact, with the files that they are from: at least one.
    ///
    /// # Errors
    /// Why it is signed by none of them.
    pub fn signers(&self, wasm: &[u8]) -> Result<Vec<(KeyId, &str)>, SignatureError> {
        let mut signers: Vec<(KeyId, &str)> = Vec::new();
        for key in check(wasm, &self.keys)? {
            let at = self.keys.iter().position(|one| one == key);
            let file = at.and_then(|at| self.files.get(at)).map_or("", String::as_str);
            // One key may be in two files.
            if !signers.iter().any(|(id, _)| *id == key.id()) {
                signers.push((key.id(), file));
            }
        }
        Ok(signers)
    }
}

/// `--require-signed`: the one place that decides whether a rule may be used by this command.
#[derive(Debug, Default)]
pub struct RequiredKeys(Option<TrustedKeys>);

impl RequiredKeys {
    /// Nothing is required where no keys are named.
    ///
    /// # Errors
    /// As [`TrustedKeys::open`].
    pub fn open(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let open = || TrustedKeys::open("--require-signed", paths);
        (!paths.is_empty()).then(open).transpose().map(Self)
    }

    /// Whether an artifact may be used.
    ///
    /// # Errors
    /// Why not, by its name.
    pub fn admit_artifact(&self, name: &str, wasm: &[u8]) -> anyhow::Result<()> {
        let Some(keys) = &self.0 else { return Ok(()) };
        match keys.signers(wasm) {
            Ok(_) => Ok(()),
            Err(error) => Err(anyhow!("rule {name}: refused by --require-signed: {error}")),
        }
    }

    /// Whether a rule may be used that is built from its source on the spot.
    ///
    /// # Errors
    /// What to do instead.
    pub fn admit_source(&self, name: &str) -> anyhow::Result<()> {
        match self.0 {
            None => Ok(()),
            Some(_) => Err(anyhow!(
                "rule {name}: refused by --require-signed: a rule.toml is not signed; `firstseen build` makes an \
                 artifact of it, `firstseen sign` signs that"
            )),
        }
    }

    /// Whether the built-in rule may be used.
    ///
    /// # Errors
    /// What to do instead.
    pub fn admit_built_in(&self) -> anyhow::Result<()> {
        match self.0 {
            None => Ok(()),
            Some(_) => Err(anyhow!(
                "the built-in rule: refused by --require-signed: it is not signed; give signed artifacts with --rule"
            )),
        }
    }
}

/// The bytes of a key's file.
///
/// # Errors
/// When it cannot be read, or is too large for a key.
pub fn read_key(path: &Path) -> anyhow::Result<Vec<u8>> {
    let name = shown(path);
    let fault = |e: std::io::Error| anyhow!("{name}: {e}");
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(fault)?;
    file.take(MAX_KEY + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > MAX_KEY {
        bail!("{name}: over {} KiB are too many for a key", MAX_KEY >> 10);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_signature::{SigningKey, sign};

    #[test]
    fn keys_are_read_from_files_and_folders_and_never_none() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let key = |seed| SigningKey::from_seed([seed; 32]).unwrap();
        std::fs::create_dir_all(at("keys/.hidden")).unwrap();
        std::fs::create_dir_all(at("empty/.hidden")).unwrap();
        std::fs::write(at("keys/a.pub"), key(1).public().to_bytes()).unwrap();
        std::fs::write(at("keys/b.pem"), key(2).public().to_pem()).unwrap();
        std::fs::write(at("again.pub"), key(1).public().to_bytes()).unwrap();
        std::fs::write(at("secret.key"), key(1).to_bytes()).unwrap();
        std::fs::write(at("large"), vec![1; MAX_KEY as usize + 1]).unwrap();
        let open = |names: &[&str]| {
            TrustedKeys::open("--keys", &names.iter().map(|name| at(name)).collect::<Vec<_>>())
        };
        let wasm = sign(b"\0asm\x01\0\0\0", &key(1)).unwrap().unwrap();
        for names in
            [&["keys"][..], &["keys/a.pub"], &["keys/b.pem", "again.pub"], &["keys", "again.pub"]]
        {
            let keys = open(names).unwrap();
            let signers = keys.signers(&wasm).unwrap();
            assert_eq!(signers.len(), 1, "{names:?}");
            assert_eq!(signers[0].0, key(1).public().id());
        }
        assert!(open(&["keys/b.pem"]).unwrap().signers(&wasm).is_err());
        for (names, said) in [
            (&[][..], "there is no key"),
            (&["empty"], "no key in this folder"),
            (&["keys", "empty"], "no key in this folder"),
            (&["none"], "none: No such file"),
            (&["secret.key"], "secret.key: a secret key"),
            (&["large"], "too many for a key"),
        ] {
            let error = format!("{:#}", open(names).unwrap_err());
            assert!(error.contains(said) && error.starts_with("--keys: "), "{error}");
        }
        std::fs::create_dir(at("keys/more")).unwrap();
        assert!(format!("{:#}", open(&["keys"]).unwrap_err()).contains("more: not a file"));
    }

    #[test]
    fn what_is_not_signed_is_refused_only_where_keys_are_required() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.pub");
        let key = SigningKey::from_seed([1; 32]).unwrap();
        std::fs::write(&path, key.public().to_bytes()).unwrap();
        let plain = b"\0asm\x01\0\0\0";
        let signed = sign(plain, &key).unwrap().unwrap();
        let required = RequiredKeys::open(&[path]).unwrap();
        assert!(required.admit_artifact("a", &signed).is_ok());
        assert!(
            required.admit_artifact("a", plain).unwrap_err().to_string().starts_with("rule a: ")
        );
        assert!(required.admit_source("a").unwrap_err().to_string().contains("firstseen sign"));
        assert!(required.admit_built_in().unwrap_err().to_string().contains("--rule"));
        let none = RequiredKeys::open(&[]).unwrap();
        assert!(none.admit_artifact("a", plain).is_ok());
        assert!(none.admit_source("a").is_ok() && none.admit_built_in().is_ok());
    }
}
