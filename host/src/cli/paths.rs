//! No file is two things at once.
//!
//! In: the paths that a run writes and reads, besides its inputs. Out: an error when two of them are
//! one file. Devices (`/dev/null`) may be named as often as one likes.

use super::place::in_memory;
use crate::files::{folder_of, shown};
use anyhow::bail;
use clap::builder::{PathBufValueParser, TypedValueParser};
use std::path::{Path, PathBuf};

/// Reads the name of a file to write: a lone dash would make a file of that name.
///
/// # Errors
/// What to give instead.
fn file_name(path: PathBuf) -> Result<PathBuf, &'static str> {
    if path.as_os_str() == "-" {
        return Err(
            "no file; alerts go to standard output without --output, ./- is a file of that name",
        );
    }
    Ok(path)
}

/// The parser of options that name a file to write.
pub(super) fn to_write() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(file_name)
}

/// Checks that no file is written as two things, or written and read.
///
/// # Errors
/// The two options, and the file.
pub(super) fn refuse_collisions(
    written: &[(&str, Option<&PathBuf>)],
    read: &[&Path],
) -> anyhow::Result<()> {
    let mut known: Vec<(&str, PathBuf)> =
        read.iter().map(|path| ("a rule, the settings or exceptions", whole(path))).collect();
    for (option, path) in written {
        let Some(path) = path.filter(|path| is_file(path)) else { continue };
        let path = whole(path);
        if let Some((other, _)) = known.iter().find(|(_, known)| *known == path) {
            bail!("{}: it is {other} and {option} at once; give another file", shown(&path));
        }
        known.push((option, path));
    }
    Ok(())
}

/// A file, or nothing yet; `memory:` is none.
fn is_file(path: &Path) -> bool {
    !in_memory(path) && std::fs::metadata(path).map_or(true, |meta| meta.is_file())
}

/// The path without links and dots; of a file that is not there yet, its folder's.
pub(super) fn whole(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let folder = folder_of(path);
    match (folder.canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_under_two_names_is_found_and_a_device_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("./a"));
        let null = PathBuf::from("/dev/null");
        let error = refuse_collisions(&[("--state", Some(&a)), ("--output", Some(&b))], &[]);
        assert!(error.unwrap_err().to_string().contains("--state and --output"));
        assert!(refuse_collisions(&[("--output", Some(&a))], &[&b]).is_err());
        assert!(refuse_collisions(&[("--x", Some(&null)), ("--y", Some(&null))], &[]).is_ok());
        let c = folder.path().join("c");
        assert!(
            refuse_collisions(&[("--x", Some(&a)), ("--y", Some(&c)), ("--z", None)], &[]).is_ok()
        );
    }
}
