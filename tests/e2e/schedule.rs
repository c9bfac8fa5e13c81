//! `run --schedule`: the alerts that Elastic's executions keep.
//!
//! In: random events and some by hand. Out: whether the alerts and counts are those of a model that goes
//! through every execution and looks at every event, as Elastic does, and whether what cannot go with a
//! schedule is refused.

use crate::build::rule;
use crate::support::{Chance, Done, Folder, call, create_stack, repository, run, stack_lines};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

const MINUTE: i64 = 60_000;
/// 2025-01-01.
const START: i64 = 1_735_689_600_000;

impl Chance {
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }
}

/// A rule of the model.
#[derive(Clone, Copy)]
struct Plan {
    id: &'static str,
    fields: &'static [&'static str],
    lookback: i64,
    window: i64,
    max: usize,
}

/// Minutes; all run each five. One looks back no further than it runs, one nearly to its window.
const PLANS: [Plan; 4] = [
    Plan { id: "one", fields: &["user.name"], lookback: 6, window: 30, max: 2 },
    Plan { id: "two", fields: &["user.name", "host.id"], lookback: 9, window: 20, max: 3 },
    Plan { id: "exact", fields: &["user.name"], lookback: 5, window: 15, max: 1 },
    Plan { id: "wide", fields: &["host.id"], lookback: 12, window: 13, max: 1 },
];
const INTERVAL: i64 = 5;

impl Plan {
    fn write(&self, folder: &Folder) -> PathBuf {
        let Plan { id, fields, lookback, window, max } = *self;
        let text =
            rule(id, "event.action: login", fields).replace("now-7d", &format!("now-{window}m"));
        let schedule =
            format!("[rule]\ninterval = \"5m\"\nfrom = \"now-{lookback}m\"\nmax_signals = {max}");
        folder.write(&format!("{id}.toml"), text.replacen("[rule]", &schedule, 1))
    }
}

#[derive(Clone, Debug)]
struct Event {
    time: i64,
    id: String,
    action: &'static str,
    users: Vec<&'static str>,
    hosts: Vec<&'static str>,
}

impl Event {
    fn line(&self) -> String {
        let time = written(self.time);
        let event = json!({ "@timestamp": time, "event": { "id": self.id, "action": self.action },
                            "user": { "name": self.users }, "host": { "id": self.hosts } });
        format!("{event}\n")
    }

    /// The terms of a rule.
    fn terms(&self, plan: &Plan) -> BTreeSet<Vec<&'static str>> {
        if self.action != "login" {
            return BTreeSet::new();
        }
        let values = |field: &str| if field == "user.name" { &self.users } else { &self.hosts };
        let mut terms: Vec<Vec<&str>> = vec![vec![]];
        for field in plan.fields {
            let longer = terms
                .iter()
                .flat_map(|term| values(field).iter().map(|value| [&term[..], &[*value]].concat()));
            terms = longer.collect();
        }
        terms.into_iter().collect()
    }
}

/// RFC 3339, without help from what is tested.
fn written(ms: i64) -> String {
    let (days, ms) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let z = days + 719_468;
    let (era, day) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (d, m) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let y = year + era * 400 + i64::from(m <= 2);
    let (h, min, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{y:04}-{m:02}-{d:02}T{h:02}:{min:02}:{s:02}.{:03}Z", ms % 1000)
}

/// A case: events around one time, often at the ends of executions and of windows, several at once.
fn case(random: &mut Chance, number: i64) -> Vec<Event> {
    let base = START + number * 1000 * MINUTE;
    let users = ["ann", "Bob", "bob", "carol", "dave", "eve", "frank"];
    let hosts = ["h1", "h2", "h10"];
    let mut time = base;
    let mut events = Vec::new();
    for n in 0..3 + random.below(30) {
        time += match random.below(9) {
            0 => 0,
            1..4 => random.below(90_000) as i64,
            4 => MINUTE * random.below(8) as i64,
            5 => MINUTE * (10 + random.below(25) as i64),
            // Exactly at a minute, one millisecond before or behind.
            _ => {
                let at = (time.div_euclid(MINUTE) + 1 + random.below(4) as i64) * MINUTE;
                at + random.below(3) as i64 - 1 - time
            }
        };
        let some = |random: &mut Chance, from: &[&'static str]| {
            let count = [1, 1, 1, 2, 3, 0][random.below(6) as usize];
            (0..count).map(|_| random.pick(from)).collect::<Vec<_>>()
        };
        let action = if random.below(6) == 0 { "read" } else { "login" };
        let (users, hosts) = (some(random, &users), some(random, &hosts));
        events.push(Event { time, id: format!("c{number}e{n}"), action, users, hosts });
    }
    events
}

/// What the model says of a rule: times and terms of its alerts, and the counts.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    alerts: BTreeMap<(String, Vec<String>), u64>,
    kept: u64,
    executions: u64,
    over_max_signals: u64,
    over: Vec<(i64, u64)>,
}

/// Every execution over every event of a case.
fn executions(plan: &Plan, events: &[Event], offset: i64, expected: &mut Expected) {
    let (interval, lookback) = (INTERVAL * MINUTE, plan.lookback * MINUTE);
    let documents: Vec<(&Event, BTreeSet<Vec<&str>>)> = events
        .iter()
        .map(|event| (event, event.terms(plan)))
        .filter(|(_, terms)| !terms.is_empty())
        .collect();
    let earliest = events.iter().map(|event| event.time).min().unwrap();
    let latest = events.iter().map(|event| event.time).max().unwrap();
    let mut created: BTreeSet<(&str, &Vec<&str>)> = BTreeSet::new();
    let mut missed = BTreeSet::new();
    let mut end = (earliest - offset).div_euclid(interval) * interval + offset;
    while end <= latest + lookback + interval {
        let (from, history) = (end - lookback, end - plan.window * MINUTE);
        let within = |from: i64| {
            documents.iter().filter(move |(event, _)| from <= event.time && event.time <= end)
        };
        if within(from).next().is_some() {
            expected.executions += 1;
        }
        let recent: BTreeSet<&Vec<&str>> = within(from).flat_map(|(_, terms)| terms).collect();
        let mut new = Vec::new();
        for term in recent {
            let having = |from| within(from).filter(|(_, terms)| terms.contains(term));
            let first_seen = having(history).map(|(event, _)| event.time).min().unwrap();
            if first_seen > from {
                let oldest = having(from).map(|(event, _)| (event.time, &*event.id)).min().unwrap();
                new.push((having(from).count(), term, oldest));
            }
        }
        if plan.fields.len() == 1 {
            new.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        } else {
            new.sort_by(|a, b| a.1.cmp(b.1));
        }
        new.retain(|(_, term, (_, id))| !created.contains(&(*id, *term)));
        for (n, (_, term, (time, id))) in new.iter().enumerate() {
            if n < plan.max {
                created.insert((*id, *term));
                let term = term.iter().map(|value| (*value).to_owned()).collect();
                *expected.alerts.entry((written(*time), term)).or_default() += 1;
                expected.kept += 1;
            } else {
                missed.insert((*id, *term));
            }
        }
        if new.len() > plan.max {
            expected.over.push((end, (new.len() - plan.max) as u64));
        }
        end += interval;
    }
    expected.over_max_signals += missed.difference(&created).count() as u64;
}

/// What the binary gave for a rule.
fn given(done: &Done, id: &str) -> Expected {
    let rules = done.summary["rules"].as_array().unwrap();
    let schedule = &rules.iter().find(|rule| rule["id"] == id).expect(id)["schedule"];
    let number = |value: &Value| value.as_u64().unwrap();
    let over = schedule["over"].as_array().unwrap().iter();
    let mut given = Expected {
        kept: number(&schedule["kept"]),
        executions: number(&schedule["executions"]),
        over_max_signals: number(&schedule["over_max_signals"]),
        over: over.map(|o| (o["end_ms"].as_i64().unwrap(), number(&o["not_created"]))).collect(),
        ..Expected::default()
    };
    for alert in done.lines().iter().filter(|a| a["kibana.alert.rule.rule_id"] == id) {
        let time = alert["kibana.alert.original_time"].as_str().unwrap().to_owned();
        let term = serde_json::from_value(alert["kibana.alert.new_terms"].clone()).unwrap();
        *given.alerts.entry((time, term)).or_default() += 1;
    }
    given
}

/// Cases of each rule and run; there are as many runs as offsets.
const CASES: i64 = 200;
const OFFSETS: [(&str, i64); 2] = [("0", 0), ("90s", 90_000)];

#[test]
fn alerts_and_counts_are_those_of_every_execution_over_every_event() {
    let seed = std::env::var("FIRSTSEEN_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or(0x0f15_75ee);
    println!("FIRSTSEEN_SEED={seed}");
    let mut random = Chance(seed);
    let folder = Folder::new();
    let rules = PLANS.map(|plan| plan.write(&folder));
    for (text, offset) in OFFSETS {
        let cases: Vec<Vec<Event>> = (0..CASES).map(|number| case(&mut random, number)).collect();
        let mut lines: Vec<String> = cases.iter().flatten().map(Event::line).collect();
        // Some documents twice, all of them in any order.
        (0..lines.len() / 9).for_each(|n| lines.push(lines[n * 7].clone()));
        for at in (1..lines.len()).rev() {
            lines.swap(at, random.below(at as u64 + 1) as usize);
        }
        let (a, b) = lines.split_at(lines.len() / 3);
        let files = [folder.write("a.ndjson", a.concat()), folder.write("b.ndjson", b.concat())];
        let call = rules.iter().fold(run(), |call, rule| call.arg("--rule").arg(rule));
        let call = call.args(&["--format", "ndjson", "--schedule", "--schedule-offset", text]);
        let done = files.iter().fold(call, |call, file| call.arg(file)).ok();
        for plan in PLANS {
            let mut expected = Expected::default();
            for events in &cases {
                executions(&plan, events, offset, &mut expected);
            }
            // The model can fail: each rule had alerts, and executions with too many.
            assert!(expected.over_max_signals > 20 && expected.kept > 200, "{expected:?}");
            let mut given = given(&done, plan.id);
            assert_eq!(given.over.len(), expected.over.len().min(100));
            expected.over.truncate(100);
            for (key, count) in std::mem::take(&mut expected.alerts) {
                let found = given.alerts.remove(&key);
                assert_eq!(found, Some(count), "{}: {key:?}", plan.id);
            }
            assert_eq!(given, expected, "{}", plan.id);
        }
    }
}

/// 250 stacks by users of their own, all at this time.
fn burst(time: &str) -> String {
    let line = |n: u32| {
        let user = format!("user-{:03}", (n * 37) % 250);
        format!("{}\n", create_stack(&format!("e-{user}"), time, &user))
    };
    (0..250).map(line).collect()
}

fn users(done: &Done) -> Vec<String> {
    let mut users: Vec<_> =
        done.lines().iter().map(|a| a["user"]["name"].as_str().unwrap().to_owned()).collect();
    users.sort();
    users
}

fn numbered(to: u32) -> Vec<String> {
    (0..to).map(|n| format!("user-{n:03}")).collect()
}

#[test]
fn of_250_new_terms_an_execution_keeps_the_first_hundred_by_their_values() {
    let folder = Folder::new();
    let events = folder.write("events.ndjson", burst("2025-03-01T08:01:00Z"));
    let done = run().arg("--schedule").arg(&events).ok();
    assert_eq!(users(&done), numbered(100));
    assert_eq!((done.count("alerts"), done.count("seen"), done.count("matched")), (100, 0, 250));
    let expected = json!({
        "executions": 1, "kept": 100, "over_max_signals": 150, "executions_over": 1,
        "over": [{ "end_ms": 1_740_816_300_000_u64, "not_created": 150 }],
    });
    assert_eq!(done.summary["rules"][0]["schedule"], expected);
    let flat = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "First Time AWS Cloudformation Stack Creation by User: This rule reached the maximum alert limit \
         for the rule execution. Some alerts were not created. (150 not created at 2025-03-01 08:05)",
        "schedule 1 execution looked at matched events; 150 alerts over max_signals",
        "none; --schedule decides over these inputs alone",
    ] {
        assert!(flat.contains(words), "{words}: {flat}");
    }
    assert!(!flat.contains("every term is new"), "{flat}");
    // Two executions look at the last minute: what the first has no room for comes with the second. The
    // warning is shown to who asked for quiet, too.
    let done =
        run().arg("--schedule").arg("--quiet").arg("-").pipe(burst("2025-03-01T08:04:30Z")).ok();
    assert_eq!(users(&done), numbered(200));
    let schedule = &done.summary["rules"][0]["schedule"];
    assert_eq!(
        (&schedule["over_max_signals"], &schedule["executions_over"]),
        (&json!(50), &json!(2))
    );
    assert!(done.stderr.contains("150 not created at 2025-03-01 08:05"), "{}", done.stderr);
    // An offset moves the ends.
    let call = run().args(&["--schedule", "--schedule-offset", "1m"]).arg("-");
    let done = call.pipe(burst("2025-03-01T08:04:30Z")).ok();
    assert_eq!(users(&done), numbered(100));
}

#[test]
fn alerts_have_the_bytes_that_a_run_without_a_schedule_gives() {
    let lines = stack_lines(&[
        ("a", "2025-01-01T08:00:00Z", "ann"),
        ("b", "2025-01-02T08:00:00Z", "ann"),
        ("c", "2025-01-02T09:00:00Z", "bob"),
        // Over a window later: the sighting before is named.
        ("d", "2025-01-20T08:00:00Z", "ann"),
        ("d", "2025-01-20T08:00:00Z", "ann"),
    ]);
    let plain = run().arg("--format").arg("ndjson").arg("-").pipe(lines.clone()).ok();
    let newest_first: String = lines.lines().rev().map(|line| format!("{line}\n")).collect();
    let call = run().args(&["--format", "ndjson", "--schedule"]).arg("-");
    let done = call.pipe(newest_first).ok();
    assert_eq!(done.alert_ids(), ["a", "c", "d"]);
    assert_eq!(done.stdout, plain.stdout);
    assert!(done.stdout.contains("\"previous_sighting\":\"2025-01-02T08:00:00.000Z\""));
    assert_eq!((done.count("seen"), done.count("repeats")), (2, 0));
    // Where ten days before its execution's end nothing was seen, a term is new to Elastic: the sighting
    // is less than ten days ago.
    let late =
        stack_lines(&[("a", "2025-01-01T08:03:00Z", "ann"), ("b", "2025-01-11T08:02:00Z", "ann")]);
    assert_eq!(run().arg("-").pipe(late.clone()).ok().alert_ids(), ["a"]);
    let done = run().arg("--schedule").arg("-").pipe(late).ok();
    assert_eq!(done.alert_ids(), ["a", "b"]);
    assert!(!done.stdout.contains("previous_sighting"), "{}", done.stdout);
}

#[test]
fn an_excepted_event_is_no_sighting() {
    let folder = Folder::new();
    let exceptions = folder.write(
        "e.toml",
        "[[exceptions]]\nname='e'\nreason='r'\nexpires=2099-01-01\nquery='source.ip: 203.0.113.24'\n",
    );
    let mut second = create_stack("b", "2025-01-02T08:00:00Z", "ann");
    second["sourceIPAddress"] = json!("198.51.100.7");
    let lines = format!("{}{second}\n", stack_lines(&[("a", "2025-01-01T08:00:00Z", "ann")]));
    let call = run().arg("--schedule").arg("--exceptions").arg(&exceptions).arg("-");
    let done = call.pipe(lines).ok();
    assert_eq!(done.alert_ids(), ["b"]);
    assert_eq!(done.count("suppressed_by_exception"), 1);
}

#[test]
fn what_cannot_go_with_a_schedule_is_refused_with_its_reason() {
    let folder = Folder::new();
    let output = folder.path("out");
    let output = output.to_str().unwrap();
    let state = folder.path("state");
    let state = state.to_str().unwrap();
    for (args, words) in [
        (&["--state", state][..], &["--state", "with no state"][..]),
        (&["--take-over"], &["--take-over", "with no state"]),
        (&["--resume", "--output", output], &["--resume", "with no state"]),
        (&["--max-terms", "9"], &["--max-terms", "with no state"]),
        (&["--repeats", "emit"], &["--repeats emit", "with no state"]),
        (&["--learn-until", "2025-01-01T00:00:00Z"], &["--learn-until", "do not learn"]),
        (&["--learn-for", "10d"], &["--learn-for", "do not learn"]),
        (&["--learn-by", "user.name"], &["--learn-by", "do not learn"]),
        (&["--forget-after", "20d"], &["--forget-after", "own window"]),
        (&["--hold", "10s"], &["--hold", "read to their end"]),
        (&["--annotate"], &["--annotate", "read to their end"]),
    ] {
        let words = [&["--schedule: "][..], words].concat();
        run().arg("--schedule").args(args).arg("-").fails(&words);
    }
    assert!(!folder.path("out").exists() && !folder.path("state").exists());
    run().args(&["--schedule-offset", "1m"]).arg("-").fails(&["--schedule"]);
    let settings = folder.write("s.json", "{\"learn_until\":\"2025-01-01T00:00:00Z\"}");
    let call = || run().args(&["--schedule", "--settings"]);
    call().arg(&settings).arg("-").fails(&["settings say learn_until"]);
    run().args(&["--schedule", "--learn-for", "0", "-"]).ok();
}

#[test]
fn a_rule_whose_schedule_cannot_be_followed_is_named() {
    let folder = Folder::new();
    let with = |id: &str, lines: &str| {
        let text = rule(id, "event.action: login", &["user.name"]);
        let path = folder.write(&format!("{id}.toml"), text.replacen("[rule]", lines, 1));
        run().arg("--schedule").arg("--rule").arg(path).arg("-")
    };
    with("wide", "[rule]\nfrom = \"now-7d\"").fails(&["Rule wide", "window of 7d", "now-7d"]);
    let gap = with("gap", "[rule]\ninterval = \"10m\"").ok();
    assert!(gap.stderr.contains("no execution looks for new terms"), "{}", gap.stderr);
    let many = with("many", "[rule]\nmax_signals = 5000").ok();
    assert!(many.stderr.contains("(5000) is greater than the Kibana alerting limit (1000)"));
    let learns = with("learns", "[firstseen]\nlearn_for = \"10d\"\n[rule]");
    learns.fails(&["Rule learns", "--learn-for 0"]);
    let old = repository("tests/fixtures/artifacts/flagship-0.1.0.wasm");
    run().arg("--schedule").arg("--rule").arg(old).arg("-").ok();
    // What `learn` reads it reads without executions.
    call("learn").arg("--schedule").arg("-").fails(&["--schedule"]);
}
