//! `build --check` over a rule for each diagnostic: the page that an author sees.
//!
//! In: a good rule with one thing changed. Out: one snapshot with all pages. The codes are those of
//! `firstseen_rule::source::CODES`; a test there says that none is forgotten here.

use super::scene::Scene;
use firstseen_rule::source::CODES;

const GOOD: &str = r#"
[metadata]
integration = ["aws"]

[rule]
author = ["somebody"]
description = "What it finds."
from = "now-9m"
interval = "10m"
language = "kuery"
max_signals = 50
name = "A rule"
query = '''
event.action: CreateStack
'''
risk_score = 47
rule_id = "r-1"
severity = "medium"
tags = ["Cloud"]
type = "new_terms"
version = 3

[[rule.threat]]
framework = "MITRE ATT&CK"
[rule.threat.tactic]
id = "TA0002"
name = "Execution"
reference = "https://attack.mitre.org/tactics/TA0002/"

[rule.new_terms]
field = "new_terms_fields"
value = ["cloud.account.id", "user.name"]
[[rule.new_terms.history_window_start]]
field = "history_window_start"
value = "now-10d"
"#;

/// The good rule with one part replaced.
fn with(from: &str, to: &str) -> String {
    assert_eq!(GOOD.matches(from).count(), 1, "{from}");
    GOOD.replace(from, to)
}

/// Wrong keys and values.
fn keys() -> Vec<String> {
    let adding = |line: &str| with("version = 3\n", &format!("version = 3\n{line}\n"));
    let fields = "[\"cloud.account.id\", \"user.name\"]";
    let window = "[[rule.new_terms.history_window_start]]\nfield = \"history_window_start\"\n";
    vec![
        with("risk_score = 47", "risk_score = "),
        with("version = 3", "version = 3\nversion = 4"),
        String::new(),
        with("rule_id = \"r-1\"\n", ""),
        with("id = \"TA0002\"\n", ""),
        with("author = [\"somebody\"]", "author = \"me\""),
        with("risk_score = 47", "risk_score = 4.7"),
        adding("filters = 1"),
        with("\"medium\"", "\"High\""),
        with("\"medium\"", "\"purple\""),
        with("risk_score = 47", "risk_score = 101"),
        with("\"r-1\"", "\"r:1\""),
        with("\"A rule\"", "\" \""),
        with("max_signals = 50", "max_signals = 0"),
        adding("state_epoch = -1"),
        adding("filter = []"),
        with("language = ", "langage = "),
        format!("{GOOD}[rule.new_terms.more]\n"),
        with("\"new_terms\"", "\"eql\""),
        with("\"new_terms\"", "\"new_term\""),
        with("\"kuery\"", "\"esql\""),
        adding("threshold = { value = 3 }"),
        with(fields, "[]"),
        with(fields, "[\"a\", \"b\", \"c\", \"d\"]"),
        with("\"cloud.account.id\", ", "\"user.name\", "),
        with("\"cloud.account.id\", ", "\"user.*\", "),
        format!("{GOOD}{window}value = \"now-1d\"\n"),
        with("\"now-10d\"", "\"10 days\""),
        with("\"now-10d\"", "now-10d"),
        with("now-9m", "now-9"),
        with("\"10m\"", "\"often\""),
        adding("flavour = \"sweet\""),
        format!("{GOOD}\n[extra]\n"),
        with("id = \"TA0002\"\n", "id = \"TA0002\"\nicon = 1\n"),
        adding("alert_suppression = { group_by = [\"user.name\"] }"),
        adding("data_view_id = \"logs\""),
        adding("exceptions_list = [{ id = \"a\" }]"),
        adding("severity_mapping = [{ field = \"a\" }]"),
    ]
}

/// Wrong queries, filters and exceptions.
fn queries() -> Vec<String> {
    let query = |text: &str| with("event.action: CreateStack", text);
    let filter = |text: &str| format!("{GOOD}\n[[rule.filters]]\n{text}\n");
    let exception = |text: &str| format!("{GOOD}\n[[rule.exceptions]]\nname = \"a\"\n{text}\n");
    vec![
        query("a: b c: d"),
        query("a: (b or #"),
        query("a: \"b"),
        query(r"a: C\windows"),
        query("a*b: { c: d }"),
        query("source.port >= http"),
        query("source.ip: \"10.0.0.0/40\""),
        query("CreateStack"),
        query("a: not b"),
        query(&format!("a: {}", "b".repeat(70_000))),
        query(&format!("a: {}b{}", "(".repeat(300), ")".repeat(300))),
        filter("query.regexp.a = \"x\""),
        filter("query.wildcards.a = \"x\""),
        filter("query.term = { a = \"x\", b = \"y\" }"),
        filter("query = {}"),
        filter("meta.type = \"combined\""),
        filter("query.range.a = { boost = 1 }"),
        filter("query.range.\"@timestamp\" = { gt = \"2026\", format = \"yyyy\" }"),
        filter("query.match.a = { query = \"x\", type = \"y\" }"),
        filter("query.bool = { should = [], minimum_should_match = 2 }"),
        filter(&format!("query{} = {{}}", ".bool.must".repeat(20))),
        filter("query.match.a = { query = \"x\", fuzziness = 1 }"),
        filter("negate = true\nquery.exists.field = \"a\""),
        filter("query.range.\"source.port\" = { gte = \"http\" }"),
        filter("query.term.\"source.ip\" = \"10.0.0.0/40\""),
        filter("query.terms.a = \"x\""),
        filter("query.term.a = []"),
        filter("meta.negate = true"),
        exception("query = \"b: c\""),
        exception("reason = \"b\"\nexpires = \"soon\"\nquery = \"a:b\""),
        exception("reason = \"b\"\nquery = \"a:b\"\nwhy = 1"),
        exception("reason = \"b\"\nquery = \"a: b c:\""),
        query("event.acton: CreateStack"),
        query("event.action: CreateStack and event.something: x"),
        query("event.action: CreateStack and not source.as.number: 16509"),
        with("\"cloud.account.id\", ", "\"host.name\", "),
        query("event.action: 'CreateStack'"),
        query("event.action: (CreateStack, DeleteStack)"),
        query("event.action: /Create.*/"),
        query("event.action: createstack"),
        query("event.action: (CreateStack or CreateAccesKey)"),
        query("event.action: \"Create*\""),
        query("event.provider: iam"),
        query("event.action: (CreateStack and DeleteStack)"),
        query("event.action == \"CreateStack\""),
        query("event.action: CreateStack and user.name != \"ci\""),
        query("iam where event.action == \"CreateUser\""),
        query("from logs-* | where event.action == \"CreateUser\""),
        query("user.name: user.target.name"),
        // Several faults of one file, and text that a terminal would act on.
        with("\"medium\"", "\"mild\"").replace("CreateStack", "(a").replace("now-10d", "now-10"),
        with("\"A rule\"", "\"\\u001b[2J\"").replace("tags = ", "\"t\\u001b[2J\" = "),
    ]
}

#[test]
fn build_rules_with_faults() {
    let mut scene = Scene::new();
    scene.cut_long_lines();
    for (number, text) in keys().iter().chain(&queries()).enumerate() {
        scene.write(&format!("{number:02}.toml"), text);
    }
    // One after the other: a folder would leave out what has no `[rule]`.
    for (number, text) in keys().iter().chain(&queries()).enumerate() {
        scene.title(&changed(text));
        scene.run(&format!("build --check {number:02}.toml"));
    }
    scene.title("the same as a folder");
    scene.run("build --check --warnings deny .");
    let transcript = scene.text();
    // Of the settings' exceptions alone, and of an option of `build`: they are shown elsewhere.
    let elsewhere = ["json_syntax", "no_timestamp_override"];
    for code in CODES.iter().filter(|code| !elsewhere.contains(code)) {
        assert!(transcript.contains(&format!("[{code}]")), "no rule here has the fault {code}");
    }
    scene.end("build_rule_faults");
}

/// What differs from the good rule: the first line of it that is not there.
fn changed(text: &str) -> String {
    let other = text.lines().find(|line| !GOOD.lines().any(|good| good == *line));
    let other = other.unwrap_or("a line less");
    other.chars().take(60).flat_map(char::escape_default).collect()
}
