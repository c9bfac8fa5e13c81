//! Whoever decides, one thread or a crew of any size: alerts, notices, counts and state are the same.

use super::*;
use proptest::prelude::*;

/// What a run over these events leaves, decided by so many.
fn left_by(
    members: usize,
    scene: Scene,
    lines: &str,
) -> (Vec<String>, impl PartialEq + std::fmt::Debug) {
    let mut scene = Scene { crew: members, ..scene };
    let status = scene.run(&[lines], None).map_err(|error| format!("{error:#}"));
    let (durable, heard) = (scene.durable.borrow(), &scene.heard);
    let alerts: Vec<_> = durable.alerts.iter().map(|(at, text)| format!("{at:?} {text}")).collect();
    (alerts, (status, durable.rows.clone(), heard.notices.clone(), heard.counts.clone()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn a_crew_decides_as_one(
        names in prop::collection::vec(0u16..400, 1..2600),
        traps in prop::collection::btree_set(0usize..2600, 0..3),
        budget in prop_oneof![Just(1usize << 20), Just(0)],
        rereadable in prop::bool::weighted(0.2),
    ) {
        let event = |(at, name): (usize, &u16)| {
            let trap = if traps.contains(&at) { TRAP } else { "" };
            // Not in the order of time.
            format!("{{{} {trap}{name}}}\n", 1 + at * 7919 % 5000)
        };
        let lines: String = names.iter().enumerate().map(event).collect();
        let scene = || Scene { budget, rereadable, ..Scene::default() };
        let one = left_by(0, scene(), &lines);
        for members in [2, 3, 8] {
            prop_assert_eq!(&left_by(members, scene(), &lines), &one, "{} members", members);
        }
    }
}

/// Commits are where they are without a crew: between what the state holds then and what follows.
#[test]
fn a_crew_changes_no_commit() {
    let lines: String = (0..70_000).map(|n| format!("{{{} k{}}}\n", n + 1, n % 700)).collect();
    let calls = |crew| {
        let mut scene = Scene { crew, budget: 64 << 20, ..Scene::default() };
        scene.run(&[&lines], None).unwrap();
        let calls = scene.calls.borrow();
        let of_store = |call: &&String| ["get", "apply", "commit"].contains(&call.as_str());
        (calls.iter().filter(of_store).cloned().collect::<Vec<_>>(), scene.alerts())
    };
    let one = calls(0);
    assert_eq!(one.0.iter().filter(|call| *call == "commit").count(), 2);
    assert!(calls(3) == one);
}

#[test]
fn a_state_that_fails_ends_the_run_of_a_crew_at_the_same_call() {
    let lines: String = (0..5000).map(|n| format!("{{{} k{}}}\n", n + 1, n % 3000)).collect();
    for store_fails_at in 1..12 {
        let left = |crew| {
            let mut scene = Scene { crew, store_fails_at, ..Scene::default() };
            let done = scene.run(&[&lines], None).map_err(|error| format!("{error:#}"));
            (done, scene.alerts(), scene.known())
        };
        assert_eq!(left(3), left(0), "call {store_fails_at}");
    }
}

#[test]
fn who_is_closed_on_ends_with_a_crew_too() {
    let lines: String = (0..5000).map(|n| format!("{{{} k{}}}\n", n + 1, n % 3000)).collect();
    for sink_fails_at in [1, 1000, 2500] {
        let left = |crew| {
            let closes = true;
            let mut scene = Scene { crew, sink_fails_at, closes, ..Scene::default() };
            let done = scene.run(&[&lines], None).map_err(|error| format!("{error:#}"));
            (done, scene.alerts(), scene.known())
        };
        let closed = left(0);
        assert_eq!(closed.0, Ok(OutputStatus::Closed));
        assert_eq!(left(3), closed, "call {sink_fails_at}");
    }
}
