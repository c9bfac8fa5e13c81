//! `test`: rules against their authors' expectations, as an author or a CI job calls it.
//!
//! In: rules with tests, passing and failing. Out: whether reports, exit statuses, coverage and
//! `--watch` are right.

use crate::build::{build, rule};
use crate::stream::Live;
use crate::support::{Call, Done, Folder, call, repository, stack_lines};
use serde_json::{Value, json};

pub(crate) const QUERY: &str = "event.action: (create or delete) and not user.name: root*";
/// Cases for [`QUERY`] that pass and cover it fully.
pub(crate) const GOOD: &str = r#"[base]
"event.action" = "create"
"user.name" = "bob"

[[case]]
name = "once"
[[case.event]]
terms = [["bob"]]
[[case.event]]
at = "+1d"
alert = false

[[case]]
name = "not root"
[[case.event]]
set = { "user.name" = "root1", "event.action" = "delete" }
outcome = "no_match"
"#;

/// A folder with the rule and this test.
fn folder(test: &str) -> Folder {
    let folder = Folder::new();
    folder.write("r.toml", rule("r", QUERY, &["user.name"]));
    folder.write("r.test.toml", test);
    folder
}

/// `firstseen test`, in that folder.
fn test(folder: &Folder) -> Call {
    let mut call = call("test");
    call.command.current_dir(folder.path(""));
    call
}

/// Runs a test with these arguments, expects this exit status, and returns standard output.
#[track_caller]
fn report(folder: &Folder, args: &[&str], status: i32) -> String {
    let Done { status: got, stdout, stderr, .. } = test(folder).args(args).end();
    assert_eq!(got, Some(status), "{stdout}{stderr}");
    assert!(stdout.lines().all(|line| line.chars().count() <= 100), "{stdout}");
    stdout
}

#[test]
fn project_rules_pass_their_tests() {
    let done = call("test")
        .arg(repository("plugin/rules"))
        .args(&["--coverage-min", "100", "--require-tests"])
        .ok();
    assert!(done.stdout.contains(": 100 % (10 of 10)\n"), "{}", done.stdout);
    assert!(done.stdout.ends_with("\nok: 9 passed, 0 failed\n"), "{}", done.stdout);
}

#[test]
fn passing_tests_print_a_short_report() {
    let folder = folder(GOOD);
    let expected = "ok   r.test.toml: 2 cases, 3 events\nok: 2 passed, 0 failed\n";
    // A folder, the test file and the rule all select the same test.
    for args in [&[][..], &["."], &["r.test.toml"], &["r.toml"], &["r.toml", ".", "r.test.toml"]] {
        assert_eq!(report(&folder, args, 0), expected, "{args:?}");
    }
}

/// Each kind of failure.
pub(crate) const FAILING: &str = r#"start = 2025-03-03T09:00:00Z
[base]
"event.action" = "create"
"user.name" = "bob"

[[case]]
name = "seen, missed and too soon"
[[case.before]]
terms = ["bob"]
last = "-3d"
[[case.event]]
alert = true
[[case.event]]
at = "+1h"
set = { "event.action" = "update" }
alert = true
[[case.event]]
at = "+8d"
alert = false
[[case.event]]
at = "+8d"
set = { "user.name" = ["a", "c"] }
terms = [["a"], ["d"]]
[[case.event]]
at = "+8d"
set = { "user.name" = "e" }
expect = { "kibana.alert.severity" = "high", "user.email" = "x" }
[[case.event]]
set = { "user.name" = "f" }
outcome = "seen"
[[case.after]]
terms = ["bob"]
last = "+3d"
[[case.after]]
terms = ["bob"]
absent = true
[[case.after]]
terms = ["nobody"]

[[case]]
name = "passes"
[[case.event]]
alert = true
"#;

const FAILED: &str = r#"FAIL r.test.toml:7
  seen, missed and too soon

  line 11: event 1, +0s, 2025-03-03T09:00:00Z
    - expected alert
    + got      seen ["bob"]
    why: seen within the window of 7d; the last known sighting was at
         2025-02-28T09:00:00Z, 3d earlier

  line 13: event 2, +1h, 2025-03-03T10:00:00Z
    - expected alert
    + got      no_match
    why: false: event.action: (create or delete); found update

  line 17: event 3, +8d, 2025-03-11T09:00:00Z
    - expected no alert
    + got      alert ["bob"]
    why: new in the window of 7d; the last known sighting was at
         2025-03-03T09:00:00Z, 8d earlier

  line 20: event 4, +8d, 2025-03-11T09:00:00Z
               alert ["a"]
    - expected alert ["d"]
    + got      alert ["c"]
    why: new: the term was never seen before

  line 24: event 5, +8d, 2025-03-11T09:00:00Z
    - expected kibana.alert.severity: "high"
    - expected user.email: "x"
    + got      kibana.alert.severity: "low"
    + got      user.email is missing

  line 28: event 6, +8d, 2025-03-11T09:00:00Z
    - expected seen ["f"]
    + got      alert ["f"]
    why: new: the term was never seen before

  line 31: state after the events
    - expected ["bob"]: last +3d (2025-03-06T09:00:00Z)
    + got      ["bob"]: last +8d (2025-03-11T09:00:00Z)

  line 34: state after the events
    - expected ["bob"] is not in the state
    + got      ["bob"]: last +8d (2025-03-11T09:00:00Z)

  line 37: state after the events
    - expected ["nobody"] is in the state
    + got      ["nobody"] is not in the state

FAIL r.test.toml: 1 of 2 cases, 7 events
FAILED: 1 passed, 1 failed
"#;

#[test]
fn each_failure_shows_expected_got_and_the_reason() {
    let folder = folder(FAILING);
    assert_eq!(report(&folder, &[], 1), FAILED);
}

#[test]
fn run_option_selects_cases_by_name() {
    let folder = folder(FAILING);
    let stdout = report(&folder, &["--run", r"r\.test\.toml::pass"], 0);
    assert_eq!(stdout, "ok   r.test.toml: 1 case, 1 event\nok: 1 passed, 0 failed, 1 left out\n");
    test(&folder).args(&["--run", "nothing"]).fails(&["--run nothing: no case"]);
    test(&folder).args(&["--run", "("]).fails(&["--run"]);
    test(&folder).args(&["--coverage-min", "101"]).fails(&["101"]);
}

#[test]
fn all_outcomes_can_be_expected_by_name() {
    let folder = folder(
        r#"start = 2025-03-03T09:00:00Z
[base]
event.action = "create"
user.name = "bob"
[[case]]
name = "all"
now = "+2d"
learn_until = "+1h"
exceptions = [{ name = "ci", query = "user.name: ci-*" }]
[[case.before]]
terms = ["old"]
first = "+1d"
last = "+1d"
[[case.event]]
outcome = "learned"
[[case.event]]
at = "+2h"
outcome = "seen"
[[case.event]]
set.user.name = "eve"
set.event.id = "one"
outcome = "alert"
[[case.event]]
set = { user.name = "eve", event.id = "one" }
outcome = "repeat"
[[case.event]]
set.user.name = "ci-1"
outcome = "excepted"
[[case.event]]
unset = ["user.name"]
outcome = "missing"
[[case.event]]
set.event.action = "x"
outcome = "no_match"
[[case.event]]
at = "+3d"
set.user.name = "later"
outcome = "future"
[[case.event]]
json = '{"event":{"action":"create"},"user":{"name":"x"}}'
outcome = "bad"
[[case.event]]
json = '{"event":'
outcome = "bad"
[[case.after]]
terms = ["ci-1"]
absent = true
[[case.after]]
terms = ["eve"]
first = "+2h"
last = "+2h"
"#,
    );
    assert_eq!(
        report(&folder, &[], 0),
        "ok   r.test.toml: 1 case, 10 events\nok: 1 passed, 0 failed\n"
    );
}

#[test]
fn tests_read_events_from_files_and_built_rules() {
    let folder = Folder::new();
    build(&repository(crate::build::FLAGSHIP), &folder.path("flagship.wasm"));
    let day =
        |n: u32, user: &str| (format!("e{n}"), format!("2025-04-0{n}T08:00:00Z"), user.to_owned());
    let events = [day(1, "ann"), day(2, "ann"), day(3, "ben")];
    let events: Vec<_> =
        events.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
    folder.write("events.ndjson", stack_lines(&events));
    folder.write(
        "f.test.toml",
        r#"rule = "flagship.wasm"
allow_one_sided = true
[[case]]
name = "two users"
[[case.event]]
file = "events.ndjson"
terms = [["111122223333", "ben"], ["111122223333", "ann"]]
[[case.after]]
terms = ["111122223333", "ann"]
first = 2025-04-01T08:00:00Z
last = 2025-04-02T08:00:00Z
"#,
    );
    let stdout = report(&folder, &["--coverage"], 0);
    assert!(stdout.starts_with("coverage of flagship.wasm (0415258b-"), "{stdout}");
    assert!(stdout.ends_with("ok   f.test.toml: 1 case, 3 events\nok: 1 passed, 0 failed\n"));
    std::fs::remove_file(folder.path("events.ndjson")).unwrap();
    let done = test(&folder).fails(&["some rules or tests could not be used"]);
    assert!(done.stdout.contains("error: f.test.toml:5: two users:"), "{}", done.stdout);
}

#[test]
fn test_can_use_the_timestamp_override() {
    let folder = Folder::new();
    let text = rule("r", QUERY, &["user.name"]);
    folder
        .write("r.toml", text.replace("type =", "timestamp_override = \"event.ingested\"\ntype ="));
    let test = "allow_one_sided = true\n[base]\nevent.action = 'create'\nuser.name = 'bob'\n\
                event.ingested = 2025-06-01T00:00:00Z\n[[case]]\nname = 'a'\n[[case.event]]\n\
                alert = true\n[[case.after]]\nterms = ['bob']\nlast = ";
    let build = "event_time = 'timestamp_override'\n";
    folder.write("r.test.toml", format!("{test}'+0s'\n"));
    report(&folder, &[], 0);
    folder.write("r.test.toml", format!("{build}{test}2025-06-01T00:00:00Z\n"));
    report(&folder, &[], 0);
}

#[test]
fn test_needs_alerts_and_no_alerts_unless_allowed() {
    let alert = "[base]\nevent.action = 'create'\nuser.name = 'bob'\n[[case]]\nname = 'a'\n\
                 [[case.event]]\nalert = true\n";
    let one = folder(alert);
    let stdout = report(&one, &[], 1);
    assert!(stdout.starts_with("FAIL r.test.toml:1\n"), "{stdout}");
    assert!(stdout.contains("- expected an event that must not alert (alert = false)"), "{stdout}");
    report(&one, &["--allow-one-sided"], 0);
    report(&folder(&format!("allow_one_sided = true\n{alert}")), &[], 0);
    let none = folder(&alert.replace("alert = true", "set.event.action = 'x'\nalert = false"));
    assert!(report(&none, &[], 1).contains("- expected an event that must alert (alert = true)"));
}

#[test]
fn rule_without_a_test_is_named_and_can_fail() {
    let folder = folder(GOOD);
    folder.write("s.toml", rule("s", QUERY, &["user.name"]));
    assert!(report(&folder, &[], 0).contains("\nnote s.toml: this rule has no test\n"));
    assert!(
        report(&folder, &["--require-tests"], 1).contains("\nFAIL s.toml: this rule has no test")
    );
    assert!(
        report(&folder, &["--require-tests", "r.toml"], 0).ends_with("ok: 2 passed, 0 failed\n")
    );
}

#[test]
fn clauses_with_partial_coverage_are_marked_in_the_rule() {
    let test = GOOD.replace(", \"event.action\" = \"delete\"", "");
    let folder = folder(&test);
    let expected = "\
coverage of r.toml: 66 % (4 of 6)
   true  false
      3      0  event.action: create
      0      3  event.action: delete
      1      2  user.name: root*
clauses: not both true and false: 2 of 3
  --> r.toml:10:16
   |
10 | event.action: (create or delete) and not user.name: root*
   |                ^^^^^^    ^^^^^^ never true
   |                |
   |                never false

ok   r.test.toml: 2 cases, 3 events
ok: 2 passed, 0 failed
";
    assert_eq!(report(&folder, &["--coverage"], 0), expected);
    report(&folder, &["--coverage-min", "66"], 0);
    let stdout = report(&folder, &["--coverage-min", "67"], 1);
    let end = "FAIL r.toml: coverage 66 %, below the required 67 %\nFAILED: 2 passed, 0 failed\n";
    assert!(stdout.ends_with(end), "{stdout}");
    // The coverage of a rule's tests is added up.
    folder.write(
        "more.test.toml",
        "rule = 'r.toml'\nallow_one_sided = true\n[[case]]\nname = 'a'\n[[case.event]]\n\
         set = { event.action = 'delete' }\noutcome = 'missing'\n",
    );
    assert!(
        report(&folder, &["--coverage-min", "100"], 0).starts_with("coverage of r.toml: 100 %")
    );
}

#[test]
fn json_report_is_complete() {
    let folder = folder(FAILING);
    let report: Value =
        serde_json::from_str(&long_report(&folder, &["--format", "json", "--coverage"])).unwrap();
    let sums = ["good", "passed", "failed", "left_out", "errors"].map(|name| report[name].clone());
    assert_eq!(sums, [json!(false), json!(1), json!(1), json!(0), json!(0)]);
    let case = &report["files"][0]["cases"][0];
    assert_eq!((&case["line"], &case["events"]), (&json!(7), &json!(6)));
    assert_eq!(
        case["failures"][1],
        json!({
            "line": 13, "about": "event 2, +1h, 2025-03-03T10:00:00Z",
            "expected": ["alert"], "got": ["no_match"],
            "why": ["false: event.action: (create or delete); found update"],
        })
    );
    let clause = json!({ "clause": "event.action: create", "line": 10, "true": 6, "false": 1 });
    assert_eq!(report["coverage"][0]["clauses"][0], clause);
}

/// Standard output of a run that fails, with lines of any length.
fn long_report(folder: &Folder, args: &[&str]) -> String {
    let done = test(folder).args(args).end();
    assert_eq!(done.status, Some(1), "{}", done.stderr);
    done.stdout
}

#[test]
fn junit_and_github_reports() {
    let folder = folder(FAILING);
    let xml = long_report(&folder, &["--format", "junit"]);
    for part in [
        r#"<testsuite name="r.test.toml" tests="2" skipped="0" errors="0" failures="1">"#,
        r#"<testcase name="passes" classname="r.test.toml""#,
        r#"r.test.toml:13: event 2, +1h, 2025-03-03T10:00:00Z: expected alert, got no_match; false:"#,
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
    let lines = long_report(&folder, &["--format", "github"]);
    let second = lines.lines().nth(1).unwrap();
    assert_eq!(
        second,
        "::error file=r.test.toml,line=13,title=seen%2C missed and too soon::event 2, +1h, \
         2025-03-03T10:00:00Z: expected alert, got no_match; false: event.action: (create or \
         delete); found update"
    );
    assert!(lines.ends_with(FAILED), "the report for people follows: {lines}");
}

#[test]
fn report_can_be_written_to_a_file() {
    let folder = folder(GOOD);
    assert_eq!(report(&folder, &["--output", "report.xml", "--format", "junit"], 0), "");
    let xml = std::fs::read_to_string(folder.path("report.xml")).unwrap();
    assert!(xml.contains(r#"tests="2""#) && xml.contains(r#"failures="0""#), "{xml}");
}

#[test]
fn errors_in_a_test_file_have_a_place_and_other_files_run() {
    let folder = folder(GOOD);
    folder.write(
        "bad.test.toml",
        "rule = 'r.toml'\n[[case]]\nname = 'x'\n[[case.event]]\nalret = true\n",
    );
    let done = test(&folder).fails(&["some rules or tests could not be used"]);
    assert_eq!(
        done.stdout,
        "\
error[bad_test]: unknown field `alret`
 --> bad.test.toml:5:1
  |
5 | alret = true
  | ^^^^^
  |
  = help: one of at, set, unset, json, file, alert, outcome, terms, expect

error bad.test.toml: 1 error
ok   r.test.toml: 2 cases, 3 events
FAILED: 2 passed, 0 failed, 1 error
"
    );
    for (text, part) in [
        ("[[case]]\nname = 'x'\n[[case.event]]\nalert = true\n", "there is no bad.toml"),
        ("rule = 'none.toml'\n[[case]]\nname = 'x'\n[[case.event]]\nalert = true\n", "none.toml"),
        (
            "rule = 'r.toml'\n[[case]]\nname = 'x'\n[[case.before]]\nterms = ['a', 'b']\n\
             last = '-1d'\n[[case.event]]\nalert = true\n",
            "error: bad.test.toml:4: x: a term of this rule has 1 values: user.name",
        ),
        (
            "rule = 'r.toml'\nrule_id = 's'\n[[case]]\nname = 'x'\n[[case.event]]\nalert = true\n",
            "it holds no rule with the id s",
        ),
    ] {
        folder.write("bad.test.toml", text);
        let done = test(&folder).arg("bad.test.toml").fails(&[]);
        assert!(done.stdout.contains(part), "{part}: {}", done.stdout);
    }
    // Errors of a rule are shown as by `build`.
    folder.write("bad.test.toml", "[[case]]\nname = 'x'\n[[case.event]]\nalert = true\n");
    folder.write("bad.toml", rule("r", "a: (b", &["user.name"]));
    let done = test(&folder).arg("bad.test.toml").fails(&[]);
    assert!(
        done.stdout.contains(" --> bad.toml:10:4") && done.stdout.contains("[unclosed]"),
        "{}",
        done.stdout
    );
}

#[test]
fn nothing_to_test_is_an_error() {
    test(&Folder::new()).fails(&["no test (x.test.toml) and no rule"]);
    test(&Folder::new()).arg("none").fails(&["none"]);
}

#[test]
fn watch_reruns_after_a_change_of_test_or_rule() {
    let folder = folder(GOOD);
    let live = Live::start(test(&folder).arg("--watch"));
    // A run may read a half-written file; another run follows then.
    let until = |sums: &str| while live.next_line() != sums {};
    until("ok: 2 passed, 0 failed");
    folder.write("r.test.toml", GOOD.replace("alert = false", "alert = true"));
    until("FAILED: 1 passed, 1 failed");
    folder.write("r.test.toml", GOOD);
    until("ok: 2 passed, 0 failed");
    folder.write("r.toml", rule("r", "event.action: (create or delete)", &["user.name"]));
    until("FAILED: 1 passed, 1 failed");
    live.kill();
}
