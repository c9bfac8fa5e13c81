//! A run over files gives the alerts of the batch model, for events in any order and form and with
//! repeats.

use firstseen::cli::cache::CacheArgs;
use firstseen::cli::common::{Common, JudgeArgs};
use firstseen::cli::format::AlertFormatArg;
use firstseen::cli::observer::OnError;
use firstseen::cli::run::{Repeats, RunArgs, run_with};
use firstseen::cli::signal::Signals;
use firstseen_rule::alert::rfc3339;
use firstseen_tests::call::{Call, call};
use firstseen_tests::cases::check;
use firstseen_tests::event::{Shape, shape};
use firstseen_tests::form::{Form, Packed, file, form, packed};
use firstseen_tests::model::{WINDOW_MS, batch};
use proptest::prelude::*;
use serde_json::Value;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const DAY_MS: i64 = 86_400_000;

/// One input: the indices of its calls, in order, and how they are written.
#[derive(Clone, Debug)]
struct Input {
    calls: Vec<usize>,
    form: Form,
    shape: Shape,
    packed: Packed,
    style: u64,
}

/// Calls, often exactly one window apart, and inputs that contain each call at least once and some
/// again in another form.
fn runs() -> impl Strategy<Value = (Vec<Call>, Vec<Input>)> {
    let gap = prop_oneof![
        2 => Just(0),
        2 => 1..DAY_MS,
        1 => Just(WINDOW_MS - 1),
        2 => Just(WINDOW_MS),
        2 => Just(WINDOW_MS + 1),
        1 => 1..40 * DAY_MS,
    ];
    let who = prop_oneof![3 => Just(true), 1 => Just(false)];
    let calls = prop::collection::vec((call(), gap, who), 1..30).prop_map(|list| {
        let mut time_ms = 1_600_000_000_000;
        let mut calls: Vec<Call> = Vec::new();
        for (id, (call, gap, same)) in list.into_iter().enumerate() {
            time_ms += gap;
            let mut call = Call { time_ms, id: id as u32, ..call };
            // Often the same caller again, and mostly a new stack.
            if let (true, Some(before)) = (same, calls.last()) {
                (call.who, call.account) = (before.who, before.account);
            }
            if id % 4 != 3 {
                (call.provider, call.action, call.failed) =
                    ("cloudformation.amazonaws.com", "CreateStack", false);
            }
            calls.push(call);
        }
        calls
    });
    let inputs = prop::collection::vec((form(), shape(), packed(), any::<u64>()), 1..5);
    let places = prop::collection::vec(prop::collection::vec(0..5usize, 1..3), 30);
    (calls, inputs, places, any::<u64>()).prop_map(|(calls, inputs, places, turn)| {
        let mut inputs: Vec<Input> = inputs
            .into_iter()
            .map(|(form, shape, packed, style)| Input {
                calls: Vec::new(),
                form,
                shape,
                packed,
                style,
            })
            .collect();
        let count = inputs.len();
        for (index, places) in places.iter().enumerate().take(calls.len()) {
            for place in places {
                inputs[place % count].calls.push(index);
            }
        }
        // Rotated or newest first, because exports are rarely in order.
        for (n, input) in inputs.iter_mut().enumerate() {
            let len = input.calls.len().max(1);
            input.calls.rotate_left(turn as usize % len);
            if (turn >> n) & 1 == 1 {
                input.calls.reverse();
            }
        }
        (calls, inputs)
    })
}

fn arguments(folder: &Path, state: &Path, inputs: Vec<PathBuf>) -> RunArgs {
    RunArgs {
        threads: Some([1, 2, 3, 8][inputs.len() % 4]),
        resume: false,
        name: None,
        restart_batch: false,
        follow: false,
        common: Common {
            rule_text: None,
            inputs,
            rules: Vec::new(),
            resume: None,
            shared: Default::default(),
            stop: Default::default(),
            teach: Default::default(),
            state: state.to_owned(),
            output: Some(folder.join("alerts")),
            append: false,
            take_over: false,
            learn_until: None,
            judge: JudgeArgs {
                settings: None,
                exceptions: Vec::new(),
                trust_envelopes: Vec::new(),
                any_index: false,
                max_event: 1 << 20,
                signed: Default::default(),
                registry: Default::default(),
                cache: CacheArgs { cache: None },
            },
        },
        format: AlertFormatArg::Ndjson,
        compact: false,
        on_error: OnError::Fail,
        dead_letter: None,
        fail_on_alert: false,
        summary: Some(folder.join("summary")),
        hold: 0,
        repeats: Some(Repeats::Drop),
        max_terms: None,
        annotate: false,
        schedule: Default::default(),
        learns: false,
    }
}

/// Runs and returns the alert lines and the summary.
fn run(args: &RunArgs) -> (Vec<String>, Value) {
    let mut messages = Vec::new();
    // What a run before wrote was looked at.
    let _ = std::fs::remove_file(args.common.output.as_ref().expect("given"));
    let ending = run_with(args, &mut messages, &Signals::none().expect("sockets"));
    ending.unwrap_or_else(|fault| panic!("{fault:#}\n{}", String::from_utf8_lossy(&messages)));
    let read = |path: &Option<PathBuf>| {
        std::fs::read_to_string(path.as_ref().expect("given")).expect("the run wrote it")
    };
    let alerts = read(&args.common.output).lines().map(str::to_owned).collect();
    (alerts, serde_json::from_str(&read(&args.summary)).expect("JSON"))
}

/// Writes the inputs that are not empty.
fn write_all(folder: &Path, calls: &[Call], inputs: &[Input]) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for (n, input) in inputs.iter().enumerate().filter(|(_, input)| !input.calls.is_empty()) {
        let calls: Vec<Call> = input.calls.iter().map(|index| calls[*index].clone()).collect();
        let path = folder.join(format!("input-{n}"));
        std::fs::write(&path, file(&calls, input.form, input.shape, input.packed, input.style))
            .expect("the folder takes it");
        paths.push(path);
    }
    paths
}

/// The terms of the matching calls, with their times.
fn sightings<'c>(matched: impl Iterator<Item = &'c Call>) -> Vec<(String, i64)> {
    let term = |call: &Call| {
        Some((serde_json::json!([call.account, call.who.name()?]).to_string(), call.time_ms))
    };
    matched.filter_map(term).collect()
}

fn parsed(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The term, the time and the previous sighting of an alert.
fn facts(alert: &Value) -> (String, i64, Option<i64>) {
    let time = |value: &Value| value.as_str().and_then(firstseen_value::parse_time_ms);
    let at = time(&alert["@timestamp"]).expect("a time");
    (
        alert["kibana.alert.new_terms"].to_string(),
        at,
        time(&alert["firstseen"]["previous_sighting"]),
    )
}

#[test]
fn run_gives_the_alerts_of_the_batch_model() {
    let (alerts_seen, again) = (Cell::new(0), Cell::new(0));
    check(150, runs(), |(calls, inputs)| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut paths = write_all(folder.path(), &calls, &inputs);
        let memory = |paths| arguments(folder.path(), Path::new("memory:"), paths);
        let given: Vec<&Call> =
            inputs.iter().flat_map(|input| &input.calls).map(|index| &calls[*index]).collect();
        let matched: Vec<&&Call> = given.iter().filter(|call| call.creates_a_stack()).collect();
        let sightings = sightings(matched.iter().copied().copied());
        let (lines, summary) = run(&memory(paths.clone()));

        // The alerts, their order and their content.
        let parsed = parsed(&lines);
        let mut facts: Vec<_> = parsed.iter().map(facts).collect();
        prop_assert!(facts.is_sorted_by_key(|(_, time, _)| *time), "alerts are sorted by time");
        facts.sort();
        let mut expected = batch(&sightings);
        expected.sort();
        prop_assert_eq!(&facts, &expected);
        for alert in &parsed {
            let id = alert["event"]["id"].as_str().expect("an id");
            let call = calls.iter().find(|call| call.event_id() == id).expect("a call of ours");
            let (term, time, _) = self::facts(alert);
            prop_assert_eq!(call.time_ms, time);
            prop_assert_eq!(serde_json::json!([call.account, call.who.name()]).to_string(), term);
        }
        let uuids: BTreeSet<String> =
            parsed.iter().map(|alert| alert["kibana.alert.uuid"].to_string()).collect();
        prop_assert_eq!(uuids.len(), parsed.len(), "each alert has its own id");

        // The counts.
        for (name, count) in [
            ("events", given.len()),
            ("matched", matched.len()),
            ("alerts", expected.len()),
            ("missing_terms", matched.len() - sightings.len()),
            ("bad", 0),
        ] {
            prop_assert_eq!(&summary[name], count, "{} in {}", name, &summary);
        }

        // The inputs in another order: the same alerts with the same ids.
        paths.reverse();
        let (turned, _) = run(&memory(paths));
        let ids = |alerts: &[Value]| -> Vec<String> {
            alerts.iter().map(|alert| alert["kibana.alert.uuid"].to_string()).collect()
        };
        prop_assert_eq!(ids(&self::parsed(&turned)), ids(&parsed));
        alerts_seen.set(alerts_seen.get() + lines.len());
        again.set(again.get() + expected.iter().filter(|(_, _, before)| before.is_some()).count());
        Ok(())
    });
    assert!(alerts_seen.get() > 100 && again.get() > 20, "the cases cover too little");
}

#[test]
fn runs_on_one_state_file_equal_one_run() {
    let (alerts_seen, repeats) = (Cell::new(0), Cell::new(0));
    check(60, (runs(), 1..4usize), |((mut calls, mut inputs), parts)| {
        // No two calls at the same time: which of them alerts depends on the split into runs.
        for index in 1..calls.len() {
            calls[index].time_ms = calls[index].time_ms.max(calls[index - 1].time_ms + 1);
        }
        // Split by time into several runs; within a run the calls are in any order.
        let share = calls.len().div_ceil(parts);
        inputs.resize(parts, inputs[0].clone());
        for (part, input) in inputs.iter_mut().enumerate() {
            input.calls = (part * share..((part + 1) * share).min(calls.len())).rev().collect();
        }
        let folder = tempfile::tempdir().expect("a folder");
        let paths = write_all(folder.path(), &calls, &inputs);
        let state = folder.path().join("state");
        let mut lines: Vec<String> = Vec::new();
        for path in &paths {
            lines.extend(run(&arguments(folder.path(), &state, vec![path.clone()])).0);
        }
        let matched = calls.iter().filter(|call| call.creates_a_stack());
        let mut facts: Vec<_> = parsed(&lines).iter().map(facts).collect();
        facts.sort();
        let mut expected = batch(&sightings(matched));
        expected.sort();
        prop_assert_eq!(facts, expected);
        // The same input again: every alert has been written before, byte for byte.
        let again =
            RunArgs { repeats: Some(Repeats::Emit), ..arguments(folder.path(), &state, paths) };
        let again = run(&again).0;
        for line in &again {
            prop_assert!(lines.contains(line), "{}", line);
        }
        alerts_seen.set(alerts_seen.get() + lines.len());
        repeats.set(repeats.get() + again.len());
        Ok(())
    });
    assert!(alerts_seen.get() > 50 && repeats.get() > 50, "the cases cover too little");
}

/// The kind of an exception.
#[derive(Clone, Copy, Debug)]
enum By {
    /// `fields`: the caller in this account.
    Fields,
    /// `entries`: the caller in any other account.
    Entries,
    /// `query`: this event, or all events of the account.
    Query,
}

/// An exception made from a call (by index), and how long after the call it expires, if at all.
type Excepting = (usize, By, Option<i64>);

impl By {
    fn toml(self, call: &Call) -> String {
        let (account, id) = (call.account, call.event_id());
        // A JSON string is a TOML string.
        let name = serde_json::json!(call.who.name().unwrap_or("nobody"));
        match self {
            Self::Fields => {
                format!("fields = {{ 'user.name' = [{name}], 'cloud.account.id' = '{account}' }}")
            }
            Self::Entries => format!(
                "entries = [{{ field = 'user.name', type = 'match', value = {name} }}, {{ field = \
                 'cloud.account.id', type = 'match', value = '{account}', operator = 'excluded' }}]"
            ),
            Self::Query => {
                format!("query = 'event.id: \"{id}\" or cloud.account.id: \"{account}\"'")
            }
        }
    }

    /// Whether the exception made from `call` excludes `other`.
    fn excludes(self, call: &Call, other: &Call) -> bool {
        let same_account = call.account == other.account;
        let same_name = other.who.name() == Some(call.who.name().unwrap_or("nobody"));
        match self {
            Self::Fields => same_name && same_account,
            Self::Entries => same_name && !same_account,
            Self::Query => same_account,
        }
    }
}

#[test]
fn excluded_events_have_no_effect() {
    let (alerts_seen, excepted_seen, ended) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let form = prop_oneof![Just(By::Fields), Just(By::Entries), Just(By::Query)];
    let end = prop_oneof![1 => Just(None), 2 => (0..60 * DAY_MS).prop_map(Some)];
    let exceptions = prop::collection::vec((any::<usize>(), form, end), 1..4);
    check(100, (runs(), exceptions), |((calls, inputs), exceptions)| {
        let exceptions: Vec<Excepting> =
            exceptions.into_iter().map(|(at, form, end)| (at % calls.len(), form, end)).collect();
        let made = |exception: &Excepting| {
            let call = &calls[exception.0];
            (call, exception.1, exception.2.map(|after| call.time_ms + after))
        };
        let is_out = |other: &Call| {
            exceptions.iter().map(made).any(|(call, form, end)| {
                form.excludes(call, other) && end.is_none_or(|end| other.time_ms < end)
            })
        };
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("exceptions.toml");
        let mut toml = String::new();
        for (call, form, end) in exceptions.iter().map(made) {
            let end = end.map(|end| format!("expires = '{}'\n", rfc3339(end)));
            toml += "[[exceptions]]\nname = 'x'\nreason = 'y'\n";
            toml += &format!("{}{}\n", end.unwrap_or_default(), form.toml(call));
        }
        std::fs::write(&file, toml).expect("the folder takes it");

        let memory = |paths| arguments(folder.path(), Path::new("memory:"), paths);
        let mut with = memory(write_all(folder.path(), &calls, &inputs));
        with.common.judge.exceptions = vec![file];
        let (with, summary) = run(&with);
        let mut inputs = inputs;
        let given = inputs.iter().flat_map(|input| &input.calls).map(|index| &calls[*index]);
        let out = given.filter(|call| call.creates_a_stack() && is_out(call)).count();
        for input in &mut inputs {
            input.calls.retain(|index| !is_out(&calls[*index]));
        }
        let left = write_all(folder.path(), &calls, &inputs);
        let without = if left.is_empty() { Vec::new() } else { run(&memory(left)).0 };

        let alerts = |lines: &[String]| parsed(lines).iter().map(facts).collect::<Vec<_>>();
        prop_assert_eq!(alerts(&with), alerts(&without));
        prop_assert_eq!(&summary["suppressed_by_exception"], out);
        alerts_seen.set(alerts_seen.get() + with.len());
        excepted_seen.set(excepted_seen.get() + out);
        let too_late = |call: &Call| {
            !is_out(call) && exceptions.iter().map(made).any(|(c, form, _)| form.excludes(c, call))
        };
        ended.set(ended.get() + calls.iter().filter(|call| too_late(call)).count());
        Ok(())
    });
    for count in [alerts_seen, excepted_seen, ended] {
        assert!(count.get() > 50, "the cases cover too little");
    }
}
