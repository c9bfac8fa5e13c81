//! Rules give the same alerts and counts, byte for byte, for any division among artifacts: all in
//! one, each in its own, or several groups.

use firstseen::cli::cache::CacheArgs;
use firstseen::cli::common::{Common, JudgeArgs};
use firstseen::cli::format::AlertFormatArg;
use firstseen::cli::observer::OnError;
use firstseen::cli::run::{Repeats, RunArgs, run_with};
use firstseen::cli::signal::Signals;
use firstseen_compiler::{RuleText, compile};
use firstseen_rule::source::ReadOptions;
use firstseen_tests::cases::check;
use firstseen_tests::event::any_event;
use firstseen_tests::rules::{FLAGSHIP_TOML, PACK};
use proptest::prelude::*;
use serde_json::Value;
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// The ways to divide the rules, in their order: the number of rules in each artifact, repeated
/// until no rule is left.
const WAYS: &[&[usize]] = &[&[usize::MAX], &[1], &[3, 6, 1]];

/// The members of the summary that must be the same: all but times and the text about the state.
const COUNTS: &[&str] = &[
    "alerts",
    "bad",
    "bytes",
    "dead_letters",
    "records_cut",
    "events",
    "suppressed_by_exception",
    "older_than_state",
    "learned",
    "matched",
    "missing_by_field",
    "missing_terms",
    "no_events",
    "repeats",
    "seen",
    "too_many_terms",
];

/// The artifacts of each way.
fn artifacts(folder: &Path) -> Vec<Vec<PathBuf>> {
    let flagship = ("flagship", FLAGSHIP_TOML);
    let rules: Vec<_> = std::iter::once(&flagship).chain(PACK).collect();
    let build = |(number, way): (usize, &&[usize])| {
        let mut rest = rules.as_slice();
        let mut paths = Vec::new();
        let mut counts = way.iter().cycle();
        while let (false, Some(count)) = (rest.is_empty(), counts.next()) {
            let (part, others) = rest.split_at(rest.len().min(*count));
            rest = others;
            let sources: Vec<_> = part.iter().map(|(name, text)| RuleText { name, text }).collect();
            let compiled = compile(&firstseen_engines::core(), &sources, &ReadOptions::default());
            let compiled = compiled.unwrap_or_else(|fault| panic!("{}", fault.plain(&sources)));
            let path = folder.join(format!("{number}-{}.wasm", paths.len()));
            std::fs::write(&path, compiled.wasm).expect("the folder takes it");
            paths.push(path);
        }
        paths
    };
    WAYS.iter().enumerate().map(build).collect()
}

/// Runs with these artifacts and returns alerts, dead letters and the summary.
fn run(folder: &Path, rules: &[PathBuf], input: &Path) -> (String, Vec<u8>, Value) {
    let path = |name: &str| folder.join(name);
    let args = RunArgs {
        threads: None,
        resume: false,
        name: None,
        restart_batch: false,
        follow: false,
        common: Common {
            rule_text: None,
            inputs: vec![input.to_owned()],
            rules: rules.to_vec(),
            resume: None,
            shared: Default::default(),
            stop: Default::default(),
            teach: Default::default(),
            state: PathBuf::from("memory:"),
            output: Some(path("alerts")),
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
        on_error: OnError::Skip,
        dead_letter: Some(path("dead")),
        fail_on_alert: false,
        summary: Some(path("summary")),
        hold: 0,
        repeats: Some(Repeats::Drop),
        max_terms: None,
        annotate: false,
        schedule: Default::default(),
        learns: false,
    };
    let mut messages = Vec::new();
    run_with(&args, &mut messages, &Signals::none().expect("sockets"))
        .unwrap_or_else(|fault| panic!("{fault:#}"));
    let summary = std::fs::read_to_string(path("summary")).expect("the run wrote it");
    let summary: Value = serde_json::from_str(&summary).expect("JSON");
    let alerts = std::fs::read_to_string(path("alerts")).expect("the run wrote it");
    (alerts, std::fs::read(path("dead")).expect("the run wrote it"), summary)
}

#[test]
fn any_division_of_rules_among_artifacts_gives_the_same_alerts() {
    let folder = tempfile::tempdir().expect("a folder");
    let ways = artifacts(folder.path());
    let input = folder.path().join("input.ndjson");
    let (alerts_seen, bad_seen, rules_seen) = (Cell::new(0), Cell::new(0), Cell::new(0));
    check(40, prop::collection::vec(any_event(), 20..60), |events| {
        // The first line decides the kind of file.
        let mut lines =
            b"{\"eventVersion\":\"1.08\",\"eventTime\":\"2025-01-01T00:00:00Z\"}\n".to_vec();
        for event in &events {
            lines.extend(event.0.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
            lines.push(b'\n');
        }
        std::fs::write(&input, &lines).expect("the folder takes it");
        let runs: Vec<_> = ways.iter().map(|rules| run(folder.path(), rules, &input)).collect();
        let (alerts, dead, summary) = &runs[0];
        for (other_alerts, other_dead, other) in &runs[1..] {
            prop_assert_eq!(other_alerts, alerts);
            prop_assert_eq!(other_dead.escape_ascii().to_string(), dead.escape_ascii().to_string());
            for name in COUNTS {
                prop_assert!(summary.get(*name).is_some(), "{} in {}", name, summary);
                prop_assert_eq!(&other[*name], &summary[*name], "{}", name);
            }
        }
        let rules: std::collections::BTreeSet<_> = alerts
            .lines()
            .filter_map(|line| line.split_once("kibana.alert.rule.rule_id")?.1.get(..40))
            .collect();
        alerts_seen.set(alerts_seen.get() + alerts.lines().count());
        bad_seen.set(bad_seen.get() + summary["bad"].as_u64().unwrap_or(0));
        rules_seen.set(rules_seen.get().max(rules.len()));
        Ok(())
    });
    assert!(alerts_seen.get() > 200 && bad_seen.get() > 50, "the cases cover too little");
    assert!(rules_seen.get() > 3, "alerts of only {} rules", rules_seen.get());
}
