//! The cache of compiled code: whose it may be, and what is said where there is none.
//!
//! In: an artifact whose engine is not in the binary, folders of several users. Out: whether code of somebody else is
//! ever loaded, and whether a run says that it compiles each time. What needs root is skipped without it, with a line
//! that says so.

use crate::hostile::trapping;
use crate::support::{Call, Folder, run};
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A user who has nothing: `nobody` of most systems. It need not be in /etc/passwd.
const STRANGER: u32 = 65_534;
const UNKEPT: &str = "each start compiles again";

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// An artifact that is quickly compiled, in this folder.
fn small_rule(folder: &Folder) -> PathBuf {
    let rule = folder.path("rule.wasm");
    fs::write(&rule, trapping()).unwrap();
    allow(&rule, 0o644);
    rule
}

/// A run that has to compile, or to load what was compiled.
fn compiling(rule: &Path, home: &Path) -> Call {
    let mut call = run().arg("--rule").arg(rule).arg("-");
    call.command.env("XDG_CACHE_HOME", home);
    call
}

#[test]
fn a_cache_that_is_off_says_why() {
    let folder = Folder::new();
    let (rule, home) = (small_rule(&folder), folder.path("home"));
    fs::create_dir(&home).unwrap();
    allow(&home, 0o775);
    for _ in 0..2 {
        let said = compiling(&rule, &home).ok().stderr;
        assert_eq!(said.matches(UNKEPT).count(), 1, "{said}");
        let words = ["nobody else may write", home.to_str().unwrap(), "chmod go-w", "--cache none"];
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
    // Who wants it so, or compiles nothing, hears nothing.
    assert!(!compiling(&rule, &home).args(&["--cache", "none"]).ok().stderr.contains(UNKEPT));
    let mut built_in = run().arg("-");
    built_in.command.env("XDG_CACHE_HOME", &home);
    let said = built_in.ok().stderr;
    if has_built_in_code() {
        assert!(!said.contains(UNKEPT), "{said}");
    }
    allow(&home, 0o755);
    for _ in 0..2 {
        let said = compiling(&rule, &home).ok().stderr;
        assert!(!said.contains(UNKEPT), "{said}");
    }
}

/// Whoever could put code into the folder would run it as the user of firstseen.
#[test]
fn the_cache_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        let _ = writeln!(std::io::stderr(), "skipped: only root can be another user");
        return;
    }
    let folder = Folder::new();
    // The stranger can go through it, and start this program.
    allow(&folder.path(""), 0o755);
    let program = folder.path("firstseen");
    fs::copy(env!("CARGO_BIN_EXE_firstseen"), &program).unwrap();
    let rule = small_rule(&folder);
    let as_stranger = |home: &Path, more: &[&str]| {
        let mut command = Command::new(&program);
        command.uid(STRANGER).gid(STRANGER).current_dir("/").env("XDG_CACHE_HOME", home);
        command.args(["run", "-", "--rule"]).arg(&rule).args(more);
        Call::of(command, Folder::new())
    };
    let mut version = Command::new(&program);
    version.arg("--version").uid(STRANGER).gid(STRANGER).current_dir("/");
    if !version.output().is_ok_and(|done| done.status.success()) {
        let _ = writeln!(std::io::stderr(), "skipped: another user can run no program here");
        return;
    }

    // Root's code, that everybody can read.
    let home = folder.path("home");
    compiling(&rule, &home).ok();
    allow(&home, 0o755);
    let code = home.join("firstseen");
    allow(&code, 0o755);
    let kept: Vec<_> = fs::read_dir(&code).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 1);
    allow(&kept[0], 0o644);
    let said = as_stranger(&home, &[]).ok().stderr;
    assert!(said.contains(UNKEPT) && said.contains("must belong to you"), "{said}");
    as_stranger(&home, &["--cache", code.to_str().unwrap()]).fails(&["must belong to you"]);

    // The stranger's own is used, and it is root who may not use it: neither the folder, nor one below another
    // one of the stranger, nor a file of the stranger in a folder of root.
    let own = folder.path("own");
    fs::create_dir(&own).unwrap();
    chown(&own, Some(STRANGER), Some(STRANGER)).unwrap();
    let said = as_stranger(&own, &[]).ok().stderr;
    assert!(!said.contains(UNKEPT), "{said}");
    let theirs = own.join("firstseen");
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 1);
    let said = compiling(&rule, &own).ok().stderr;
    assert!(said.contains(UNKEPT) && said.contains("must belong to you"), "{said}");
    let below = own.join("root");
    fs::create_dir(&below).unwrap();
    let said = compiling(&rule, &below).ok().stderr;
    assert!(said.contains(UNKEPT) && said.contains("belongs to somebody else"), "{said}");
    // The file of the stranger is replaced by one of root.
    chown(&kept[0], Some(STRANGER), Some(STRANGER)).unwrap();
    let said = compiling(&rule, &home).ok().stderr;
    assert!(!said.contains(UNKEPT), "{said}");
    assert_eq!(fs::metadata(&kept[0]).unwrap().uid(), 0, "it was compiled again");
}

/// Whether the engine of this version was compiled with the binary, for this processor.
fn has_built_in_code() -> bool {
    let folder = Folder::new();
    let mut first = run().arg("-");
    first.command.env("XDG_CACHE_HOME", folder.path(""));
    first.ok();
    !folder.path("firstseen").exists()
        || fs::read_dir(folder.path("firstseen")).unwrap().next().is_none()
}
