//! The end of a file that is appended to: a crash or a full disk may have cut its last line short, and what
//! a run wrote behind its last commit no state knows.
//!
//! In: the file, and how it was when its state was committed last. Out: a file that ends with a line's end,
//! and a sentence about what was done. A piece of a line is never continued. Only what no state knows is
//! taken away, and only of the file that the state recorded: its alerts come again.

use super::known::{HAVE_AGAIN, KnownOutput, OutputDigest};
use crate::files::{folder_of, shown};
use crate::numbers::counted;
use serde::de::IgnoredAny;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How much is read at a time on the way back to the last line's beginning.
const STEP: usize = 64 << 10;
/// What becomes of whole lines that no state knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownLines {
    /// They stay: their events may never be read again. If they are, they come twice.
    Keep,
    /// They are moved to `FILE.torn`: whether their events are read again is not known.
    Move,
    /// They are cut: their events are read again.
    Cut,
}

/// What was found, and done, at the end of a file.
#[derive(Debug, Default)]
pub(super) struct EndOfFile {
    /// A sentence for the user.
    pub(super) told: Option<String>,
    /// A digest of what the state knows of it, where it was looked through.
    pub(super) digest: Option<OutputDigest>,
}

/// Ends the file. What a run that died left behind the mark goes; without a mark, or where another wrote
/// behind it, a newline is added behind what is whole, and the piece of a document is moved to `FILE.torn`.
pub(super) fn end_of_file(
    file: &File,
    path: &Path,
    is_json: bool,
    known: Option<KnownOutput<'_>>,
    unknown: UnknownLines,
) -> io::Result<EndOfFile> {
    let length = file.metadata()?.len();
    let mut told = known.as_ref().and_then(|known| difference(known, path));
    let (mark, digest) = known.map(|known| (known.mark, known.digest)).unzip();
    let digest = digest.flatten();
    if let Some(mark) = mark.filter(|mark| told.is_none() && mark.open && length > mark.length) {
        return Ok(EndOfFile { told: cut(file, path, mark.length, unknown)?, digest });
    }
    if let Some(sentence) = end_last_line(file, path, is_json, length)? {
        told = Some(told.map_or(sentence.clone(), |told| format!("{told}; {sentence}")));
    }
    Ok(EndOfFile { told, digest })
}

/// How a file differs from what the state knows of it, and what to do.
fn difference(known: &KnownOutput<'_>, path: &Path) -> Option<String> {
    let how = known.differs.as_ref()?;
    let path = shown(path);
    if known.is_missing {
        // As after a rotation.
        let bytes = counted(known.mark.length, "byte", "bytes");
        return Some(format!(
            "{path}: a new file begins, as the one before it was moved or deleted, with {bytes} of alerts. A \
             file that was moved has all of them; those of a deleted one do not come again: {HAVE_AGAIN}"
        ));
    }
    Some(format!("{path}: {how}; {HAVE_AGAIN}"))
}

/// Takes away what is behind a length.
fn cut(file: &File, path: &Path, length: u64, unknown: UnknownLines) -> io::Result<Option<String>> {
    let mut behind = Vec::new();
    let mut reader = file;
    io::Seek::seek(&mut reader, io::SeekFrom::Start(length))?;
    reader.read_to_end(&mut behind)?;
    let whole = memchr::memrchr(b'\n', &behind).map_or(0, |at| at + 1);
    let (lines, bytes) = (memchr::memchr_iter(b'\n', &behind).count(), behind.len());
    if unknown == UnknownLines::Keep {
        file.set_len(length + whole as u64)?;
        file.sync_all()?;
        return Ok((whole < bytes).then(|| {
            let piece = counted((bytes - whole) as u64, "byte was", "bytes were");
            format!(
                "{}: its last line was cut short; its {piece} removed; its alert comes again \
                 with its event",
                shown(path)
            )
        }));
    }
    let mut where_to = String::new();
    if unknown == UnknownLines::Move && whole > 0 {
        let torn = torn_path(path);
        keep(&torn, behind.get(..whole).unwrap_or_default())?;
        where_to = format!(", its whole lines to {}", shown(&torn));
    }
    file.set_len(length)?;
    file.sync_all()?;
    let size = counted(bytes as u64, "byte was", "bytes were");
    let what = match (lines, whole == bytes) {
        (0, _) => format!("its last line was cut short; its {size} removed"),
        (lines, true) => {
            let lines = counted(lines as u64, "line", "lines");
            format!("{lines} behind what the state knows: removed")
        }
        (lines, false) => {
            let lines = counted(lines as u64, "line before it is", "lines before it are");
            format!(
                "its last line was cut short, and {lines} not known to the state; the {size} removed"
            )
        }
    };
    Ok(Some(format!(
        "{}: {what}{where_to}; their alerts come again with their events",
        shown(path)
    )))
}

/// Ends the last line.
fn end_last_line(
    file: &File,
    path: &Path,
    is_json: bool,
    length: u64,
) -> io::Result<Option<String>> {
    let piece = last_piece(file, length)?;
    if piece.is_empty() {
        return Ok(None);
    }
    let is_whole = serde_json::from_slice::<IgnoredAny>(&piece).is_ok();
    if is_whole || !is_json {
        (&*file).write_all(b"\n")?;
        return Ok(None);
    }
    let bytes = piece.len();
    let torn = torn_path(path);
    keep(&torn, &[&piece[..], b"\n"].concat())?;
    file.set_len(length - bytes as u64)?;
    Ok(Some(format!(
        "{}: its last line was cut short; its {} moved to {}",
        shown(path),
        counted(bytes as u64, "byte was", "bytes were"),
        shown(&torn)
    )))
}

/// Writes behind what is in a file; it is on the disk when this returns.
fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut kept = File::options().append(true).create(true).open(path)?;
    kept.write_all(bytes)?;
    kept.sync_all()?;
    File::open(folder_of(path))?.sync_all()
}

fn torn_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".torn");
    name.into()
}

/// What stands behind the last newline.
pub(crate) fn last_piece(file: &File, length: u64) -> io::Result<Vec<u8>> {
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
    use super::super::known::tail_digest;
    use super::*;
    use crate::state::OutputMark;
    use std::os::unix::fs::MetadataExt;

    /// How a file ends after a run before it was marked so; what is kept beside it, and what was told.
    struct Ended {
        text: String,
        torn: Option<String>,
        told: String,
    }

    /// `marked` is what the file held at the mark, and whether its run was over then.
    fn ended(
        before: &str,
        is_json: bool,
        marked: Option<(&str, bool)>,
        how: UnknownLines,
    ) -> Ended {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let open = || File::options().read(true).append(true).create(true).open(&path).unwrap();
        let mark = marked.map(|(text, open_run)| {
            std::fs::write(&path, text).unwrap();
            let (file, length) = (open(), text.len() as u64);
            let tail = Some(tail_digest(&file, length).unwrap());
            let inode = file.metadata().unwrap().ino();
            let path = String::new();
            OutputMark { path, inode, length, tail, whole: None, open: open_run }
        });
        std::fs::write(&path, before).unwrap();
        let file = open();
        let known = mark.as_ref().map(|mark| KnownOutput::look(&path, mark).unwrap());
        let end = end_of_file(&file, &path, is_json, known, how).unwrap();
        // What follows stands on a line of its own.
        (&file).write_all(b"next\n").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("\nnext\n") || text == "next\n", "{text}");
        let torn = std::fs::read_to_string(torn_path(&path)).ok();
        let text = text.strip_suffix("next\n").unwrap().to_owned();
        Ended { text, torn, told: end.told.unwrap_or_default() }
    }

    #[test]
    fn what_a_run_left_that_no_state_knows_is_cut() {
        for how in [UnknownLines::Cut, UnknownLines::Move] {
            for (before, is_json, mark, lines) in [
                ("{1}\n{\"a\":", true, "{1}\n", ""),
                ("{1}\n{2}\n{\"a\":", true, "{1}\n", "{2}\n"),
                ("{1}\n{2}\n", true, "{1}\n", "{2}\n"),
                ("{1}\n{\"a\":1}", true, "{1}\n", ""),
                ("{\"a", true, "", ""),
                ("a,b\na,", false, "a,b\n", ""),
            ] {
                let end = ended(before, is_json, Some((mark, true)), how);
                assert_eq!(end.text, mark);
                assert!(!end.told.contains(HAVE_AGAIN), "{}", end.told);
                let moved = (how == UnknownLines::Move && !lines.is_empty()).then_some(lines);
                assert_eq!(end.torn.as_deref(), moved);
                assert!(end.told.contains("come again"), "{}", end.told);
            }
            let end = ended("{1}\n", true, Some(("{1}\n", true)), how);
            assert_eq!((end.text.as_str(), end.told.as_str()), ("{1}\n", ""));
        }
    }

    #[test]
    fn what_another_wrote_is_never_cut() {
        // The run that was recorded was over; the file was written anew, or cut; there is no record.
        for (mark, told) in [
            (Some(("{1}\n", false)), ""),
            (Some(("{7}\n", true)), "written anew"),
            (Some(("{1}\n{2}\n{3}\n{4}\n{5}\n", true)), "shorter"),
            (None, ""),
        ] {
            let end = ended("{1}\n{2}\n{\"a\":", true, mark, UnknownLines::Cut);
            assert_eq!(end.text, "{1}\n{2}\n");
            assert_eq!(end.torn.as_deref(), Some("{\"a\":\n"));
            assert!(end.told.contains("moved to") && end.told.contains(told), "{}", end.told);
            assert_eq!(end.told.contains(HAVE_AGAIN), !told.is_empty());
            let rows = ended("a,b\na,", false, mark.filter(|_| told.is_empty()), UnknownLines::Cut);
            assert_eq!((rows.text.as_str(), rows.torn), ("a,b\na,\n", None));
        }
    }

    #[test]
    fn a_file_at_the_path_of_another_is_never_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        std::fs::write(&path, "{1}\n{2}\n").unwrap();
        let file = File::options().read(true).append(true).open(&path).unwrap();
        let inode = file.metadata().unwrap().ino() + 1;
        let none = String::new();
        let mark = OutputMark { path: none, inode, length: 4, tail: None, whole: None, open: true };
        let known = KnownOutput::look(&path, &mark).unwrap();
        let end = end_of_file(&file, &path, true, Some(known), UnknownLines::Cut).unwrap();
        let told = end.told.unwrap();
        assert!(told.contains(HAVE_AGAIN), "{told}");
        assert!(told.contains("not the file that the state knows"), "{told}");
        assert_eq!(std::fs::read(&path).unwrap(), b"{1}\n{2}\n");
    }

    #[test]
    fn a_file_that_was_moved_is_no_loss() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let none = String::new();
        let mark =
            OutputMark { path: none, inode: 1, length: 4, tail: None, whole: None, open: false };
        let known = KnownOutput::look(&path, &mark).unwrap();
        let file = File::options().read(true).append(true).create(true).open(&path).unwrap();
        let end = end_of_file(&file, &path, true, Some(known), UnknownLines::Move).unwrap();
        let told = end.told.unwrap();
        let words =
            ["a new file begins", "moved or deleted, with 4 bytes", "moved has all of them"];
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
    }

    #[test]
    fn a_whole_line_only_gets_its_end() {
        for (before, after) in
            [("{1}\n{\"a\":1}", "{1}\n{\"a\":1}\n"), ("{1}\n", "{1}\n"), ("", "")]
        {
            let end = ended(before, true, None, UnknownLines::Move);
            assert_eq!((end.text.as_str(), end.torn, end.told.as_str()), (after, None, ""));
        }
    }

    #[test]
    fn long_pieces_are_found_whole() {
        for length in [STEP - 1, STEP, STEP + 1, 3 * STEP] {
            let piece = "x".repeat(length);
            let end = ended(&format!("a\n{piece}"), true, None, UnknownLines::Move);
            assert_eq!((end.text.as_str(), end.torn), ("a\n", Some(format!("{piece}\n"))));
        }
    }
}
