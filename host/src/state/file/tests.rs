//! What must hold of a state file, whatever happens to it.
use super::*;
use crate::state::admin::StateAdmin;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    (folder, path)
}

fn get(store: &mut Redb, key: &str) -> Option<String> {
    store.get(key.as_bytes()).unwrap().map(|value| String::from_utf8(value).unwrap())
}

fn put(store: &mut Redb, key: &str, value: &str, expires: i64) {
    put_bytes(store, key.as_bytes(), value.as_bytes(), expires).unwrap();
}

/// A write that expects what is there.
fn put_bytes(
    store: &mut Redb,
    key: &[u8],
    value: &[u8],
    expires_ms: i64,
) -> Result<(), StateError> {
    let current = store.get(key)?;
    let write = StateWrite { key, expected: current.as_deref(), value, expires_ms };
    assert_eq!(store.apply(&mut std::iter::once(write))?, [Applied::Done]);
    Ok(())
}

#[test]
fn what_is_committed_is_there_again_and_nothing_else() {
    let (_folder, path) = folder();
    let mut store = Redb::open(&path).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    put(&mut store, "a", "1", 10);
    put(&mut store, "b", "2", 10);
    assert_eq!(get(&mut store, "a").as_deref(), Some("1"), "before the commit");
    store.commit().unwrap();
    put(&mut store, "a", "lost", 10);
    put(&mut store, "c", "lost", 10);
    assert_eq!(get(&mut store, "a").as_deref(), Some("lost"));
    assert_eq!(store.count().unwrap(), 3);
    drop(store);

    let mut store = Redb::open(&path).unwrap();
    assert_eq!(get(&mut store, "a").as_deref(), Some("1"));
    assert_eq!(get(&mut store, "b").as_deref(), Some("2"));
    assert_eq!(get(&mut store, "c"), None);
    assert_eq!(store.describe(), format!("{}, existing, 2 terms", path.display()));
    put(&mut store, "c", "3", 10);
    let described = format!("{}, existing, 3 terms, 2 before", path.display());
    assert_eq!(store.describe(), described);
}

#[test]
fn a_process_that_dies_leaves_a_whole_number_of_commits() {
    let (folder, path) = folder();
    let mut store = Redb::open(&path).unwrap();
    for round in 0..5 {
        for key in ["a", "b", "c"] {
            put(&mut store, key, &round.to_string(), 10);
        }
        store.commit().unwrap();
        put(&mut store, "a", "not committed", 10);
        // The file as a crash at this moment leaves it: never closed.
        let copy = folder.path().join("copy");
        std::fs::copy(&path, &copy).unwrap();
        let error = Redb::open_read_only(&copy).err().expect("repairing would write");
        assert!(matches!(error, StateError::NeedsRepair { .. }), "{error}");
        let mut crashed = Redb::open(&copy).unwrap();
        for key in ["a", "b", "c"] {
            assert_eq!(get(&mut crashed, key), Some(round.to_string()));
        }
    }
}

#[test]
fn values_expire_by_the_time_of_events_and_are_swept() {
    let (_folder, path) = folder();
    let mut store = Redb::open(&path).unwrap();
    put(&mut store, "old", "1", 1000);
    put(&mut store, "kept", "1", 1000);
    store.commit().unwrap();
    store.advance(0, 999);
    assert_eq!(get(&mut store, "old").as_deref(), Some("1"));
    store.advance(0, 1000);
    store.advance(0, 0);
    assert_eq!(get(&mut store, "old"), None, "expired, though still in the file");
    put(&mut store, "kept", "2", 10 * HOUR_MS);
    store.advance(0, HOUR_MS);
    store.commit().unwrap();
    assert_eq!(store.count().unwrap(), 1);
    assert_eq!(get(&mut store, "kept").as_deref(), Some("2"));
}

#[test]
fn a_sweep_is_bounded_and_goes_on_at_the_next_commit() {
    let (_folder, path) = folder();
    let mut store = Redb::open(&path).unwrap();
    for i in 0..2 * SWEEP {
        put(&mut store, &i.to_string(), "", 0);
    }
    store.commit().unwrap();
    store.advance(0, HOUR_MS);
    put(&mut store, "x", "", 10 * HOUR_MS);
    store.commit().unwrap();
    assert_eq!(store.count().unwrap(), (2 * SWEEP - (SWEEP + 2) + 1) as u64);
    put(&mut store, "x", "", 10 * HOUR_MS);
    store.commit().unwrap();
    assert_eq!(store.count().unwrap(), 1);
}

/// Another artifact says that it is the end of time.
#[test]
fn one_artifacts_time_is_nothing_to_anothers_terms() {
    let (_folder, path) = folder();
    let mut store = Redb::open(&path).unwrap();
    for i in 0..500 {
        put(&mut store, &format!("t:victim:f:{i}"), "1", 10 * HOUR_MS);
    }
    store.commit().unwrap();
    store.advance(1, i64::MAX);
    // More than a sweep can look at in one commit, with no rule of this run to tell their time.
    for i in 0..2 * SWEEP {
        put(&mut store, &format!("t:hostile:f:{i}"), "1", i64::MAX);
    }
    for round in 0..5 {
        put(&mut store, "t:hostile:f:x", &round.to_string(), i64::MAX);
        store.commit().unwrap();
    }
    store.advance(0, HOUR_MS);
    for i in 0..500 {
        assert!(get(&mut store, &format!("t:victim:f:{i}")).is_some(), "{i}");
    }
    // The rule's own time does, also of what it had under another fingerprint.
    put(&mut store, "t:victim:g:new", "1", 1000 * HOUR_MS);
    store.advance(0, 12 * HOUR_MS);
    for round in 0..3 {
        put(&mut store, "t:victim:g:new", &round.to_string(), 1000 * HOUR_MS);
        store.commit().unwrap();
    }
    assert_eq!(store.count().unwrap(), 2 * SWEEP as u64 + 2);
}

#[test]
fn one_process_at_a_time() {
    let (_folder, path) = folder();
    let store = Redb::open(&path).unwrap();
    for other in [Redb::open(&path), Redb::open_read_only(&path)] {
        let error = other.err().expect("it is locked");
        assert!(matches!(error, StateError::Locked { .. }), "{error}");
        assert!(error.to_string().contains("another process"), "{error}");
    }
    drop(store);
    Redb::open(&path).unwrap();
}

/// A process that is killed while it makes the file, in any way that a file can be left behind.
#[test]
fn what_a_killed_creation_leaves_is_no_hindrance() {
    let (folder, path) = folder();
    // Under another name, and not yet under its own.
    std::fs::write(folder.path().join(".firstseen-abcdef"), [0; 4096]).unwrap();
    drop(Redb::open(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
    // Without any table: so an earlier version left it.
    drop(Database::create(&path).unwrap());
    let mut store = Redb::open(&path).unwrap();
    put(&mut store, "a", "1", 10);
    store.commit().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "the two made here");
}

/// Kills this process at a step of making a state.
pub(super) mod kills {
    /// The step, counted from 1.
    pub(crate) const AT: &str = "FIRSTSEEN_TEST_KILLED_AT";
    pub(crate) const PATH: &str = "FIRSTSEEN_TEST_STATE";

    std::thread_local! {
        static LEFT: std::cell::Cell<usize> =
            std::cell::Cell::new(std::env::var(AT).ok().and_then(|at| at.parse().ok()).unwrap_or(0));
    }

    pub(crate) fn step() {
        LEFT.set(LEFT.get().wrapping_sub(1));
        if LEFT.get() == 0 {
            let signal = rustix::process::Signal::KILL;
            rustix::process::kill_process(rustix::process::getpid(), signal).unwrap();
        }
    }
}

/// The child of the test below: it makes a state, and is killed on the way.
#[test]
fn makes_a_state_until_it_is_killed() {
    let Some(path) = std::env::var_os(kills::PATH) else { return };
    let path = PathBuf::from(path);
    if path.extension().is_some_and(|extension| extension == "filled") {
        fill(&File::options().write(true).open(&path).unwrap()).unwrap();
    } else {
        drop(Redb::open(&path).unwrap());
    }
}

#[test]
fn a_process_that_is_killed_at_any_step_of_making_a_state_leaves_one_that_can_be_made() {
    // A new file; one in the place of an empty one; and one that is filled where it is.
    for (name, given) in [("new", false), ("given", true), ("given.filled", true)] {
        let mut killed = 0;
        loop {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            if given {
                std::fs::write(&path, b"").unwrap();
            }
            let status = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "state::file::tests::makes_a_state_until_it_is_killed"])
                .env(kills::AT, (killed + 1).to_string())
                .env(kills::PATH, &path)
                .stdout(std::process::Stdio::null())
                .status()
                .unwrap();
            if status.success() {
                break;
            }
            killed += 1;
            let mut store = Redb::open(&path).unwrap();
            put(&mut store, "a", "1", 10);
            store.commit().unwrap();
            drop(store);
            assert_eq!(get(&mut Redb::open(&path).unwrap(), "a").as_deref(), Some("1"));
        }
        assert!(killed >= 3, "{name}: {killed} steps");
    }
}

#[test]
fn of_many_that_start_at_once_one_has_it_and_the_others_are_told_so() {
    let (folder, path) = folder();
    for made_before in [false, true] {
        if made_before {
            std::fs::write(&path, b"").unwrap();
        }
        let gate = std::sync::Barrier::new(8);
        let stores: Vec<_> = std::thread::scope(|scope| {
            let open = || {
                gate.wait();
                Redb::open(&path)
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (open, refused): (Vec<_>, Vec<_>) = stores.into_iter().partition(Result::is_ok);
        assert_eq!(open.len(), 1);
        for error in refused.into_iter().filter_map(Result::err) {
            assert!(matches!(error, StateError::Locked { .. }), "{error}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(open);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_that_another_process_has_locked_is_in_use_whatever_is_in_it() {
    let (_folder, path) = folder();
    std::fs::write(&path, [0; 100]).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.lock().unwrap();
    for other in [Redb::open(&path), Redb::open_read_only(&path)] {
        assert!(matches!(other.err(), Some(StateError::Locked { .. })));
    }
    drop(file);
    assert!(matches!(Redb::open(&path).err(), Some(StateError::Foreign { .. })));
}

#[test]
fn links_are_followed_and_a_given_files_mode_is_kept() {
    let (folder, path) = folder();
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    drop(Redb::open(&path).unwrap());
    assert!(path.symlink_metadata().unwrap().is_symlink());
    assert!(folder.path().join("elsewhere").is_file());
    let given = folder.path().join("given");
    std::fs::write(&given, b"").unwrap();
    std::fs::set_permissions(&given, std::fs::Permissions::from_mode(0o640)).unwrap();
    drop(Redb::open(&given).unwrap());
    assert_eq!(given.metadata().unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_pipe_is_no_state_and_is_not_waited_for() {
    let (_folder, path) = folder();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for result in [Redb::open(&path), Redb::open_read_only(&path)] {
        let error = result.err().expect("a pipe").to_string();
        assert!(error.contains("a pipe or a device"), "{error}");
    }
}

#[test]
fn reading_only_never_writes() {
    let (_folder, path) = folder();
    assert!(matches!(Redb::open_read_only(&path), Err(StateError::Absent { .. })));
    assert!(!path.exists());
    let mut store = Redb::open(&path).unwrap();
    put(&mut store, "a", "1", 10);
    store.commit().unwrap();
    drop(store);
    let before = std::fs::read(&path).unwrap();
    let mut store = Redb::open_read_only(&path).unwrap();
    assert_eq!(get(&mut store, "a").as_deref(), Some("1"));
    assert!(matches!(put_bytes(&mut store, b"a", b"", 1), Err(StateError::ReadOnly { .. })));
    store.commit().unwrap();
    drop(store);
    assert!(std::fs::read(&path).unwrap() == before);
}

#[test]
fn other_files_are_left_as_they_are() {
    let (_folder, path) = folder();
    for content in [&b"{\"Records\":[]}"[..], b"\x1f\x8b\x08", b"r", &[0xff; 10_000]] {
        std::fs::write(&path, content).unwrap();
        for result in [Redb::open(&path), Redb::open_read_only(&path)] {
            let error = result.err().expect("no state");
            assert!(matches!(error, StateError::Foreign { .. }), "{error}");
            assert!(error.to_string().contains("another place"), "{error}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
    // An empty file was made for us, by mktemp for one.
    std::fs::write(&path, b"").unwrap();
    Redb::open(&path).unwrap();
}

#[test]
fn the_redb_file_of_another_program_is_refused() {
    let (_folder, path) = folder();
    const OTHERS: TableDefinition<'_, u64, u64> = TableDefinition::new("meta");
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(OTHERS).unwrap().insert(1, 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(Redb::open(&path), Err(StateError::Foreign { .. })));
}

#[test]
fn a_newer_format_is_refused() {
    let (_folder, path) = folder();
    drop(Redb::open(&path).unwrap());
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert("format", "2").unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = Redb::open(&path).err().expect("newer");
    assert!(matches!(error, StateError::Newer { found: 2, known: 1, .. }), "{error}");
}

#[test]
fn a_file_cut_short_is_an_error() {
    let (_folder, path) = folder();
    let mut store = Redb::open(&path).unwrap();
    put(&mut store, "a", "1", 10);
    store.commit().unwrap();
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    for length in [MAGIC.len(), 100, 319, 320, 512, 4096, 5000, 8192, whole.len() / 2] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(Redb::open_read_only(&path).is_err(), "{length} bytes");
        assert!(Redb::open(&path).is_err(), "{length} bytes");
    }
}

/// Whatever is damaged, what is read is right, or the damage is told.
#[test]
fn a_damaged_file_is_not_read_as_if_it_were_whole() {
    let (_folder, path) = folder();
    let mut store = Redb::open(&path).unwrap();
    for number in 0..200 {
        put(&mut store, &format!("key-{number}"), &number.to_string(), 10);
    }
    store.commit().unwrap();
    drop(store);
    let rows = |path: &Path| {
        let mut rows = Vec::new();
        let state = Redb::open_read_only(path)?;
        state.each_term(b"", None, &mut |term| {
            rows.push((term.key.to_vec(), term.value.to_vec(), term.expires_ms));
            std::ops::ControlFlow::Continue(())
        })?;
        Ok::<_, StateError>(rows)
    };
    let (whole, all) = (std::fs::read(&path).unwrap(), rows(&path).unwrap());
    assert_eq!(all.len(), 200);
    let (mut told, mut harmless) = (0, 0);
    for at in (MAGIC.len()..whole.len() - 64).step_by(4096 / 5) {
        let mut damaged = whole.clone();
        damaged[at..at + 64].fill(b'X');
        std::fs::write(&path, &damaged).unwrap();
        match rows(&path) {
            Err(_) => told += 1,
            Ok(read) => {
                assert!(read == all, "byte {at}");
                harmless += 1;
            }
        }
    }
    assert!(told > 3 && harmless > 0, "{told} told, {harmless} harmless");
}

/// A generator of numbers, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % bound as u64) as usize
    }
}

/// Whatever becomes of the bytes: the state is as it was, or an error names it.
#[test]
fn a_damaged_file_is_right_or_refused_and_never_empty() {
    let (_folder, path) = folder();
    let mut store = Redb::open(&path).unwrap();
    for round in 0..6 {
        for n in 0..40 {
            put(&mut store, &format!("key {n}"), &format!("{round} {}", "x".repeat(n)), 1 << 40);
        }
        store.commit().unwrap();
    }
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let (mut refused, mut numbers) = (0, Numbers(2026));
    for case in 0..300 {
        let mut bytes = whole.clone();
        let at = numbers.below(bytes.len());
        match case % 4 {
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 => bytes[numbers.below(320)] ^= 1 << numbers.below(8),
            2 => bytes.truncate(at.max(1)),
            _ => {
                let end = (at + 512).min(bytes.len());
                bytes[at..end].fill(0);
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        let used = || -> Result<(), StateError> {
            let mut store = Redb::open(&path)?;
            for n in 0..40 {
                let value = store.get_many(&mut std::iter::once(format!("key {n}").as_bytes()))?;
                let expected = format!("5 {}", "x".repeat(n)).into_bytes();
                assert_eq!(value, [Some(expected)], "case {case} at {at}");
            }
            assert_eq!(store.count()?, 40, "case {case} at {at}");
            put_bytes(&mut store, b"more", b"1", 1 << 40)?;
            store.commit()
        };
        if let Err(error) = used() {
            refused += 1;
            assert!(error.to_string().contains(path.to_str().unwrap()), "case {case}: {error}");
        }
    }
    assert!(refused > 100, "{refused} of 300 refused");
}

#[test]
fn a_file_that_was_replaced_deleted_or_cut_short_takes_no_commit() {
    let damages: [fn(&Path); 3] = [
        |path| std::fs::remove_file(path).unwrap(),
        |path| {
            std::fs::copy(path, path.with_extension("copy")).unwrap();
            std::fs::rename(path.with_extension("copy"), path).unwrap();
        },
        |path| File::options().write(true).open(path).unwrap().set_len(4096).unwrap(),
    ];
    for (n, damage) in damages.into_iter().enumerate() {
        let (_folder, path) = folder();
        let mut store = Redb::open(&path).unwrap();
        put(&mut store, "a", "1", 10);
        store.commit().unwrap();
        damage(&path);
        let error =
            put_bytes(&mut store, b"b", b"2", 10).and_then(|()| store.commit()).unwrap_err();
        match (n, &error) {
            (0 | 1, StateError::Replaced { .. }) | (2, StateError::Corrupt { .. }) => {}
            _ => panic!("{n}: {error}"),
        }
        assert!(error.to_string().contains("run again") || n == 2, "{error}");
    }
}

#[test]
fn a_folder_is_no_state() {
    let folder = tempfile::tempdir().unwrap();
    let error = Redb::open(folder.path()).err().expect("a folder");
    assert!(error.to_string().contains("directory"), "{error}");
}

#[test]
fn the_full_disk_is_told() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        let error = fault("s", io::Error::from(kind));
        assert!(error.to_string().contains("s: the disk is full"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Against a map: puts, commits, reopening without a commit, and the passing of time.
    #[test]
    fn agrees_with_a_map(steps in prop::collection::vec((0u8..8, 0u8..12, 0i64..6), 1..60)) {
        let (_folder, path) = folder();
        let mut store = Redb::open(&path).unwrap();
        let (mut committed, mut now) = (BTreeMap::new(), 0);
        let mut current = BTreeMap::new();
        store.advance(0, now);
        for (step, (action, key, hours)) in steps.into_iter().enumerate() {
            match action {
                0 => {
                    store.commit().unwrap();
                    committed = current.clone();
                }
                1 => {
                    drop(store);
                    store = Redb::open(&path).unwrap();
                    store.advance(0, now);
                    current = committed.clone();
                }
                2 => {
                    now += hours * HOUR_MS / 2;
                    store.advance(0, now);
                }
                _ => {
                    let expires = now + hours * HOUR_MS;
                    put_bytes(&mut store, &[key], &step.to_le_bytes(), expires).unwrap();
                    current.insert(key, (expires, step));
                }
            }
            for key in 0..12 {
                let expected = current.get(&key).filter(|(expires, _)| *expires > now);
                let expected = expected.map(|(_, step)| step.to_le_bytes().to_vec());
                prop_assert_eq!(store.get(&[key]).unwrap(), expected);
            }
        }
    }
}

#[test]
fn a_write_needs_the_expected_value() {
    let (_folder, path) = folder();
    let mut store = Redb::open(&path).unwrap();
    let apply = |store: &mut Redb, expected: Option<&[u8]>, value: &[u8]| {
        let write = StateWrite { key: b"k", expected, value, expires_ms: 100 };
        store.apply(&mut std::iter::once(write)).unwrap().remove(0)
    };
    let conflict = |value: &[u8]| Applied::Conflict(Some(value.to_vec()));
    assert_eq!(apply(&mut store, Some(b"0"), b"1"), Applied::Conflict(None));
    assert_eq!(apply(&mut store, None, b"1"), Applied::Done);
    assert_eq!(apply(&mut store, None, b"2"), conflict(b"1"), "before the commit");
    store.commit().unwrap();
    assert_eq!(apply(&mut store, Some(b"0"), b"2"), conflict(b"1"), "after the commit");
    assert_eq!(apply(&mut store, Some(b"1"), b"2"), Applied::Done);
    store.advance(0, 100);
    assert_eq!(apply(&mut store, Some(b"2"), b"3"), Applied::Conflict(None), "expired");
}
