//! The state against kills, damage, second writers and folders that refuse.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

const LIMIT: usize = 1 << 20;

type Values = BTreeMap<Vec<u8>, Vec<u8>>;

fn write(kept: &mut FolderStore, key: &[u8], value: &[u8]) {
    let before = kept.get(key).unwrap();
    assert_eq!(kept.cas(key, before.as_deref(), value, 1), Ok(Cas::Done));
}

fn open(folder: &Path) -> FolderStore {
    FolderStore::open_with(folder, LIMIT, ROLL_AT)
}

fn values(kept: &FolderStore) -> Values {
    kept.memory().iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// A frame with one sighting.
fn frame_of(number: u64, offset: u64, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut entries = Vec::new();
    frame::push_sighting(key, value, &mut entries);
    frame::framed(frame::FramePosition { number, offset }, &entries)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A folder with one file of that number and content; what is read from it.
fn read_back(number: u64, bytes: &[u8]) -> (Values, Vec<String>) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(format!("firstseen.{number}.log")), bytes).unwrap();
    let mut kept = open(folder.path());
    (values(&kept), kept.take_notes())
}

/// Some commits, and what was known when the file had which length.
fn story(folder: &Path) -> (Vec<u8>, Vec<(usize, Values)>) {
    let mut kept = open(folder);
    let file = files(folder).pop().unwrap();
    let mut known = Values::new();
    let mut at = vec![(frame::HEADER.len(), known.clone())];
    for (step, key) in ["ann", "bob", "ann", "carol", "bob"].into_iter().enumerate() {
        // Values that hold what looks like a frame.
        let mut value = vec![u8::try_from(step).unwrap(); step * 9];
        value.extend(frame_of(1, 40, b"evil", b"evil"));
        write(&mut kept, key.as_bytes(), &value);
        kept.commit().unwrap();
        known.insert(key.as_bytes().to_vec(), value);
        at.push((fs::read(&file).unwrap().len(), known.clone()));
    }
    (fs::read(&file).unwrap(), at)
}

/// What was committed in full within so many bytes.
fn known_at(story: &[(usize, Values)], bytes: usize) -> Values {
    let known = story.iter().rev().find(|(length, _)| *length <= bytes);
    known.map(|(_, values)| values.clone()).unwrap_or_default()
}

#[test]
fn what_was_committed_is_there_after_a_restart_and_what_was_not_is_not() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("made/by/itself");
    let mut kept = FolderStore::open(path.to_str().unwrap(), LIMIT);
    write(&mut kept, b"a", b"1");
    write(&mut kept, b"b", b"2");
    kept.commit().unwrap();
    write(&mut kept, b"b", b"3");
    drop(kept);
    for _ in 0..3 {
        let kept = open(&path);
        assert_eq!(kept.memory().value(b"a"), Some(&b"1"[..]));
        assert_eq!(kept.memory().value(b"b"), Some(&b"2"[..]));
        assert_eq!(files(&path).len(), 1, "older files are deleted");
    }
}

#[test]
fn a_kill_at_any_byte_leaves_what_was_committed() {
    let folder = TempDir::new().unwrap();
    let (bytes, story) = story(folder.path());
    for cut in 0..=bytes.len() {
        let (values, notes) = read_back(1, &bytes[..cut]);
        assert_eq!(values, known_at(&story, cut), "cut at {cut}");
        assert_eq!(notes, Vec::<String>::new(), "cut at {cut}");
    }
}

#[test]
fn damage_at_any_byte_leaves_what_stands_before_it_and_nothing_false() {
    let folder = TempDir::new().unwrap();
    let (bytes, story) = story(folder.path());
    for at in 0..bytes.len() {
        for change in [1, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= change;
            let (values, notes) = read_back(1, &damaged);
            assert_eq!(values, known_at(&story, at), "byte {at} ^ {change}");
            assert!(notes.len() <= 1, "{notes:?}");
        }
    }
}

#[test]
fn a_file_under_another_number_is_not_taken_for_that_one() {
    let folder = TempDir::new().unwrap();
    let (bytes, _) = story(folder.path());
    assert_eq!(read_back(2, &bytes).0, Values::new());
}

#[test]
fn much_damage_is_told_and_the_file_is_kept() {
    let folder = TempDir::new().unwrap();
    let mut kept = open(folder.path());
    for n in 0..20u8 {
        write(&mut kept, &[n], &[n; 500]);
        kept.commit().unwrap();
    }
    drop(kept);
    let file = files(folder.path()).pop().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[1_000] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let mut kept = open(folder.path());
    assert_eq!(kept.memory().len(), 1);
    let notes = kept.take_notes();
    assert!(notes.len() == 1 && notes[0].contains("damaged"), "{notes:?}");
    let kept_file = folder.path().join("firstseen.1.log.damaged");
    assert_eq!(fs::read(kept_file).unwrap(), bytes);
    write(&mut kept, b"new", b"1");
    kept.commit().unwrap();
    assert_eq!(open(folder.path()).memory().len(), 2);
}

#[test]
fn a_snapshot_cut_at_any_byte_takes_nothing_away_and_adds_nothing() {
    let folder = TempDir::new().unwrap();
    let (bytes, story) = story(folder.path());
    let all = story.last().unwrap().1.clone();
    drop(open(folder.path()));
    let snapshot = fs::read(folder.path().join("firstseen.2.log")).unwrap();
    for cut in 0..=snapshot.len() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("firstseen.1.log"), &bytes).unwrap();
        fs::write(folder.path().join("firstseen.2.log"), &snapshot[..cut]).unwrap();
        let kept = open(folder.path());
        assert_eq!(values(&kept), all, "cut at {cut}");
        assert_eq!(files(folder.path()), [folder.path().join("firstseen.3.log")]);
    }
}

#[test]
fn a_file_that_could_not_be_deleted_does_not_bring_old_values_back() {
    let folder = TempDir::new().unwrap();
    let (old, _) = story(folder.path());
    let mut kept = open(folder.path());
    write(&mut kept, b"ann", b"newest");
    kept.commit().unwrap();
    drop(kept);
    fs::write(folder.path().join("firstseen.1.log"), old).unwrap();
    assert_eq!(open(folder.path()).memory().value(b"ann"), Some(&b"newest"[..]));
}

#[test]
fn the_file_stays_in_proportion_to_the_state() {
    let folder = TempDir::new().unwrap();
    let mut kept = FolderStore::open_with(folder.path(), LIMIT, 4_096);
    for n in 0..2_000u32 {
        write(&mut kept, b"one key", &n.to_le_bytes());
        kept.commit().unwrap();
        let length: u64 = files(folder.path()).iter().map(|f| f.metadata().unwrap().len()).sum();
        assert!(length < 4_200, "{length} after {n}");
    }
    assert_eq!(open(folder.path()).memory().value(b"one key"), Some(&1_999u32.to_le_bytes()[..]));
}

#[test]
fn of_two_writers_the_later_owns_the_state_and_the_other_says_so() {
    let folder = TempDir::new().unwrap();
    let mut first = open(folder.path());
    write(&mut first, b"a", b"first");
    first.commit().unwrap();
    let mut second = open(folder.path());
    write(&mut first, b"b", b"first");
    let fault = first.commit().unwrap_err();
    assert!(fault.starts_with("state_taken: ") && fault.contains("folder of its own"), "{fault}");
    assert_eq!(first.get(b"b"), Ok(Some(b"first".to_vec())), "it goes on in memory");
    write(&mut second, b"c", b"second");
    second.commit().unwrap();
    // For good, and reported once.
    write(&mut first, b"d", b"first");
    assert!(first.commit().is_err());
    assert_eq!(first.take_notes().len(), 1);
    let third = values(&open(folder.path()));
    let expected = [(&b"a"[..], &b"first"[..]), (b"c", b"second")];
    assert_eq!(third, expected.map(|(k, v)| (k.to_vec(), v.to_vec())).into());
}

#[test]
fn a_writer_that_was_overtaken_twice_notices_too() {
    let folder = TempDir::new().unwrap();
    let mut first = open(folder.path());
    drop(open(folder.path()));
    drop(open(folder.path()));
    write(&mut first, b"a", b"1");
    assert!(first.commit().unwrap_err().starts_with("state_taken: "));
}

#[test]
fn a_newer_file_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("firstseen.4.log");
    fs::write(&file, b"firstseen state 3\nsomething else").unwrap();
    let mut kept = open(folder.path());
    write(&mut kept, b"a", b"1");
    let fault = kept.commit().unwrap_err();
    assert!(fault.contains("newer firstseen"), "{fault}");
    assert_eq!(files(folder.path()), std::slice::from_ref(&file));
    assert_eq!(fs::read(file).unwrap(), b"firstseen state 3\nsomething else");
}

#[test]
fn a_folder_that_cannot_be_made_is_told_once_and_in_every_commit() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let mut kept = open(&file);
    let notes = kept.take_notes();
    assert!(notes.len() == 1 && notes[0].starts_with("state_file: cannot"), "{notes:?}");
    for n in 0..3u8 {
        write(&mut kept, &[n], b"1");
        let fault = kept.commit().unwrap_err();
        assert!(fault.contains("in memory alone"), "{fault}");
    }
    assert_eq!(kept.take_notes(), Vec::<String>::new());
    assert_eq!(kept.commit(), Ok(()), "nothing was written, so nothing is missing");
}

/// A device that is always full stands where the file is.
#[cfg(target_os = "linux")]
#[test]
fn when_the_disk_has_room_again_all_is_written() {
    let folder = TempDir::new().unwrap();
    let mut kept = open(folder.path());
    let Log::Open(generation) = &mut kept.log else { panic!("the folder is good") };
    generation.replace_file(fs::OpenOptions::new().append(true).open("/dev/full").unwrap());
    write(&mut kept, b"a", b"1");
    let fault = kept.commit().unwrap_err();
    assert!(fault.contains("make room"), "{fault}");
    write(&mut kept, b"b", b"2");
    kept.commit().unwrap();
    let notes = kept.take_notes();
    assert!(notes.len() == 2 && notes[1].contains("written again"), "{notes:?}");
    assert_eq!(open(folder.path()).memory().len(), 2);
}

#[test]
fn while_it_fails_it_is_tried_less_and_less_often() {
    let folder = TempDir::new().unwrap();
    let mut kept = open(folder.path());
    let mut tries = 0;
    for _ in 0..1_000 {
        if matches!(&kept.log, Log::Failed { left, .. } if *left > 1) {
            write(&mut kept, b"a", b"1");
            assert!(kept.commit().is_err());
            continue;
        }
        tries += 1;
        assert!(kept.failed(folder::FolderError::Passing("state_file: full".to_owned())).is_err());
    }
    assert!(tries < 12, "{tries}");
    assert_eq!(kept.take_notes().len(), 1);
}

#[test]
fn at_the_limit_terms_are_forgotten_and_it_is_told_once() {
    let folder = TempDir::new().unwrap();
    let mut kept = FolderStore::open_with(folder.path(), 2_000, ROLL_AT);
    for n in 0..100u8 {
        write(&mut kept, &[n], &[n; 100]);
        kept.commit().unwrap();
    }
    let notes = kept.take_notes();
    assert!(notes.len() == 1 && notes[0].starts_with("state_limit: "), "{notes:?}");
    let before = values(&kept);
    assert!(before.len() < 100 && before.contains_key(&[99][..]));
    drop(kept);
    let again = FolderStore::open_with(folder.path(), 2_000, ROLL_AT);
    assert_eq!(values(&again), before, "the same are forgotten after a restart");
}

#[test]
fn a_file_of_version_1_is_read() {
    let mut bytes = b"firstseen state 1\n".to_vec();
    for (key, value) in [(&b"ann"[..], &b"1"[..]), (b"bob", b"22")] {
        let place = frame::FramePosition { number: 7, offset: bytes.len() as u64 };
        let lengths = [key.len() as u8, 0, value.len() as u8, 0];
        bytes.extend_from_slice(&lengths);
        bytes.extend_from_slice(&frame::sum::<8>(place, &[&lengths, key, value]));
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
    }
    let both = Values::from([(b"ann".to_vec(), b"1".to_vec()), (b"bob".to_vec(), b"22".to_vec())]);
    assert_eq!(read_back(7, &bytes), (both, Vec::new()));
    assert_eq!(read_back(7, &bytes[..bytes.len() - 1]).0.len(), 1);
    assert_eq!(read_back(8, &bytes).0, Values::new());
}

/// What a folder's outbox gives a new instance.
fn given(kept: &mut FolderStore) -> Vec<String> {
    kept.outbox_mut().give_again(usize::MAX, 0, &[])
}

#[test]
fn at_any_byte_a_term_is_known_only_with_its_alert() {
    let folder = TempDir::new().unwrap();
    let mut kept = open(folder.path());
    for name in ["ann", "bob", "carol"] {
        write(&mut kept, name.as_bytes(), b"1");
        write(&mut kept, format!("{name} too").as_bytes(), b"1");
        kept.outbox_mut().keep(name, 0);
        kept.outbox_mut().keep(&format!("{name} too"), 0);
        kept.commit().unwrap();
    }
    let bytes = fs::read(files(folder.path()).pop().unwrap()).unwrap();
    for cut in 0..=bytes.len() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("firstseen.1.log"), &bytes[..cut]).unwrap();
        // Each instance gives them again, until one has lived long enough.
        for _ in 0..2 {
            let mut kept = open(folder.path());
            let known: Vec<Vec<u8>> = values(&kept).into_keys().collect();
            let mut alerts = given(&mut kept);
            alerts.sort();
            let alerts: Vec<Vec<u8>> = alerts.into_iter().map(String::into_bytes).collect();
            assert_eq!(alerts, known, "cut at {cut}");
        }
    }
}

#[test]
fn what_left_the_outbox_is_not_given_again_and_what_is_new_is() {
    let folder = TempDir::new().unwrap();
    let mut kept = FolderStore::open_with(folder.path(), LIMIT, 400);
    for n in 0..40u64 {
        write(&mut kept, b"a", &n.to_le_bytes());
        kept.outbox_mut().keep(&format!("alert {n}"), n);
        kept.outbox_mut().expire(n, 10);
        kept.commit().unwrap();
    }
    drop(kept);
    let mut kept = open(folder.path());
    let expected: Vec<String> = (30..40).map(|n| format!("alert {n}")).collect();
    assert_eq!(given(&mut kept), expected);
    assert!(kept.outbox_mut().expire(10, 10));
    kept.commit().unwrap();
    drop(kept);
    let mut kept = open(folder.path());
    assert!(!kept.outbox_mut().is_due());
    kept.outbox_mut().keep("one more", 0);
    kept.commit().unwrap();
    drop(kept);
    assert_eq!(given(&mut open(folder.path())), ["one more"]);
}

/// A device that is always full stands where the file is.
#[cfg(target_os = "linux")]
#[test]
fn an_alert_that_could_not_be_written_is_in_the_next_file() {
    let folder = TempDir::new().unwrap();
    let mut kept = open(folder.path());
    let Log::Open(generation) = &mut kept.log else { panic!("the folder is good") };
    generation.replace_file(fs::OpenOptions::new().append(true).open("/dev/full").unwrap());
    for text in ["first", "second"] {
        write(&mut kept, b"a", text.as_bytes());
        kept.outbox_mut().keep(text, 0);
        assert_eq!(kept.commit().is_ok(), text == "second");
    }
    assert_eq!(given(&mut open(folder.path())), ["first", "second"]);
}

#[test]
fn a_full_outbox_is_told_with_its_count() {
    let folder = TempDir::new().unwrap();
    let mut kept = FolderStore::open_with(folder.path(), 8 * 300, ROLL_AT);
    for n in 0..10u8 {
        kept.outbox_mut().keep(&format!("{n}").repeat(100), 0);
        kept.commit().unwrap();
    }
    let notes = kept.take_notes();
    assert!(notes.len() == 3 && notes[2].ends_with(": 7"), "{notes:?}");
    assert_eq!(given(&mut FolderStore::open_with(folder.path(), 8 * 300, ROLL_AT)).len(), 1);
}

proptest! {
    /// Any story of writes, commits, restarts, kills within a write, and files left behind, against
    /// a map.
    #[test]
    fn it_is_a_map_of_what_was_committed(steps in prop::collection::vec((0u8..6, 0u8..8, prop::collection::vec(any::<u8>(), 0..40)), 1..60)) {
        let folder = TempDir::new().unwrap();
        let mut kept = FolderStore::open_with(folder.path(), LIMIT, 600);
        let mut committed = Values::new();
        let mut now = Values::new();
        for (what, key, value) in steps {
            match what {
                0..=2 => {
                    write(&mut kept, &[key], &value);
                    now.insert(vec![key], value);
                }
                3 | 4 => {
                    kept.commit().unwrap();
                    committed = now.clone();
                }
                _ => {
                    drop(kept);
                    // The beginning of a frame, as a kill leaves it.
                    let last = files(folder.path()).pop().unwrap();
                    let mut torn = fs::read(&last).unwrap();
                    let frame = frame_of(1, torn.len() as u64, b"torn", &[7; 40]);
                    torn.extend_from_slice(&frame[..value.len()]);
                    fs::write(&last, torn).unwrap();
                    kept = FolderStore::open_with(folder.path(), LIMIT, 600);
                    now = committed.clone();
                }
            }
            prop_assert_eq!(values(&kept), now.clone());
        }
    }
}
