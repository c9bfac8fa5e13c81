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

/// The calls of these kinds, in their order.
fn calls_of(scene: &Scene, kinds: &[&str]) -> Vec<String> {
    let calls = scene.calls.borrow();
    calls.iter().filter(|call| kinds.contains(&call.as_str())).cloned().collect()
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

/// What is read and not decided is lost with the process: who asked for this gets each block decided before the next
/// is read.
#[test]
fn nothing_is_read_ahead_unasked() {
    let seen = |reads_ahead: bool| {
        let mut scene = Scene { threads: 3, reads_ahead, ..Scene::default() };
        scene.run(&["{1 a}\n", "{2 b}\n"], Some(0)).unwrap();
        calls_of(&scene, &["poll", "alert", "commit"])
    };
    assert_eq!(seen(false), ["poll", "alert", "commit", "poll", "alert", "commit"]);
    assert_eq!(seen(true), ["poll", "poll", "alert", "commit", "alert", "commit"]);
}

/// What came is decided and committed before more is waited for.
#[test]
fn nothing_that_came_waits_for_what_has_not() {
    let mut scene = Scene { threads: 3, ..Scene::default() };
    scene.run(&["{5 a}\n", QUIET, "{3 b}\n", "{6 c}\n", QUIET], Some(0)).unwrap();
    assert_eq!(
        calls_of(&scene, &["poll", "quiet", "alert", "commit"]),
        [
            "poll", "quiet", "alert", "commit", "poll", "poll", "quiet", "alert", "commit",
            "alert", "commit"
        ]
    );
}
