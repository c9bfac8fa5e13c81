//! The last line of a file that is appended to: a crash or a full disk may have cut it short.
//!
//! In: the file, and how long it was when its state was committed last. Out: a file that ends with a
//! line's end, and a sentence about what was done. A piece of a line is never continued, and only what
//! no state knows is cut: its alert comes again.

use crate::files::{folder_of, shown};
use crate::state::OutputMark;
use serde::de::IgnoredAny;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// How much is read at a time on the way back to the last line's beginning.
const STEP: usize = 64 << 10;

/// Ends the last line. A piece behind the mark is cut. Without a mark, or before it, a newline is added
/// behind what is whole, and the piece of a document is moved to `FILE.torn`.
pub(super) fn end_last_line(
    file: &File,
    path: &Path,
    is_json: bool,
    mark: Option<&OutputMark>,
) -> io::Result<Option<String>> {
    let meta = file.metadata()?;
    let piece = last_piece(file, meta.len())?;
    if piece.is_empty() {
        return Ok(None);
    }
    let begin = meta.len() - piece.len() as u64;
    let is_whole = serde_json::from_slice::<IgnoredAny>(&piece).is_ok();
    let is_behind = mark.is_some_and(|mark| mark.inode == meta.ino() && mark.length <= begin);
    if is_json && is_whole || !is_json && !is_behind {
        (&*file).write_all(b"\n")?;
        return Ok(None);
    }
    let bytes = piece.len();
    if is_behind {
        file.set_len(begin)?;
        return Ok(Some(format!(
            "{}: its last line was cut short; its {bytes} bytes were removed, and the alert comes again",
            shown(path)
        )));
    }
    let torn = torn_path(path);
    // On the disk before it is gone here.
    let mut kept = File::options().append(true).create(true).open(&torn)?;
    kept.write_all(&[&piece[..], b"\n"].concat())?;
    kept.sync_all()?;
    File::open(folder_of(&torn))?.sync_all()?;
    file.set_len(begin)?;
    Ok(Some(format!(
        "{}: its last line was cut short; its {bytes} bytes were moved to {}",
        shown(path),
        shown(&torn)
    )))
}

fn torn_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".torn");
    name.into()
}

/// What stands behind the last newline.
fn last_piece(file: &File, length: u64) -> io::Result<Vec<u8>> {
    let (mut piece, mut begin) = (Vec::new(), length);
    while begin > 0 {
        let step = begin.min(STEP as u64);
        begin -= step;
        let mut part = vec![0; step as usize];
        file.read_exact_at(&mut part, begin)?;
        let newline = memchr::memrchr(b'\n', &part);
        part.drain(..newline.map_or(0, |at| at + 1));
        part.append(&mut piece);
        piece = part;
        if newline.is_some() {
            break;
        }
    }
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in the file afterwards, and in the one beside it.
    fn ended(before: &str, is_json: bool, mark: Option<u64>) -> (String, Option<String>, bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        std::fs::write(&path, before).unwrap();
        let file = File::options().read(true).append(true).open(&path).unwrap();
        let inode = file.metadata().unwrap().ino();
        let mark = mark.map(|length| OutputMark { path: String::new(), inode, length });
        let told = end_last_line(&file, &path, is_json, mark.as_ref()).unwrap();
        // What follows stands on a line of its own.
        (&file).write_all(b"next\n").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("\nnext\n") || text == "next\n", "{text}");
        let torn = std::fs::read_to_string(torn_path(&path)).ok();
        (text.strip_suffix("next\n").unwrap().to_owned(), torn, told.is_some())
    }

    #[test]
    fn a_piece_that_no_state_knows_is_cut() {
        for mark in [0, 4] {
            assert_eq!(ended("{1}\n{\"a\":", true, Some(mark)), ("{1}\n".into(), None, true));
            assert_eq!(ended("a,b\na,", false, Some(mark)), ("a,b\n".into(), None, true));
        }
        assert_eq!(ended("{\"a", true, Some(0)), (String::new(), None, true));
    }

    #[test]
    fn what_may_be_known_is_kept() {
        // Of another file, or within what the state knew.
        for mark in [None, Some(5), Some(100)] {
            let (text, torn, told) = ended("{1}\n{\"a\":", true, mark);
            assert_eq!((text.as_str(), torn.as_deref(), told), ("{1}\n", Some("{\"a\":\n"), true));
            assert_eq!(ended("a,b\na,", false, mark), ("a,b\na,\n".into(), None, false));
        }
    }

    #[test]
    fn a_whole_line_only_gets_its_end() {
        for mark in [None, Some(0), Some(4)] {
            assert_eq!(
                ended("{1}\n{\"a\":1}", true, mark),
                ("{1}\n{\"a\":1}\n".into(), None, false)
            );
            assert_eq!(ended("{1}\n", true, mark), ("{1}\n".into(), None, false));
            assert_eq!(ended("", true, mark), (String::new(), None, false));
        }
    }

    #[test]
    fn long_pieces_are_found_whole() {
        for length in [STEP - 1, STEP, STEP + 1, 3 * STEP] {
            let piece = "x".repeat(length);
            let (text, torn, _) = ended(&format!("a\n{piece}"), true, None);
            assert_eq!((text.as_str(), torn), ("a\n", Some(format!("{piece}\n"))));
        }
    }
}
