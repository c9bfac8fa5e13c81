//! Which lines a run reads that follows a log by its name, while the log is rotated, cut, copied and packed.
//!
//! In: changes of a folder, looks at it. Out: whether each line that a look could see is read once. No process is started
//! and no rule is run: what a batch reads is what `next_inputs` says.

use super::inputs::{FileNumber, file_of, kept_positions, next_inputs};
use super::lost::{LostFiles, lost_files};
use crate::cli::follow::Follow;
use crate::cli::served::NeverStops;
use crate::state::RecordedInput;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// By now all files are as they are for long, by their times.
const NOW_MS: i64 = 1_000_000_000;

/// A log in a folder, and a run that follows it by its name.
struct FollowedLog {
    folder: tempfile::TempDir,
    log: PathBuf,
    follow: Follow,
    read: Vec<RecordedInput>,
    /// How often each line was read.
    seen: BTreeMap<String, u32>,
    /// What the last look read: names, how many lines, and how many of them were read before.
    last: Vec<(String, usize, usize)>,
    /// What was said of files that are nowhere.
    told: Vec<String>,
    waiting: Vec<RecordedInput>,
    /// Seconds since 1970 by the times of files.
    clock: u64,
    lines: u32,
}

impl FollowedLog {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("x.log");
        let follow = Follow::new(std::slice::from_ref(&log), &NeverStops).unwrap();
        let (read, seen, last, told, waiting) = Default::default();
        Self { folder, log, follow, read, seen, last, told, waiting, clock: 1000, lines: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Gives a file the next second.
    fn date(&mut self, path: &Path) {
        self.clock += 1;
        let time = UNIX_EPOCH + Duration::from_secs(self.clock);
        File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
    }

    fn add(&mut self, path: &Path, text: &str) {
        let mut file = File::options().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.date(path);
    }

    /// The next line; all are equally long.
    fn line(&mut self) -> String {
        self.lines += 1;
        format!("{{\"n\":{}}}\n", 10_000 + self.lines)
    }

    /// Writes so many lines.
    fn write(&mut self, count: u32) {
        for _ in 0..count {
            let line = self.line();
            self.add(&self.log.clone(), &line);
        }
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Packs a file as logrotate does: under another name, with the time that it had.
    fn pack(&self, name: &str) {
        let path = self.path(name);
        let (text, time) = (fs::read(&path).unwrap(), path.metadata().unwrap().modified().unwrap());
        let packed = self.path(&format!("{name}.zst"));
        fs::write(&packed, zstd::encode_all(&text[..], 1).unwrap()).unwrap();
        File::options().append(true).open(packed).unwrap().set_modified(time).unwrap();
        fs::remove_file(path).unwrap();
    }

    /// Copies the log.
    fn copy(&mut self, to: &str) {
        fs::copy(&self.log, self.path(to)).unwrap();
        self.date(&self.path(to));
    }

    fn cut(&mut self) {
        File::create(&self.log).unwrap();
        self.date(&self.log.clone());
    }

    /// Another process, with the positions that the state has.
    fn restart(&mut self) {
        self.follow = Follow::new(std::slice::from_ref(&self.log), &NeverStops).unwrap();
    }

    /// Looks, and reads what is new.
    fn look(&mut self) {
        self.look_at(NOW_MS);
    }

    /// As [`Self::look`], at this time.
    fn look_at(&mut self, now_ms: i64) {
        let known: Vec<_> = self.read.iter().collect();
        let found = self.follow.find(&known, now_ms).unwrap();
        let next = next_inputs(&self.read, found.files(), false).unwrap();
        let waited = std::mem::take(&mut self.waiting);
        let LostFiles { sentences, waiting } =
            lost_files(&self.read, &[], waited, found.files(), &next);
        self.told.extend(sentences);
        let mut present = next.found;
        present.extend(&found.present);
        present.extend(waiting.iter().map(file_of));
        self.waiting = waiting;
        let kept = kept_positions(&self.read, &present, NOW_MS, i64::MAX);
        self.last.clear();
        for record in &next.next {
            let text = content(Path::new(&record.path), record.start, record.length);
            let mut before = 0;
            for line in text.lines() {
                let times = self.seen.entry(line.to_owned()).or_default();
                before += usize::from(*times > 0);
                *times += 1;
            }
            let name = Path::new(&record.path).file_name().unwrap().to_string_lossy();
            self.last.push((name.into_owned(), text.lines().count(), before));
        }
        self.keep(kept.changed);
        self.keep(next.passed);
        self.keep(next.next);
        self.follow.looked(found);
    }

    fn keep(&mut self, records: Vec<RecordedInput>) {
        let numbers: HashSet<FileNumber> = records.iter().map(file_of).collect();
        self.read.retain(|record| !numbers.contains(&file_of(record)));
        self.read.extend(records);
    }

    /// How often each line was read, in their order.
    fn times(&self) -> Vec<u32> {
        let of = |n| self.seen.get(&format!("{{\"n\":{}}}", 10_000 + n)).copied().unwrap_or(0);
        (1..=self.lines).map(of).collect()
    }
}

/// What a file holds, unpacked if it is packed.
fn content(path: &Path, start: u64, end: u64) -> String {
    let bytes = fs::read(path).unwrap();
    let mut text = String::new();
    match crate::source::packed_content(File::open(path).unwrap()).unwrap() {
        Some(mut content) => drop(content.read_to_string(&mut text).unwrap()),
        None => text += std::str::from_utf8(&bytes[start as usize..end as usize]).unwrap(),
    }
    text
}

#[test]
fn a_log_that_is_rotated_twice_between_two_looks() {
    for restarts in [false, true] {
        for packs in [false, true] {
            let mut log = FollowedLog::new();
            log.write(2);
            log.look();
            log.write(1);
            log.rename("x.log", "x.log.1");
            log.write(3);
            log.rename("x.log.1", "x.log.2");
            log.rename("x.log", "x.log.1");
            if packs {
                log.pack("x.log.2");
                log.pack("x.log.1");
            }
            log.write(1);
            if restarts {
                log.restart();
            }
            log.look();
            // What is in the middle of packed data is not read alone.
            let of_packed = if packs { 2 } else { 1 };
            let expected = [of_packed, of_packed, 1, 1, 1, 1, 1];
            assert_eq!(log.times(), expected, "restarts {restarts}, packs {packs}");
            log.look();
            log.restart();
            log.look();
            assert_eq!(log.times(), expected, "again: restarts {restarts}, packs {packs}");
        }
    }
}

#[test]
fn a_log_that_is_gone_for_now_was_rotated_all_the_same() {
    let mut log = FollowedLog::new();
    log.write(1);
    log.look();
    log.rename("x.log", "x.log-20261127");
    log.write(2);
    log.rename("x.log", "x.log-20261128");
    log.restart();
    log.look();
    assert_eq!(log.times(), [1, 1, 1]);
    log.write(1);
    log.look();
    assert_eq!(log.times(), [1, 1, 1, 1]);
}

#[test]
fn what_was_read_is_not_read_again_when_it_is_packed() {
    let mut log = FollowedLog::new();
    log.write(3);
    log.look();
    log.rename("x.log", "x.log.1");
    log.write(1);
    log.look();
    log.pack("x.log.1");
    log.rename("x.log.1.zst", "x.log.2.zst");
    log.look();
    assert!(log.last.is_empty(), "{:?}", log.last);
    // Its position is kept: nothing that comes later has to be compared with it.
    log.read.retain(|record| record.length != 36);
    log.restart();
    log.write(1);
    log.look();
    assert_eq!((log.times(), log.last.len()), (vec![1, 1, 1, 1, 1], 1));
}

#[test]
fn a_log_that_is_copied_and_cut_is_read_on_in_the_copy() {
    for restarts in [false, true] {
        let mut log = FollowedLog::new();
        log.write(2);
        log.look();
        log.write(2);
        // In the middle of the copy nothing of it is read.
        log.add(&log.path("x.log.1"), "{\"n\":10001}\n{\"n\":");
        log.look();
        let read: Vec<_> = log.last.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!((log.times(), read), (vec![1; 4], vec!["x.log"]));
        log.write(1);
        log.copy("x.log.1");
        log.cut();
        log.write(9);
        if restarts {
            log.restart();
        }
        log.look();
        assert_eq!(log.times(), [1; 14]);
        log.look();
        log.pack("x.log.1");
        log.restart();
        log.look();
        assert_eq!(log.times(), [1; 14]);
    }
}

#[test]
fn what_is_older_than_the_first_look_is_not_read() {
    let mut log = FollowedLog::new();
    for name in ["x.log.3", "x.log.2", "x.log.1", "x.log.bak"] {
        let line = log.line();
        log.add(&log.path(name), &line);
    }
    log.pack("x.log.3");
    log.write(1);
    log.look();
    assert_eq!(log.times(), [0, 0, 0, 0, 1]);
    // They move on; what is no rotation by its name is not read whenever it changes.
    log.rename("x.log.3.zst", "x.log.4.zst");
    log.pack("x.log.2");
    log.rename("x.log.2.zst", "x.log.3.zst");
    log.rename("x.log.1", "x.log.2");
    log.rename("x.log", "x.log.1");
    let line = log.line();
    log.add(&log.path("x.log.bak"), &line);
    log.write(1);
    log.restart();
    log.look();
    assert_eq!(log.times(), [0, 0, 0, 0, 1, 0, 1]);
}

/// Cut and grown past where it was read to, with lines as long as those that were there.
#[test]
fn a_log_that_is_cut_and_grows_past_its_position_is_read_from_its_beginning() {
    for lines in 1..6 {
        let mut log = FollowedLog::new();
        log.write(3);
        log.look();
        log.cut();
        log.write(lines);
        log.look();
        assert_eq!(log.times(), vec![1; 3 + lines as usize]);
    }
}

/// The number of a file that was removed is given to another one, which is none of the log's.
#[test]
fn another_file_with_the_number_of_one_that_was_read_is_not_read() {
    let mut log = FollowedLog::new();
    log.write(2);
    log.look();
    for name in ["other.log", "x.log.bak"] {
        let line = log.line();
        log.add(&log.path(name), &line);
        let number = log.path(name).metadata().unwrap().ino();
        let mut removed = log.read.clone();
        removed.iter_mut().for_each(|record| record.inode = number);
        log.keep(removed);
    }
    log.restart();
    log.look();
    assert_eq!(log.times(), [1, 1, 0, 0]);
    // The log itself is known by that, whatever it is renamed to.
    log.rename("x.log", "x.log.old");
    let line = log.line();
    log.add(&log.path("x.log.old"), &line);
    log.look();
    assert_eq!(log.times(), [1, 1, 0, 0, 1]);
}

/// A file's times and length are the same after a change in the step of a clock: it is looked at once more.
#[test]
fn a_change_with_the_time_of_the_last_look_is_seen() {
    let mut log = FollowedLog::new();
    log.write(1);
    let find = |log: &mut FollowedLog, now_ms| {
        let known: Vec<_> = log.read.iter().collect();
        let found = log.follow.find(&known, now_ms).unwrap();
        let count = found.inputs.len();
        log.follow.looked(found);
        count
    };
    let changed_ms = log.log.metadata().unwrap().ctime() * 1000;
    assert_eq!(find(&mut log, changed_ms + 1999), 1);
    assert_eq!(find(&mut log, changed_ms + 2000), 1, "it could have changed since");
    assert_eq!(find(&mut log, changed_ms + 2000), 0);
}

#[test]
fn a_file_that_is_gone_is_named_where_nothing_beside_the_log_holds_it() {
    let name = |log: &FollowedLog| crate::escape::escaped(&log.log.to_string_lossy()).into_owned();
    for cuts in [false, true] {
        for beside in [0, 1, 2] {
            let mut log = FollowedLog::new();
            log.write(3);
            log.look();
            log.write(2);
            for n in 0..beside {
                let line = log.line();
                log.add(&log.path(&format!("x.log.{n}")), &line);
            }
            if cuts {
                log.cut();
            } else {
                fs::rename(&log.log, log.path("x.log.gone")).unwrap();
                log.add(&log.path("other"), "x");
                fs::rename(log.path("x.log.gone"), log.folder.path().join("gone")).unwrap();
                fs::remove_file(log.path("gone")).unwrap();
            }
            log.write(1);
            log.restart();
            log.look();
            let searched = match beside {
                0 => "no x.log.N or x.log-DATE is beside it",
                1 => "the rotated file beside it does not begin so",
                _ => "none of the 2 rotated files beside it begins so",
            };
            let expected = format!(
                "{}: the file that was read up to byte 36 is gone or was cut, and {searched}: what was written \
                 behind that byte was not read",
                name(&log)
            );
            assert_eq!(log.told, [expected], "cuts {cuts}");
            log.look();
            log.restart();
            log.look();
            assert_eq!(log.told.len(), 1, "once");
        }
    }
}

#[test]
fn of_a_file_that_is_found_nothing_is_said() {
    for date in ["x.log.1", "x.log-20261128", "x.log_20261128", "x_20261128.log"] {
        for packs in [false, true] {
            let mut log = FollowedLog::new();
            log.write(2);
            log.look();
            log.write(1);
            log.copy(date);
            fs::remove_file(&log.log).unwrap();
            if packs {
                log.pack(date);
            }
            log.write(1);
            log.restart();
            log.look();
            let of_packed = if packs { 2 } else { 1 };
            assert_eq!(log.times(), [of_packed, of_packed, 1, 1], "{date}");
            assert_eq!((log.told.len(), log.waiting.len()), (0, 0), "{date}: {:?}", log.told);
        }
    }
    // It was found under its new name before it went: nobody writes to it any more.
    let mut log = FollowedLog::new();
    log.write(2);
    log.look();
    log.rename("x.log", "x.log.bak");
    log.write(1);
    log.look();
    log.restart();
    fs::remove_file(log.path("x.log.bak")).unwrap();
    log.write(1);
    log.look();
    assert_eq!((log.times(), log.told.len()), (vec![1; 4], 0), "{:?}", log.told);
}

/// Whoever packs it may not be done.
#[test]
fn a_file_that_is_gone_is_waited_for_while_a_packed_one_changes() {
    for holds in [true, false] {
        let mut log = FollowedLog::new();
        log.write(2);
        log.look();
        log.write(1);
        log.copy("x.log-20261128");
        if !holds {
            let other = log.line();
            fs::write(log.path("x.log-20261128"), other).unwrap();
            log.date(&log.path("x.log-20261128"));
        }
        log.pack("x.log-20261128");
        let packed_ms = log.clock as i64 * 1000;
        fs::remove_file(&log.log).unwrap();
        log.look_at(packed_ms + 4000);
        let waits = usize::from(!holds);
        assert_eq!((log.told.len(), log.waiting.len()), (0, waits));
        // It is not forgotten where the process ends meanwhile.
        log.restart();
        log.waiting.clear();
        log.look_at(packed_ms + 4999);
        assert_eq!((log.told.len(), log.waiting.len()), (0, waits));
        log.look_at(packed_ms + 5000);
        assert_eq!((log.told.len(), log.waiting.len()), (waits, 0));
    }
}

#[test]
fn of_a_log_that_was_empty_nothing_is_read_and_nothing_said() {
    let mut log = FollowedLog::new();
    log.cut();
    log.look();
    log.write(2);
    log.look();
    log.copy("x.log.1");
    log.cut();
    log.look();
    assert!(log.last.is_empty(), "an empty one is no input: {:?}", log.last);
    log.write(1);
    log.look();
    assert_eq!((log.times(), log.told.len()), (vec![1; 3], 0));
}

/// A number below `below`, the same for the same seed.
fn chance(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

/// How rotation names files.
#[derive(Debug, Clone, Copy)]
enum Naming {
    Numbers,
    Dates,
    BeforeEnding,
}

impl FollowedLog {
    /// The rotated files, the oldest last.
    fn rotated(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut rotated: Vec<_> =
            names.filter(|name| name != "x.log" && !name.ends_with("bak")).collect();
        let changed = |name: &String| self.path(name).metadata().unwrap().modified().unwrap();
        rotated.sort_by_key(|name| std::cmp::Reverse(changed(name)));
        rotated
    }

    /// Makes room for the newest rotated file, and gives its name.
    fn make_room(&self, naming: Naming) -> String {
        let name = |number: usize| match naming {
            Naming::Numbers => format!("x.log.{number}"),
            Naming::BeforeEnding => format!("x.{number}.log"),
            Naming::Dates => format!("x.log-{}", 20_260_000 + self.clock),
        };
        if !matches!(naming, Naming::Dates) {
            for (at, old) in self.rotated().iter().enumerate().rev() {
                let ending = if old.ends_with(".zst") { ".zst" } else { "" };
                self.rename(old, &(name(at + 2) + ending));
            }
        }
        name(1)
    }

    /// Whole lines that are in the folder, but for those of files that never were of the log.
    fn visible(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        for name in self.rotated().into_iter().chain(["x.log".to_owned()]) {
            let path = self.path(&name);
            if let Ok(meta) = path.metadata() {
                let text = content(&path, 0, meta.len());
                let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
                lines.extend(whole.lines().map(str::to_owned));
            }
        }
        lines
    }
}

#[test]
fn what_a_look_could_see_is_read_once_whatever_rotation_does() {
    let mut seed = 20_261_128;
    for round in 0..40 {
        let begun_with = seed;
        let naming =
            [Naming::Numbers, Naming::Dates, Naming::BeforeEnding][chance(&mut seed, 3) as usize];
        println!("round {round}, seed {begun_with}, {naming:?}");
        let mut log = FollowedLog::new();
        let mut old = BTreeSet::new();
        for name in ["x.log.bak", "x.log.1"].iter().take(chance(&mut seed, 3) as usize) {
            let line = log.line();
            log.add(&log.path(name), &line);
            old.insert(line.trim_end().to_owned());
        }
        log.cut();
        log.look();
        let mut half: Option<String> = None;
        let mut steps = Vec::new();
        for _ in 0..60 {
            let step = chance(&mut seed, 12);
            steps.push(step);
            let is_there = log.log.exists();
            match step {
                0..=2 => {
                    if let Some(rest) = half.take() {
                        log.add(&log.log.clone(), &rest);
                    }
                    log.write(1 + chance(&mut seed, 3) as u32);
                }
                3 if half.is_none() => {
                    let line = log.line();
                    let (begin, rest) = line.split_at(1 + chance(&mut seed, 8) as usize);
                    log.add(&log.log.clone(), begin);
                    half = Some(rest.to_owned());
                }
                4 | 5 if is_there => {
                    let to = log.make_room(naming);
                    log.rename("x.log", &to);
                    if let Some(rest) = half.take() {
                        log.add(&log.path(&to), &rest);
                    }
                }
                6 if is_there && half.is_none() => {
                    let to = log.make_room(naming);
                    log.copy(&to);
                    if chance(&mut seed, 2) == 0 {
                        log.look();
                    }
                    log.cut();
                }
                7 if is_there && half.is_none() => log.cut(),
                8 => {
                    let plain: Vec<_> =
                        log.rotated().into_iter().filter(|n| !n.ends_with(".zst")).collect();
                    if !plain.is_empty() {
                        log.pack(&plain[chance(&mut seed, plain.len() as u64) as usize]);
                    }
                }
                9 => {
                    if let Some(oldest) = log.rotated().last() {
                        fs::remove_file(log.path(oldest)).unwrap();
                    }
                }
                10 => log.restart(),
                _ => {}
            }
            if step < 11 && chance(&mut seed, 3) > 0 {
                continue;
            }
            let could_see = log.visible();
            log.look();
            for line in could_see.difference(&old) {
                assert!(log.seen.contains_key(line), "{line} is lost: {steps:?}");
            }
            for (name, lines, before) in &log.last {
                // Packed data is read as a whole, if it has something new.
                let most = if name.ends_with(".zst") { lines.saturating_sub(1) } else { 0 };
                assert!(*before <= most, "{before} of {lines} lines of {name} again: {steps:?}");
            }
        }
        assert!(log.seen.keys().all(|line| !old.contains(line)), "{steps:?}");
    }
}
