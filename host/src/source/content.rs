//! The content of one packed file, apart from any run.
//!
//! In: an open file. Out: a reader of what it holds once it is unpacked, if it is packed in a way that is read here. It
//! splits nothing into events, and unpacks no more than its reader asks for.

use super::unpack::{MAGIC, Packing, recognise, unpacked};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// What a file holds: a reader of its unpacked content, from its beginning; nothing of a plain one.
///
/// # Errors
/// When it cannot be read, or is packed in a way that is not read here.
pub fn packed_content(file: File) -> io::Result<Option<Box<dyn Read>>> {
    let packing = recognise(first_bytes(&file, &mut [0; MAGIC])?);
    Ok(match packing {
        Packing::Plain => None,
        packing => Some(unpacked(packing, file)?),
    })
}

/// Whether a file can be read, and is not packed.
#[must_use]
pub fn is_plain(file: &File) -> bool {
    first_bytes(file, &mut [0; MAGIC]).is_ok_and(|first| recognise(first) == Packing::Plain)
}

/// The first bytes of a file, without moving the place that it is read from.
fn first_bytes<'b>(file: &File, first: &'b mut [u8; MAGIC]) -> io::Result<&'b [u8]> {
    let mut read = 0;
    while let Some(rest) = first.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(first.get(..read).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_file_is_read_unpacked_and_a_plain_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let content = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let mut text = String::new();
            let reader = packed_content(File::open(&path).unwrap());
            reader.map(|reader| reader.map(|mut r| r.read_to_string(&mut text).map(|_| text)))
        };
        assert!(content(b"{}\n").unwrap().is_none());
        assert!(content(b"").unwrap().is_none());
        let packed = zstd::encode_all(&b"{}\n"[..], 3).unwrap();
        assert_eq!(content(&packed).unwrap().unwrap().unwrap(), "{}\n");
        assert!(content(&packed[..packed.len() - 1]).unwrap().unwrap().is_err());
        assert_eq!(content(b"BZh91AY").unwrap_err().kind(), io::ErrorKind::Unsupported);
    }
}
