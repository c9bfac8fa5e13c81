//! The files that rotation made of one that is followed by its name.
//!
//! In: the name of a log, what its folder holds. Out: its rotated files, the oldest first. By their names and times
//! alone: it opens no file.

use crate::files::folder_of;
use crate::state::RecordedInput;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The endings of packed files that are read.
const PACKED: [&str; 4] = [".gz", ".gzip", ".zst", ".zstd"];
/// A longer number behind a name is a date or a time.
const MOST_DIGITS: usize = 3;
/// The fewest digits of a date: of a month.
const DATE_DIGITS: usize = 6;

/// A log that is followed by its name, with all that rotation made of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct LogFamily {
    /// Its folder, without links, and its name there: of the link too, where it is one.
    places: Vec<(PathBuf, String)>,
    /// What rotation made of it and changed after this is read: see [`RecordedInput::rotated_after_ns`].
    pub after_ns: i64,
}

/// A file that is named as one that rotation made.
pub(in crate::cli) struct RotatedFile {
    pub path: PathBuf,
    pub meta: Metadata,
}

impl LogFamily {
    /// Of the log at this path; of what a link there leads to, too. `before` is where it led to when that was there.
    pub(super) fn of(path: &Path, before: Option<&PathBuf>) -> Self {
        let mut places: Vec<(PathBuf, String)> = Vec::new();
        let target = path.canonicalize().ok();
        let named = folder_of(path).canonicalize().ok().zip(path.file_name());
        let named = named.map(|(folder, name)| folder.join(name));
        for path in [named.as_ref(), target.as_ref().or(before)].into_iter().flatten() {
            if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
                let place = (folder.to_path_buf(), name.to_string_lossy().into_owned());
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        Self { places, after_ns: 0 }
    }

    /// Whether a path, without links, is that of the log or of what rotation made of it.
    pub(in crate::cli) fn has(&self, path: &Path) -> bool {
        let Some((folder, name)) = path.parent().zip(path.file_name().and_then(OsStr::to_str))
        else {
            return false;
        };
        let is_of = |place: &(PathBuf, String)| {
            place.0 == folder && (place.1 == name || is_rotated(&place.1, name))
        };
        self.places.iter().any(is_of)
    }

    /// The log itself, by each of its paths.
    pub(in crate::cli) fn logs(&self) -> impl Iterator<Item = PathBuf> {
        self.places.iter().map(|(folder, name)| folder.join(name))
    }

    /// Since when files count, as far as a run has kept it: the first of all times.
    pub(super) fn kept_after<'r>(
        &self,
        known: impl Iterator<Item = &'r RecordedInput>,
    ) -> Option<i64> {
        let of = known.filter(|record| self.has(Path::new(&record.path)));
        of.filter_map(|record| record.rotated_after_ns).min()
    }

    /// The files beside it that are named as rotation names them, by the time of their last change.
    pub(in crate::cli) fn files(&self) -> Vec<RotatedFile> {
        let mut files = Vec::new();
        for (folder, name) in &self.places {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_name().to_str().is_some_and(|other| is_rotated(name, other))
                    && let Ok(meta) = entry.metadata()
                    && meta.is_file()
                {
                    files.push(RotatedFile { path: entry.path(), meta });
                }
            }
        }
        files.sort_by_cached_key(|file| (changed_ns(&file.meta), file.path.clone()));
        files
    }
}

/// When the content of a file changed last, in nanoseconds since 1970. A time that was set to the future, as a restored
/// file may have it, would make all files that rotation makes until then older: the time of the setting counts.
pub(super) fn changed_ns(meta: &Metadata) -> i64 {
    let ns = |seconds: i64, nanos| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
    ns(meta.mtime(), meta.mtime_nsec()).min(ns(meta.ctime(), meta.ctime_nsec()))
}

/// Whether rotation names a file so that it makes of the log `log`: a number or a date behind its name, or before the
/// ending of that, and perhaps the ending of a packed file.
pub(in crate::cli) fn is_rotated(log: &str, name: &str) -> bool {
    let plain = PACKED.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    let is_marked = |marked: &str| {
        let date = || marked.strip_prefix(['-', '_']).is_some_and(is_date);
        date() || marked.strip_prefix('.').is_some_and(|mark| is_number(mark) || is_date(mark))
    };
    if plain.strip_prefix(log).is_some_and(is_marked) {
        return true;
    }
    let Some((stem, ending)) = log.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) else {
        return false;
    };
    let marked = plain.strip_suffix(ending).and_then(|rest| rest.strip_suffix('.'));
    marked.and_then(|rest| rest.strip_prefix(stem)).is_some_and(is_marked)
}

fn is_number(mark: &str) -> bool {
    (1..=MOST_DIGITS).contains(&mark.len()) && mark.bytes().all(|byte| byte.is_ascii_digit())
}

/// A date, perhaps with a time or a number behind it: `20261128`, `2026-11-28-10`, `2026-11-28T10-11-12.000`; or
/// seconds since 1970.
fn is_date(mark: &str) -> bool {
    let is_of_date = |byte: u8| byte.is_ascii_digit() || b"-_.:+TZ".contains(&byte);
    let digits = mark.bytes().filter(u8::is_ascii_digit).count();
    let is_epoch = mark.len() == 10 && digits == 10;
    let is_year = mark.starts_with("19") || mark.starts_with("20");
    mark.bytes().all(is_of_date) && digits >= DATE_DIGITS && (is_year || is_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rotated_files() {
        for name in [
            "x.log.1",
            "x.log.0",
            "x.log.12.gz",
            "x.log.1.zst",
            "x.log-20261128",
            "x.log-20261128.gz",
            "x.log-2026-11-28",
            "x.log-1764324000",
            "x.log_20261128",
            "x.log_20261128.gz",
            "x_2026-11-28.log",
            "x.log.2026-11-28",
            "x.log.2026-11-28-10",
            "x.log.20261128-101112",
            "x.log.2026-11-28_10:11:12",
            "x.1.log",
            "x.1.log.gz",
            "x-20261128.log",
            "x.2026-11-28.log",
            "x-2026-11-28T10-11-12.000.log.gz",
        ] {
            assert!(is_rotated("x.log", name), "{name}");
        }
        for name in [
            "x.log",
            "x.log.gz",
            "x.log.bak",
            "x.log.old",
            "x.log.1.bak",
            "x.log.",
            "x.log-",
            "x.log-1",
            "x.log_1",
            "x.log_backup",
            "x_1.log",
            "x.log.1x",
            "x.log.1234",
            "x.log.10.0.0.1",
            "x.log-backup",
            "x.log~",
            "x-1.log",
            "x.log1",
            "xx.log.1",
            "x.1.txt",
            "x1.log",
            "1.log",
            ".1.log",
            "audit-x.log.1",
            "",
        ] {
            assert!(!is_rotated("x.log", name), "{name}");
        }
        assert!(is_rotated("x", "x.1") && is_rotated(".x", ".x.1"));
        assert!(!is_rotated(".x", ".1.x") && !is_rotated("x", "x.log"));
        assert!(is_rotated("x.json.gz", "x.json.gz.1"));
    }
}
