//! The loop over a store that other processes write to at the same time.

use super::*;

#[test]
fn who_is_beaten_to_it_many_times_decides_again() {
    for conflicts in [3, 20, 200] {
        let mut scene = Scene { is_shared: true, conflicts, ..Scene::default() };
        scene.run(&BLOCKS, None).unwrap();
        assert_eq!(scene.alerts(), ["{1 b}", "{4 a}", "{6 c}"], "{conflicts} conflicts");
        assert!(scene.heard.notices.is_empty(), "{:?}", scene.heard.notices);
    }
    // Of a store with one writer it is said, and the run goes on.
    let mut scene = Scene { conflicts: 20, ..Scene::default() };
    scene.run(&BLOCKS, None).unwrap();
    assert_eq!((scene.alerts().len(), scene.heard.notices.len()), (0, 5));
}

#[test]
fn who_is_beaten_to_it_for_ever_ends_and_passes_nothing_over() {
    let mut scene = Scene { is_shared: true, conflicts: usize::MAX, ..Scene::default() };
    let error = scene.run(&BLOCKS, None).unwrap_err().to_string();
    assert!(error.starts_with("conflict: ") && error.contains("read again"), "{error}");
    assert!(scene.known().is_empty() && scene.alerts().is_empty());
    assert!(!scene.calls.borrow().iter().any(|call| call == "commit"));
}
