//! Sightings one by one, values, and the batch meaning that they add up to.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const W: i64 = 10;

fn id(n: u8) -> [u8; 16] {
    [n; 16]
}

#[test]
fn exactly_one_window_ago_is_still_seen() {
    let mut s = TermState::default();
    assert_eq!(s.sight(100, &id(1), W), Verdict::New { previous_ms: None });
    assert_eq!(s.sight(110, &id(2), W), Verdict::Seen);
    assert_eq!(s.sight(121, &id(3), W), Verdict::New { previous_ms: Some(110) });
    assert_eq!(s.episodes().len(), 2);
}

#[test]
fn a_seen_term_is_known_without_alerts() {
    let mut s = TermState::seen(80, 100).unwrap();
    assert_eq!(TermState::read(&s.write("t")).unwrap(), s);
    assert_eq!(s.sight(70, &id(1), W), Verdict::Seen);
    assert_eq!(s.sight(111, &id(2), W), Verdict::New { previous_ms: Some(100) });
    assert_eq!(TermState::seen(101, 100), None);
}

#[test]
fn what_is_carried_over_is_the_newest_episode_without_its_alerts() {
    let mut s = TermState::default();
    for time in [100, 200, 205] {
        s.sight(time, &id(1 + time as u8), W);
    }
    let value = s.write("[\"t\"]");
    for (grows, first_ms) in [(true, 200), (false, 205)] {
        let carried = carried(&value, grows).unwrap();
        assert_eq!(TermState::read(&carried).unwrap(), TermState::seen(first_ms, 205).unwrap());
        assert!(carried.ends_with(b"\0[\"t\"]"), "the term stays readable");
    }
    assert_eq!(carried(&[9, 1], true), Err(TermStateError::Newer(9)));
}

#[test]
fn the_same_event_repeats_the_same_alert() {
    let mut s = TermState::default();
    s.sight(100, &id(1), W);
    s.sight(150, &id(2), W);
    let before = s.clone();
    assert_eq!(s.sight(150, &id(2), W), Verdict::Repeat { previous_ms: Some(100) });
    assert_eq!(s.sight(100, &id(1), W), Verdict::Repeat { previous_ms: None });
    assert_eq!(s, before);
}

#[test]
fn older_than_both_is_late_and_between_them_is_new() {
    let mut s = TermState::default();
    s.sight(100, &id(1), W);
    s.sight(200, &id(2), W);
    let before = s.clone();
    assert_eq!(s.sight(50, &id(3), W), Verdict::LateBeyondMemory);
    assert_eq!(s, before);
    assert_eq!(s.sight(150, &id(4), W), Verdict::New { previous_ms: Some(100) });
    let kept: Vec<_> = s.episodes().iter().map(|e| e.first_ms).collect();
    assert_eq!(kept, [150, 200]);
}

#[test]
fn a_sighting_that_a_store_may_have_forgotten_is_not_named() {
    let ttl = time_to_live_ms(W);
    for (after, previous_ms) in [(ttl - 1, Some(100)), (ttl, None)] {
        let mut s = TermState::default();
        s.sight(100, &id(1), W);
        assert_eq!(s.sight(100 + after, &id(2), W), Verdict::New { previous_ms });
    }
}

#[test]
fn a_late_event_joins_two_episodes() {
    let mut s = TermState::default();
    s.sight(100, &id(1), W);
    s.sight(115, &id(2), W);
    assert_eq!(s.sight(107, &id(3), W), Verdict::Seen);
    assert_eq!(s.episodes().len(), 1);
    assert_eq!((s.episodes()[0].first_ms, s.episodes()[0].last_ms), (100, 115));
    assert_eq!(s.episodes()[0].alerted.len(), 2);
    assert_eq!(s.sight(115, &id(2), W), Verdict::Repeat { previous_ms: Some(100) });
}

#[test]
fn a_value_fits_whatever_the_term() {
    let mut s = TermState::default();
    for n in 0..40u8 {
        s.sight(i64::from(n) * 11, &id(n), W);
        s.sight(i64::from(n) * 11 - 5, &id(n + 100), W);
    }
    let value = s.write(&"ö".repeat(1000));
    assert!(value.len() <= MAX_VALUE);
    assert_eq!(TermState::read(&value).unwrap(), s);
}

#[test]
fn a_newer_or_damaged_value_is_an_error() {
    let mut s = TermState::default();
    s.sight(1, &id(1), W);
    let good = s.write("");
    for cut in 0..good.len() {
        assert!(TermState::read(&good[..cut]).is_err(), "{cut}");
    }
    let mut newer = good.clone();
    newer[0] = 3;
    assert_eq!(TermState::read(&newer), Err(TermStateError::Newer(3)));
}

/// The batch meaning: a time alerts when the sighting before it is over a window ago.
fn batch(times: &[i64]) -> BTreeSet<i64> {
    let sorted: BTreeSet<i64> = times.iter().copied().collect();
    let mut last = None;
    sorted
        .into_iter()
        .filter(|t| {
            let new = last.is_none_or(|l| *t - l > W);
            last = Some(*t);
            new
        })
        .collect()
}

proptest! {
    #[test]
    fn in_order_it_is_exactly_the_batch_meaning(mut times in prop::collection::vec(0i64..400, 1..60)) {
        times.sort_unstable();
        let mut s = TermState::default();
        let mut alerts = BTreeSet::new();
        for (n, t) in times.iter().enumerate() {
            s = TermState::read(&{ let mut x = s.clone(); if let Verdict::New { .. } = x.sight(*t, &id(n as u8), W) { alerts.insert(*t); } x.write("t") }).unwrap();
        }
        prop_assert_eq!(alerts, batch(&times));
    }

    #[test]
    fn out_of_order_each_true_episode_alerts_at_least_once(times in prop::collection::vec(0i64..200, 1..40), late in prop::collection::vec(0i64..W, 40)) {
        // Events late by less than the window: order of arrival is time plus lateness.
        let mut arrivals: Vec<(i64, i64, u8)> = times.iter().zip(&late).enumerate()
            .map(|(n, (t, l))| (t + l, *t, n as u8)).collect();
        arrivals.sort_unstable();
        let mut s = TermState::default();
        let mut alerted = Vec::new();
        for (_, t, n) in &arrivals {
            if let Verdict::New { .. } = s.sight(*t, &id(*n), W) { alerted.push(*t); }
            prop_assert!(s.episodes().len() <= EPISODES);
            prop_assert!(s.episodes().windows(2).all(|e| e[1].first_ms - e[0].last_ms > W));
        }
        let starts: Vec<i64> = batch(&times).into_iter().collect();
        for (n, start) in starts.iter().enumerate() {
            let end = starts.get(n + 1).copied().unwrap_or(i64::MAX);
            prop_assert!(alerted.iter().any(|a| a >= start && *a < end), "{start}: {alerted:?}");
        }
    }
}
