//! A stream whose blocks are judged by several threads gives what one thread gives, block by block.

use super::*;
use proptest::prelude::*;

/// What a run over a stream leaves, and how often it committed.
fn left_by(threads: usize, blocks: &[&str], hold_ms: i64) -> impl PartialEq + std::fmt::Debug {
    let mut scene = Scene { threads, ..Scene::default() };
    let status = scene.run(blocks, Some(hold_ms)).map_err(|error| format!("{error:#}"));
    let commits = scene.calls.borrow().iter().filter(|call| *call == "commit").count();
    let alerts = scene.durable.borrow().alerts.clone();
    (status, alerts, scene.known(), scene.heard.notices, scene.heard.counts, commits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn threads_judge_a_stream_as_one(
        blocks in prop::collection::vec(prop::collection::vec((1i64..60, 0u8..30), 0..40), 0..30),
        bad in prop::collection::btree_set(0usize..30, 0..3),
        hold_ms in prop_oneof![Just(0), Just(10_000)],
    ) {
        let lines = |events: &Vec<(i64, u8)>| -> String {
            events.iter().map(|(time, name)| format!("{{{time} k{name}}}\n")).collect()
        };
        let mut blocks: Vec<String> = blocks.iter().map(lines).collect();
        for at in bad {
            blocks.insert(at.min(blocks.len()), BAD.to_owned());
        }
        let blocks: Vec<&str> = blocks.iter().map(String::as_str).collect();
        let one = left_by(1, &blocks, hold_ms);
        for threads in [2, 3, 8] {
            let many = left_by(threads, &blocks, hold_ms);
            prop_assert!(many == one, "{threads} threads: {many:?}, one: {one:?}");
        }
    }
}

/// What came is decided and committed before more is waited for.
#[test]
fn nothing_that_came_waits_for_what_has_not() {
    let mut scene = Scene { threads: 3, ..Scene::default() };
    scene.run(&["{5 a}\n", QUIET, "{3 b}\n", "{6 c}\n", QUIET], Some(0)).unwrap();
    let calls = scene.calls.borrow();
    let seen: Vec<&str> = calls
        .iter()
        .map(String::as_str)
        .filter(|call| ["poll", "quiet", "alert", "commit"].contains(call))
        .collect();
    assert_eq!(
        seen,
        [
            "poll", "quiet", "alert", "commit", "poll", "poll", "quiet", "alert", "commit",
            "alert", "commit"
        ]
    );
}
