//! Small files, read with a bound and written whole.
//!
//! In: paths. Out: their text; or a file that holds either what it held before or all of the new
//! bytes. Errors begin with the file's name.

use crate::observe::place::input_name;
use anyhow::{Context, anyhow, bail};
use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::path::Path;

/// No rule, test or settings file is larger.
const MAX_TEXT: u64 = 16 << 20;

/// A path for a message.
#[must_use]
pub fn shown(path: &Path) -> String {
    input_name(&path.to_string_lossy())
}

/// The text of a file.
///
/// # Errors
/// When it cannot be read, is larger than 16 MiB, or is not UTF-8.
pub fn read_text(path: &Path) -> anyhow::Result<String> {
    let name = shown(path);
    let file = File::open(path).map_err(|e| anyhow!("{name}: {e}"))?;
    let mut bytes = Vec::new();
    file.take(MAX_TEXT + 1).read_to_end(&mut bytes).map_err(|e| anyhow!("{name}: {e}"))?;
    if bytes.len() as u64 > MAX_TEXT {
        bail!("{name}: larger than {} MiB: firstseen reads no text of that size", MAX_TEXT >> 20);
    }
    if bytes.starts_with(b"\0asm") {
        bail!("{name}: a WebAssembly file, but text was expected");
    }
    String::from_utf8(bytes).map_err(|e| {
        anyhow!("{name}: not UTF-8 (byte {}): save it as UTF-8", e.utf8_error().valid_up_to())
    })
}

/// Writes a file under another name first: a reader sees the old file or the new one, also after the
/// machine stopped, as file and folder are on the disk when this returns.
///
/// # Errors
/// When it cannot be written; then what was there before is there still.
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> anyhow::Result<()> {
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any file: the umask takes away what it should.
            builder.permissions(Permissions::from_mode(0o666));
        }
        let mut file = builder.prefix(".firstseen-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(folder)?.sync_all()?;
        Ok(())
    };
    write().with_context(|| shown(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_and_what_is_none_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a\x1b");
        let mut said = Vec::new();
        for bytes in [&b"text"[..], b"\xff", b"\0asm\x01\0\0\0"] {
            std::fs::write(&path, bytes).unwrap();
            said.push(read_text(&path).map_err(|e| e.to_string()));
        }
        assert_eq!(said[0], Ok("text".to_owned()));
        assert!(said[1].as_ref().unwrap_err().contains("a\\u{1b}: not UTF-8 (byte 0)"));
        assert!(said[2].as_ref().unwrap_err().contains("WebAssembly"));
        File::create(&path).unwrap().set_len(MAX_TEXT + 1).unwrap();
        assert!(read_text(&path).unwrap_err().to_string().contains("larger than 16 MiB"));
        assert!(read_text(folder.path()).is_err());
    }

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_whole(&path, b"old").unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert!(write_whole(&folder.path().join("no/b"), b"").is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
