//! docs/state.md shows what its commands print.
//!
//! In: docs/state.md. Out: whether what stands below each `$ firstseen ...` is what the command prints,
//! sizes and the times and users of the log aside. `UPDATE_PAGES=1` rewrites it.

use crate::support::{Folder, repository};
use regex::Regex;
use std::path::Path;
use std::process::Command;

/// What a command prints, as on a terminal of 80 columns.
fn printed(folder: &Folder, line: &str) -> String {
    let shown = ["stats", "list", "get", "log", "verify"];
    let is_shown = shown.iter().any(|name| line.starts_with(&format!("firstseen state {name} ")));
    let form = if is_shown && !line.contains("--format") { " --format pretty" } else { "" };
    let binary = Path::new(env!("CARGO_BIN_EXE_firstseen")).parent().unwrap();
    let done = Command::new("sh")
        .args(["-c", &format!("{{ {line}{form}; }} 2>&1")])
        .current_dir(folder.path(""))
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", binary.display()))
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("SUDO_USER", "erin")
        .output()
        .unwrap();
    String::from_utf8(done.stdout).unwrap()
}

/// The page with what its commands print.
fn page(text: &str) -> String {
    let folder = Folder::new();
    let samples = repository("samples").canonicalize().unwrap();
    std::os::unix::fs::symlink(samples, folder.path("samples")).unwrap();
    let (mut out, mut inside) = (String::new(), false);
    for line in text.lines() {
        inside = if inside { line != "```" } else { line == "```console" };
        let command = line.strip_prefix("$ ");
        if !inside || command.is_some() || line == "```console" {
            out += &format!("{line}\n");
        }
        if let (true, Some(command)) = (inside, command) {
            out += &printed(&folder, command);
        }
    }
    out
}

/// The page without what differs from run to run.
fn steady(page: &str) -> String {
    let at = Regex::new(r"(?m)^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC  ").unwrap();
    let size = Regex::new(r"\b[\d.]+ (kB|MB|B)\b").unwrap();
    size.replace_all(&at.replace_all(page, "[time]  "), "[size]").into_owned()
}

#[test]
fn commands_of_the_page_print_what_it_shows() {
    let path = repository("docs/state.md");
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept.matches("$ firstseen state").count() > 12, "the page shows commands");
    let now = page(&kept);
    if std::env::var_os("UPDATE_PAGES").is_some() && steady(&now) != steady(&kept) {
        std::fs::write(&path, &now).unwrap();
        return;
    }
    assert_eq!(steady(&kept), steady(&now), "UPDATE_PAGES=1 rewrites docs/state.md");
}
