//! Guests whose calls do not end, beside one whose calls do.
//!
//! In: guests that loop. Out: whether they are stopped for the run and named, what they did not judge is counted, the other
//! rule judges everything, and the exit status says it.

use super::guest::HostileGuest;
use super::words;
use crate::support::{Done, Folder, run, stack_lines};

/// A run over twenty events, with the flagship and with a guest whose export loops.
fn run_beside(export: &'static str) -> Done {
    let folder = Folder::new();
    let mut guest = HostileGuest::default();
    // The honest answer is of one event; where `decide` is to loop, each event needs one.
    guest.bodies.push((export, "(loop $ever (br $ever)) unreachable".to_owned()));
    if export == "decide" {
        guest.bodies.push(("keys", every_event()));
    }
    let hostile = folder.write("hostile.wasm", guest.wasm());
    let names: Vec<String> = (0..20).map(|n| format!("user{n}")).collect();
    let events: Vec<_> =
        names.iter().map(|name| (name.as_str(), "2025-04-01T08:00:00Z", name.as_str())).collect();
    let flagship = folder.path("flagship.wasm");
    std::fs::write(&flagship, firstseen_engines::flagship()).unwrap();
    let run = run().args(&["--cache", "none", "--threads", "1", "--rule"]).arg(&flagship);
    run.arg("--rule").arg(hostile).arg("-").pipe(stack_lines(&events)).end()
}

/// Writes a match for each event: the honest item, with the place of the event.
fn every_event() -> String {
    // The head, then items of the same bytes.
    let item = HostileGuest::default().keys.len() - 32;
    format!(
        "(local $i i32) (local $at i32)
        (memory.copy (i32.const 400000) (i32.const 131072) (i32.const 32))
        (local.set $at (i32.const 400032))
        (loop $next
            (memory.copy (local.get $at) (i32.const 131104) (i32.const {item}))
            (i64.store offset=8 (local.get $at)
                (i64.load (i32.add (local.get 2) (i32.mul (local.get $i) (i32.const 8)))))
            (local.set $at (i32.add (local.get $at) (i32.const {item})))
            (br_if $next (i32.lt_u
                (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 3))))
        (i32.store offset=24 (i32.const 400000) (local.get 3))
        (i64.or (i64.shl (i64.const 400000) (i64.const 32))
            (i64.extend_i32_u (i32.sub (local.get $at) (i32.const 400000))))"
    )
}

fn is_stopped_and_named(done: &Done) {
    let said = words(&done.stderr);
    assert_eq!(done.status, Some(2), "{said}");
    assert!(said.contains("hostile.wasm: stopped, as it ran over its time 3 times"), "{said}");
    assert_eq!(done.summary["bad_by"]["rule_stopped"], 20, "{said}");
    assert_eq!((done.count("alerts"), done.lines().len()), (20, 20), "the other rule went on");
}

#[test]
fn keys_that_never_ends_is_stopped_for_the_run() {
    is_stopped_and_named(&run_beside("keys"));
}

#[test]
fn decide_that_never_ends_is_stopped_for_the_run() {
    is_stopped_and_named(&run_beside("decide"));
}
