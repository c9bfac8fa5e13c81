//! The JavaScript package without npm: built, imported by Node, and run with one vector.
//!
//! In: the flagship rule, Node. Out: whether the package works. Without Node 20 the test prints
//! that it was skipped. `.ci/js` installs the package and runs all vectors in every engine.

use crate::build::FLAGSHIP;
use crate::support::{Folder, call, repository};
use std::io::Write;
use std::process::Command;

const SCRIPT: &str = r#"
import { readFileSync } from "node:fs";
const [entry, file] = process.argv.slice(1);
const { rule, MemoryStore } = await import(entry);
const { steps } = JSON.parse(readFileSync(file, "utf8"));
const store = new MemoryStore();
for (const step of steps) {
  const { alerts, repeats, error } = rule.evaluate(step.event, store, { now: step.now_ms ?? 0 });
  const got = JSON.stringify([alerts.map(String), repeats.map(String), error?.code ?? null]);
  const wanted = JSON.stringify([step.alerts, step.repeats, step.error]);
  if (got !== wanted) throw new Error(`${got} instead of ${wanted}`);
}
console.log(steps.length, rule.rules[0].id);
"#;

/// Whether Node 20 or newer is installed. If not, prints a line that the test runner does not hide.
fn has_node() -> bool {
    let asked = Command::new("node").arg("--version").output();
    let version = asked.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    let version = version.unwrap_or_else(|_| "none".to_owned());
    let major = version.trim_start_matches('v').split('.').next().and_then(|n| n.parse().ok());
    if major.is_some_and(|major: u32| major >= 20) {
        return true;
    }
    let mut stderr = std::io::stderr();
    writeln!(stderr, "SKIPPED: the package needs Node 20 or newer, found {version}").ok();
    false
}

#[test]
fn built_package_runs_in_node() {
    let folder = Folder::new();
    let package = folder.path("package");
    let build = || {
        call("build").arg(repository(FLAGSHIP)).args(&["--target", "js", "-o"]).arg(&package).ok();
        std::fs::read(package.join("plan.js")).unwrap()
    };
    assert_eq!(build(), build());
    if !has_node() {
        return;
    }
    let vector = repository("tests/vectors/same-event-again.json");
    let mut node = Command::new("node");
    node.args(["--input-type=module", "--eval", SCRIPT]);
    let out = node.arg(package.join("node.js")).arg(vector).output().unwrap();
    let stdout = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(stdout.contains("0415258b-a7b2-48a6-891a-3367cd9d4d31"), "{stdout}");
}
