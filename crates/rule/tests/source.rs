//! Valid and invalid rule files: the diagnostic of each fault and its position.
//!
//! In: a good rule with one thing changed. Out: the code, and the bytes of the file that the fault
//! points at. Every code has a case here and a line in docs/rules.md.

use firstseen_rule::source::{
    CODES, Diagnostic, EventTime, Facts, ReadOptions, Rule, Severity, WARNING_CODES, read,
};
use std::collections::BTreeSet;

const GOOD: &str = r#"
[metadata]
creation_date = "2026/01/02"
integration = ["aws"]
maturity = "production"
anything = { at = ["all"] }

[transform]
osquery = [{ label = "x", query = "select 1" }]

[rule]
author = ["somebody"]
description = "What it finds."
false_positives = ["  A deployment.\n  Or two.  "]
from = "now-9m"
index = ["logs-*"]
interval = "10m"
language = "kuery"
license = "Apache-2.0"
max_signals = 50
name = "A rule"
note = "Look at it."
query = '''
event.action: CreateStack
'''
references = ["https://example.com"]
related_integrations = [{ package = "aws" }]
required_fields = [{ name = "user.name" }]
risk_score = 47
rule_id = "r-1"
setup = "None."
severity = "medium"
tags = ["Cloud"]
timestamp_override = "event.ingested"
type = "new_terms"
version = 3

[rule.investigation_fields]
field_names = ["user.name"]

[[rule.threat]]
framework = "MITRE ATT&CK"
[rule.threat.tactic]
id = "TA0002"
name = "Execution"
reference = "https://attack.mitre.org/tactics/TA0002/"
[[rule.threat.technique]]
id = "T1059"
name = "Command and Scripting Interpreter"
reference = "https://attack.mitre.org/techniques/T1059/"
[[rule.threat.technique.subtechnique]]
id = "T1059.009"
name = "Cloud API"
reference = "https://attack.mitre.org/techniques/T1059/009/"

[rule.new_terms]
field = "new_terms_fields"
value = ["cloud.account.id", "user.name"]
[[rule.new_terms.history_window_start]]
field = "history_window_start"
value = "now-10d"
"#;

fn good() -> Rule {
    read(GOOD, &ReadOptions::default()).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// The good rule with one part replaced.
fn with(from: &str, to: &str) -> String {
    assert_eq!(GOOD.matches(from).count(), 1, "{from}");
    GOOD.replace(from, to)
}

/// The good rule with a line at the end of `[rule]`.
fn adding(line: &str) -> String {
    with("version = 3\n", &format!("version = 3\n{line}\n"))
}

/// All diagnostics of a text.
fn diagnostics(text: &str) -> Vec<Diagnostic> {
    match read(text, &ReadOptions::default()) {
        Ok(rule) => rule.warnings,
        Err(faults) => faults,
    }
}

/// What a fault points at.
fn under<'t>(text: &'t str, fault: &Diagnostic) -> &'t str {
    let span = fault.span.clone().expect("a place");
    text.get(span.clone()).unwrap_or_else(|| panic!("{span:?} is no place"))
}

/// The code, the file, the text that the fault points at, a part of the message.
type Case = (&'static str, String, &'static str, &'static str);

/// Wrong keys and values.
fn wrong_keys() -> Vec<Case> {
    let window = "[[rule.new_terms.history_window_start]]\nfield = \"history_window_start\"\n";
    let fields = "[\"cloud.account.id\", \"user.name\"]";
    let four = "[\"a\", \"b\", \"c\", \"d\"]";
    vec![
        ("toml_syntax", with("risk_score = 47", "risk_score = "), "", "TOML"),
        ("toml_syntax", with("version = 3", "version = 3\nversion = 4"), "version", "duplicate"),
        ("toml_syntax", with("\"now-10d\"", "now-14d"), "now-14d", "write `value = \"now-14d\"`"),
        ("toml_syntax", with("\"10m\"", "10m # often"), "10m", "write `interval = \"10m\"`"),
        ("missing_key", String::new(), "", "`rule`"),
        ("missing_key", with("rule_id = \"r-1\"\n", ""), "[rule]", "`rule.rule_id`"),
        ("missing_key", with("id = \"TA0002\"\n", ""), "[rule.threat.tactic]", "tactic.id"),
        ("wrong_type", with("author = [\"somebody\"]", "author = \"me\""), "\"me\"", "list of str"),
        ("wrong_type", with("tags = [\"Cloud\"]", "tags = [\"a\", 1]"), "1", "`rule.tags`"),
        ("wrong_type", with("risk_score = 47", "risk_score = 4.7"), "4.7", "whole number"),
        (
            "wrong_type",
            with("version = 3", "version = 9999999999999999999"),
            "9999999999999999999",
            "whole",
        ),
        ("wrong_type", adding("filters = 1"), "1", "`[[rule.filters]]`"),
        ("wrong_type", adding("exceptions = { name = 1 }"), "{ name = 1 }", "[[rule.exceptions]]"),
        ("bad_value", with("\"medium\"", "\"High\""), "\"High\"", "did you mean `high`"),
        ("bad_value", with("\"medium\"", "\"purple\""), "\"purple\"", "low, medium, high or crit"),
        ("bad_value", with("risk_score = 47", "risk_score = 101"), "101", "0 to 100"),
        ("bad_value", with("\"r-1\"", "\"r:1\""), "\"r:1\"", "rule_id"),
        ("bad_value", with("\"A rule\"", "\" \""), "\" \"", "empty"),
        ("bad_value", with("max_signals = 50", "max_signals = 0"), "0", "max_signals"),
        ("bad_value", adding("state_epoch = -1"), "-1", "state_epoch"),
        ("bad_value", with("\"new_terms_fields\"", "\"fields\""), "\"fields\"", "new_terms_fields"),
        ("unknown_key", adding("filter = []"), "filter", "did you mean `filters`"),
        ("unknown_key", with("language = ", "langage = "), "langage", "did you mean `language`"),
        ("unknown_key", with("max_signals", "max_signal"), "max_signal", "`max_signals`"),
        ("unknown_key", format!("{GOOD}[rule.new_terms.more]\n"), "more", "known keys"),
        ("not_new_terms", with("\"new_terms\"", "\"eql\""), "\"eql\"", "only `new_terms`"),
        ("not_kuery", with("\"kuery\"", "\"esql\""), "\"esql\"", "only `kuery`"),
        ("other_type", adding("threshold = { value = 3 }"), "threshold", "another type"),
        ("bad_fields", with(fields, "[]"), "[]", "one to three"),
        ("bad_fields", with(fields, four), four, "4 new-terms"),
        ("bad_fields", with("\"cloud.account.id\", ", "\"user.name\", "), "\"user.name\"", "twice"),
        ("bad_fields", with("\"cloud.account.id\", ", "\"user.*\", "), "\"user.*\"", "full name"),
        (
            "bad_window",
            format!("{GOOD}{window}value = \"now-1d\"\n"),
            "[[rule.new_terms.history_window_start]]",
            "exactly one",
        ),
        ("bad_date_math", with("now-10d", "10 days"), "\"10 days\"", "begin with `now-`"),
        ("bad_date_math", with("now-9m", "now-9"), "\"now-9\"", "end with the unit"),
        ("bad_duration", with("\"10m\"", "\"often\""), "\"often\"", "begin with a number"),
        ("ignored_key", adding("flavour = \"sweet\""), "flavour", "`rule.flavour`"),
        ("ignored_key", format!("{GOOD}\n[extra]\n"), "extra", "`extra`"),
        (
            "ignored_key",
            with("id = \"TA0002\"\n", "id = \"TA0002\"\nicon = 1\n"),
            "icon",
            "threat[0].tactic.icon",
        ),
        (
            "not_done",
            adding("alert_suppression = { group_by = [\"user.name\"] }"),
            "alert_suppression",
            "every new term",
        ),
        ("not_done", adding("data_view_id = \"logs\""), "data_view_id", "does not read"),
        (
            "not_done",
            adding("exceptions_list = [{ id = \"a\" }]"),
            "exceptions_list",
            "[[rule.exceptions]]",
        ),
        (
            "not_done",
            adding("severity_mapping = [{ field = \"a\" }]"),
            "severity_mapping",
            "`severity`",
        ),
    ]
}

/// Wrong queries, filters and exceptions.
fn wrong_queries() -> Vec<Case> {
    let query = |text: &str| with("event.action: CreateStack", text);
    let filter = |text: &str| format!("{GOOD}\n[[rule.filters]]\n{text}\n");
    let exception = |text: &str| format!("{GOOD}\n[[rule.exceptions]]\nname = \"a\"\n{text}\n");
    let deep = format!("query{} = {{}}", ".bool.must".repeat(20));
    vec![
        ("unexpected", query("a: b c: d"), ":", "expected"),
        ("unclosed", query("a: (b or #"), "(", "`)`"),
        ("unterminated", query("a: \"b"), "\"", "quote"),
        ("bad_escape", query(r"a: C\windows"), "\\", "backslash"),
        ("bad_field", query("a*b: { c: d }"), "a", "nested"),
        ("bad_range", query("source.port >= http"), "h", "number"),
        ("bad_network", query("source.ip: \"10.0.0.0/40\""), "\"", "prefix"),
        ("free_text", query("CreateStack"), "C", "field"),
        ("misplaced_not", query("a: not b"), "n", "not"),
        ("too_long", query(&format!("a: {}", "b".repeat(70_000))), "b", "65536 bytes"),
        ("too_deep", query(&format!("a: {}b{}", "(".repeat(300), ")".repeat(300))), "(", "deep"),
        ("bad_filter", filter("query.regexp.a = \"x\""), "regexp", "unsupported"),
        ("bad_filter", filter("query.wildcards.a = \"x\""), "wildcards", "did you mean `wildcard`"),
        ("bad_filter", filter("query.term = { a = \"x\", b = \"y\" }"), "term", "one field"),
        ("bad_filter", filter("query = {}"), "{}", "one clause"),
        ("bad_filter", filter("meta.type = \"combined\""), "\"combined\"", "combined"),
        ("bad_filter", filter("query.range.a = { boost = 1 }"), "a", "no bound"),
        (
            "bad_filter",
            filter("query.range.\"@timestamp\" = { gt = \"2026\", format = \"yyyy\" }"),
            "\"yyyy\"",
            "format",
        ),
        (
            "bad_filter",
            filter("query.match.a = { query = \"x\", type = \"y\" }"),
            "\"y\"",
            "type `y`",
        ),
        (
            "bad_filter",
            filter("query.bool = { should = [], minimum_should_match = 2 }"),
            "2",
            "0 or 1",
        ),
        ("too_deep", filter(&deep), "bool", "bool"),
        (
            "unknown_key",
            filter("query.match.a = { query = \"x\", fuzziness = 1 }"),
            "fuzziness",
            "known keys",
        ),
        (
            "unknown_key",
            filter("negate = true\nquery.exists.field = \"a\""),
            "negate",
            "known keys",
        ),
        (
            "bad_range",
            filter("query.range.\"source.port\" = { gte = \"http\" }"),
            "\"http\"",
            "numbers",
        ),
        (
            "bad_network",
            filter("query.term.\"source.ip\" = \"10.0.0.0/40\""),
            "\"10.0.0.0/40\"",
            "prefix",
        ),
        ("wrong_type", filter("query.terms.a = \"x\""), "\"x\"", "list of values"),
        ("wrong_type", filter("query.term.a = []"), "[]", "a string, a number"),
        ("missing_key", filter("meta.negate = true"), "[[rule.filters]]", "query"),
        ("bad_exception", exception("query = \"b: c\""), "[[rule.exceptions]]", "reason"),
        (
            "bad_exception",
            exception("reason = \"b\"\nexpires = \"soon\"\nquery = \"a:b\""),
            "\"soon\"",
            "not a time",
        ),
        (
            "bad_exception",
            exception("reason = \"b\"\nquery = \"a:b\"\nwhy = 1"),
            "why",
            "unknown field",
        ),
        ("unexpected", exception("reason = \"b\"\nquery = \"a: b c:\""), ":", "expected"),
    ]
}

/// Rules that can be built and may never alert, and what comes from other languages.
fn doubtful() -> Vec<Case> {
    let query = |text: &str| with("event.action: CreateStack", text);
    let filter = |text: &str| format!("{GOOD}\n[[rule.filters]]\n{text}\n");
    let exception =
        |text: &str| format!("{GOOD}\n[[rule.exceptions]]\nname = \"a\"\nreason = \"b\"\n{text}\n");
    let (ecs, raw) = ("unknown_field", "not_in_raw_cloudtrail");
    vec![
        (ecs, query("event.acton: CreateStack"), "event.acton", "did you mean `event.action`?"),
        (ecs, query("a: b or not usr.name: x"), "usr.name", "did you mean `user.name`?"),
        (ecs, query("event.something: x"), "event.something", "neither ECS 9.4.0 nor CloudTrail"),
        (ecs, with("\"cloud.account.id\", ", "\"user.nam\", "), "\"user.nam\"", "`user.name`"),
        (ecs, filter("query.term.\"event.acton\" = \"x\""), "\"event.acton\"", "`event.action`"),
        (
            raw,
            query("event.action: CreateStack and not source.as.number: (1 or 2)"),
            "source.as.number",
            "this `not` is always true; it takes a database of networks",
        ),
        (raw, query("event.action: CreateStack and host.name: *"), "host.name", "is never true"),
        (
            raw,
            with("\"cloud.account.id\", ", "\"host.name\", "),
            "\"host.name\"",
            "no event has a term",
        ),
        (raw, filter("query.exists.field = \"host.name\""), "\"host.name\"", "finds nothing"),
        (
            ecs,
            exception("query = \"user.name: a and usr.name: b\""),
            "usr.name",
            "did you mean `user.name`?",
        ),
        (ecs, exception("fields = { \"usr.name\" = [\"a\"] }"), "\"usr.name\"", "`user.name`"),
        (
            "foreign_value",
            query("event.action: 'CreateStack'"),
            "'CreateStack'",
            "`\"CreateStack\"`",
        ),
        (
            "foreign_value",
            query("event.action: (CreateStack, DeleteStack)"),
            "CreateStack, DeleteStack",
            "write `(CreateStack or DeleteStack)`",
        ),
        (
            "foreign_value",
            query("event.action: CreateStack, DeleteStack"),
            "CreateStack, DeleteStack",
            "write `(CreateStack or DeleteStack)`",
        ),
        (
            "foreign_value",
            query("user.name: ann, bob and event.action: x"),
            "ann, bob",
            "write `(ann or bob)`",
        ),
        (
            "foreign_value",
            query("event.action: [CreateStack, DeleteStack]"),
            "[CreateStack, DeleteStack]",
            "square brackets is JSON",
        ),
        (
            "foreign_value",
            query("event.action: /Create.*/"),
            "/Create.*/",
            "no regular expressions",
        ),
        ("foreign_value", query("event.action: /Create/"), "/Create/", "no regular expressions"),
        ("action_case", query("event.action: createstack"), "createstack", "write `CreateStack`"),
        (
            "action_case",
            query("event.action: (\"CREATEUSER\" or b)"),
            "\"CREATEUSER\"",
            "`CreateUser`",
        ),
        (
            "action_spelling",
            query("event.action: (CreateStack or CreateAccesKey)"),
            "CreateAccesKey",
            "did you mean `CreateAccessKey`?",
        ),
        ("quoted_wildcard", query("event.action: \"Create*\""), "\"Create*\"", "quotes, `Create*`"),
        (
            "quoted_wildcard",
            query("event.action: x and user.name: \"* (admin)*\""),
            "\"* (admin)*\"",
            "a wildcard is written without quotes",
        ),
        ("impossible_value", query("event.provider: iam"), "iam", "`iam.amazonaws.com`"),
        ("impossible_value", query("event.outcome: Success"), "Success", "write `success`"),
        (
            "impossible_value",
            query("event.action: CreateUser DeleteUser"),
            "CreateUser DeleteUser",
            "write `(CreateUser or DeleteUser)`",
        ),
        (
            "contradiction",
            query("event.action: (CreateUser and DeleteUser)"),
            "DeleteUser",
            "write `or` between them",
        ),
        (
            "contradiction",
            query("event.action: x* and (not user.name: a or not user.name: b)"),
            "b",
            "one `not` is always true; write `not user.name: (a or b)`",
        ),
        (
            "contradiction",
            query("event.action: CreateUser and not event.action: Create*"),
            "Create*",
            "`not Create*` leaves out all that `CreateUser` finds (so the rule matches no event)",
        ),
        (
            "contradiction",
            query("event.action: (CreateUser or CreateStack) and event.action: (A or B)"),
            "A or B",
            "no event meets all of these: `CreateUser or CreateStack`, `A or B`",
        ),
        (
            "contradiction",
            query("event.action: (CreateUser or CreateStack or x) and event.action: CreateStack"),
            "CreateUser",
            "so this alternative matches no event, nor do 1 beside it",
        ),
        (
            "contradiction",
            query("source.ip > 10.0.0.9 and source.ip < 10.0.0.1"),
            "10.0.0.1",
            "no event has both `> 10.0.0.9` and `< 10.0.0.1`",
        ),
        (
            "contradiction",
            query("event.action: CreateStack and not user.name: *"),
            "\"user.name\"",
            "no event that the rule matches has `user.name` (so the rule never alerts)",
        ),
        (
            "contradiction",
            filter("query.terms.\"event.action\" = [\"DeleteStack\"]"),
            "\"DeleteStack\"",
            "no event has both `CreateStack` and `DeleteStack`",
        ),
        (
            "contradiction",
            exception("query = \"event.action: DeleteStack\""),
            "DeleteStack",
            "so the exception leaves out no event",
        ),
        (
            "contradiction",
            exception("fields = { \"event.action\" = \"CreateStack\" }"),
            "[[rule.exceptions]]",
            "meets this exception (so the rule never alerts)",
        ),
        (
            "contradiction",
            query("event.action: null"),
            "null",
            "events without the field are `not event.action: *`",
        ),
        (
            "impossible_value",
            query("event.dataset: aws.cloudtrial"),
            "aws.cloudtrial",
            "`aws.cloud",
        ),
        (
            "impossible_value",
            query("event.action: \"iam:CreateUser\""),
            "\"iam:CreateUser\"",
            "policy",
        ),
        ("impossible_value", query("cloud.account.id: 1234"), "1234", "12 digits"),
        ("action_case", query("event.action: create*"), "create*", "write `Create*`"),
        (
            "impossible_value",
            filter("query.term.\"cloud.region\" = \"us-east1\""),
            "\"us-east1\"",
            "write `us-east-1`",
        ),
        (
            "impossible_value",
            filter(
                "query.bool.must_not = [{ term = { \"cloud.provider\" = { value = \"AWS\" } } }]",
            ),
            "\"AWS\"",
            "write `aws`",
        ),
        (
            "quoted_wildcard",
            filter("meta.negate = true\nquery.match_phrase.\"user.name\" = \"ci-*\""),
            "\"ci-*\"",
            "only in a `wildcard` clause",
        ),
        (
            "action_case",
            filter("query.prefix.\"event.action\" = \"create\"\nmeta.negate = true"),
            "\"create\"",
            "write `Create*`",
        ),
        (
            "impossible_value",
            exception("query = \"user.name: a and event.provider: iam\""),
            "iam",
            "`iam.amazonaws.com`",
        ),
        (
            "impossible_value",
            exception("fields = { \"event.outcome\" = [\"success\", \"Failure\"] }"),
            "\"Failure\"",
            "write `failure`",
        ),
        (
            "impossible_value",
            exception(
                "entries = [{ field = \"source.ip\", type = \"match_any\", value = [\"::1\", \"home\"] }]",
            ),
            "\"home\"",
            "no IP address",
        ),
        (
            ecs,
            exception("entries = [{ field = \"usr.name\", type = \"exists\" }]"),
            "\"usr.name\"",
            "did you mean `user.name`?",
        ),
        (
            raw,
            exception("query = \"host.name: a\""),
            "host.name",
            "this exception leaves out nothing",
        ),
        (
            "other_language",
            query("event.action == \"a\""),
            "=",
            "`==` is not KQL: write `field: value`",
        ),
        (
            "other_language",
            query("event.action != a"),
            "!",
            "`!=` is not KQL: write `not field: value`",
        ),
        ("other_language", query("iam where event.action : \"a\""), "i", "this is EQL"),
        ("other_language", query("from logs-* | where event.action : \"a\""), "f", "this is ES|QL"),
        (
            "two_fields",
            query("user.name == user.target.name"),
            "=",
            "two fields cannot be compared",
        ),
        (
            "two_fields",
            query("user.name: user.target.name"),
            "user.target.name",
            "in quotes if it is",
        ),
    ]
}

fn all_cases() -> impl Iterator<Item = Case> {
    wrong_keys().into_iter().chain(wrong_queries()).chain(doubtful())
}

/// What is legal, of other events, or listed by the author gets no warning.
#[test]
fn what_may_be_right_is_not_warned_of() {
    let query = |text: &str| with("event.action: CreateStack", text);
    for text in [
        "event.action: CreateStack and url.path: x or source.ip: *",
        "event.action: \"'CreateStack'\" or event.action: \"/Create.+/\"",
        "event.action: Create* and user.name: (a and not b)",
        "user.name: \"user.target.name\"",
        "event.action: (\"a, b\" or SomeNewCall)",
        "requestParameters.stackName: x and eventName: CreateStack",
        "aws.cloudtrail.flattened.request_parameters.anything: x",
        "user.name.caseless: x and event.acton.text: y or event.action: z",
        "user.*: x",
        "event.action: (CreateDataSett or CreateAuditLogg2 or NewCall)",
        "event.action: Create\\* or user.name: \"a*b\" or user.id: \"*\"",
        "event.outcome: (success or failure) and not event.type: informational",
        "event.provider: (iam.amazonaws.com or ec2*)",
        "related.user: (a and b) and event.action: (Create* and not CreateUser)",
        "event.dataset: aws.cloudtrail and not cloud.account.id: 012345678901",
        "event.action: (Create* and *Stack) and cloud.region: (us-* or eu-west-1)",
        "source.ip > 10.0.0.1 and source.ip < 10.0.0.9 and not source.ip: 10.0.0.5",
        "(event.action: a and user.id: b) or (event.action: c and user.id: d)",
    ] {
        assert_eq!(codes_of(&query(text)), [""; 0], "{text}");
    }
    // Of other events: any field of ECS, any case, paths between slashes.
    let other = |text: &str| query(text).replace("\"aws\"", "\"endpoint\"");
    for text in [
        "host.name: x and process.Ext.y: z",
        "event.action: createstack",
        "url.path: /api/",
        "event.action: (CreateAccesKey or Add member to role)",
        "event.provider: iam and event.outcome: denied",
        "event.action: (fork and exec)",
    ] {
        assert_eq!(codes_of(&other(text)), [""; 0], "{text}");
    }
    let own = |list: &str| {
        let text = query("event.something: x and okta.actor.id: y and not host.team: z");
        format!("{text}\n[firstseen]\nknown_fields = {list}\n")
    };
    let listed = own("[\"event.something\", \"okta.*\", \"host.team\"]");
    assert_eq!(codes_of(&listed), [""; 0]);
    let codes = ["unknown_field", "not_in_raw_cloudtrail", "unknown_field"];
    assert_eq!(codes_of(&own("[]")), codes);
    assert_eq!(codes_of(&format!("{GOOD}\n[firstseen]\nknown = []\n")), ["unknown_key"]);
}

/// Of a rule of another type one thing is said, however much of it is unlike a new_terms rule.
#[test]
fn a_rule_of_another_type_has_one_fault() {
    let eql = "[rule]\ntype = \"eql\"\nlanguage = \"eql\"\nquery = \"any where true\"\n\
               severity = \"odd\"\nthreshold = {}\n";
    assert_eq!(codes_of(eql), ["not_new_terms"]);
    assert_eq!(diagnostics(eql)[0].help, None);
    let misspelled = with("\"new_terms\"", "\"new_term\"");
    assert_eq!(diagnostics(&misspelled)[0].help.as_deref(), Some("did you mean `new_terms`?"));
}

#[test]
fn warnings_are_the_last_codes() {
    assert!(CODES.ends_with(WARNING_CODES));
}

#[test]
fn each_fault_has_its_code_and_position() {
    let mut wrong = Vec::new();
    for (code, text, place, word) in all_cases() {
        let found = diagnostics(&text);
        let [fault] = found.as_slice() else {
            wrong.push(format!("{code} {word}: {found:?}"));
            continue;
        };
        let warned = WARNING_CODES.contains(&code);
        let as_expected = fault.code == code
            && under(&text, fault) == place
            && fault.to_string().contains(word)
            && (fault.severity == Severity::Warning) == warned
            && read(&text, &ReadOptions::default()).is_ok() == warned;
        if !as_expected {
            wrong.push(format!("{code} {word}: under `{}` {fault:?}", under(&text, fault)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_has_a_case_and_a_row_in_the_docs() {
    let cases = all_cases();
    let mut tried: BTreeSet<&str> = cases.map(|(code, ..)| code).collect();
    // It needs an option; see below.
    tried.insert("no_timestamp_override");
    let json = firstseen_rule::source::exceptions("{ ]").unwrap_err();
    tried.extend(json.iter().map(|fault| fault.code));
    assert_eq!(tried, CODES.iter().copied().collect());
    let docs = include_str!("../../../docs/rules.md");
    for code in CODES {
        assert_eq!(docs.matches(&format!("\n| `{code}` |")).count(), 1, "{code}");
    }
}

#[test]
fn all_faults_of_a_file_are_reported_in_order() {
    let text = with("\"medium\"", "\"mild\"")
        .replace("event.action: CreateStack", "event.action: (a")
        .replace("risk_score = 47", "risk_score = \"47\"")
        .replace("now-10d", "now-10")
        .replace("tags = ", "tag = ");
    let codes: Vec<_> = diagnostics(&text).iter().map(|fault| fault.code).collect();
    let expected = ["unclosed", "wrong_type", "bad_value", "unknown_key", "bad_date_math"];
    assert_eq!(codes, expected);
}

#[test]
fn several_errors_of_the_toml_are_reported_at_once() {
    let text = with("severity = \"medium\"", "severity = ").replace("max_signals = 50", "= 50");
    let found = diagnostics(&text);
    assert!(found.len() >= 2, "{found:?}");
    assert!(found.iter().all(|fault| fault.code == "toml_syntax"));
}

/// A file of another kind does not fill the memory.
#[test]
fn very_many_faults_are_counted_and_the_first_reported() {
    let keys: String = (0..500).map(|n| format!("key{n:03} = 1\n")).collect();
    let found = diagnostics(&adding(&keys));
    assert_eq!(found.len(), 200);
    assert_eq!(found[199].help.as_deref(), Some("300 more faults"));
    // An error that is not kept is an error all the same.
    let wrong = format!("{}\n[rule.new_terms.zzz]\n", adding(&keys));
    assert!(read(&wrong, &ReadOptions::default()).is_err());
    let long = "x".repeat(5000);
    assert_eq!(codes_of(&adding(&format!("{long} = 1"))), ["ignored_key"]);
}

/// The codes of all diagnostics of a text.
fn codes_of(text: &str) -> Vec<&'static str> {
    diagnostics(text).into_iter().map(|fault| fault.code).collect()
}

/// Line and column count as an editor does: from 1, in characters.
#[test]
fn a_position_has_a_line_and_a_column() {
    let text = "[rule]\nname = \"é\"\nquery = \"ü: (x\"\n";
    let position = |code: &str| {
        let fault = diagnostics(text).into_iter().find(|fault| fault.code == code);
        fault.and_then(|fault| fault.position(text))
    };
    assert_eq!(position("unclosed"), Some((3, 13)));
    assert_eq!(position("missing_key"), Some((1, 1)));
}

/// A position in a query leads back through every kind of TOML string.
#[test]
fn a_fault_in_a_query_is_found_through_escapes() {
    for string in [
        r#""event.action: \"a\" and\tuser.name: (x""#,
        "'event.action: \"a\" and user.name: (x'",
        "\"\"\"\nevent.action: \\\"a\\\" and \\\n   user.name: (x\"\"\"",
        "'''\r\nevent.action: a and\r\n  user.name: (x'''",
    ] {
        let text = with("'''\nevent.action: CreateStack\n'''", string);
        let found = diagnostics(&text);
        let start = found[0].span.clone().unwrap().start;
        assert!(text[start..].starts_with("(x"), "{string}: {found:?}");
    }
}

#[test]
fn the_facts_hold_the_whole_file() {
    let Rule { plan, facts, warnings } = good();
    assert_eq!(warnings, []);
    assert_eq!((&*plan.id, &*plan.name, &*plan.window), ("r-1", "A rule", "10d"));
    let Facts { version, authors, from, interval, max_signals, risk_score, .. } = &facts;
    assert_eq!(version, &Some(3));
    assert_eq!(authors, &["somebody"]);
    assert_eq!((from.as_str(), interval.as_str()), ("now-9m", "10m"));
    assert_eq!((*max_signals, *risk_score), (50, 47));
    assert_eq!(facts.index, ["logs-*"]);
    assert_eq!(facts.integration, ["aws"]);
    assert_eq!(facts.query, "event.action: CreateStack\n");
    assert_eq!(facts.timestamp_override.as_deref(), Some("event.ingested"));
    let technique = &facts.threat[0].technique[0];
    assert_eq!(technique.named.id, "T1059");
    assert_eq!(technique.subtechnique[0].id, "T1059.009");
    let alert: serde_json::Value = serde_json::from_str(&plan.alert).unwrap();
    let threat = &alert["kibana.alert.rule.threat"][0];
    assert_eq!(threat["technique"][0]["subtechnique"][0]["name"], "Cloud API");
    assert_eq!(threat["tactic"]["reference"], "https://attack.mitre.org/tactics/TA0002/");
    assert_eq!(alert["kibana.alert.rule.false_positives"][0], "A deployment.\nOr two.");
    assert_eq!(alert["kibana.alert.rule.version"], 3);
}

/// The values that alerts and schedules assume for missing keys.
#[test]
fn missing_keys_have_upstreams_default() {
    let out = ["from", "interval", "max_signals", "language", "version", "note", "tags"];
    let stays = |line: &&str| !out.iter().any(|key| line.starts_with(&format!("{key} = ")));
    let text = GOOD.lines().filter(stays).collect::<Vec<_>>().join("\n");
    let rule = read(&text, &ReadOptions::default()).unwrap();
    assert_eq!((rule.facts.from.as_str(), rule.facts.interval.as_str()), ("now-6m", "5m"));
    assert_eq!((rule.facts.max_signals, rule.facts.version), (100, None));
    let alert: serde_json::Value = serde_json::from_str(&rule.plan.alert).unwrap();
    assert_eq!(alert["kibana.alert.rule.version"], 1);
    assert!(alert.get("kibana.alert.rule.note").is_none());
}

#[test]
fn the_override_is_followed_when_asked_for() {
    let follow = ReadOptions { event_time: EventTime::TimestampOverride, ..ReadOptions::default() };
    let plain = good().plan;
    let followed = read(GOOD, &follow).unwrap().plan;
    let time = followed.event_time.clone().unwrap();
    assert_eq!((time.field.as_str(), time.fallback), ("event.ingested", true));
    assert_eq!(plain.event_time, None);
    assert_ne!(plain.fingerprint(), followed.fingerprint());

    let strict = adding("timestamp_override_fallback_disabled = true");
    assert!(!read(&strict, &follow).unwrap().plan.event_time.unwrap().fallback);
    let print = |text: &str, options: &ReadOptions| read(text, options).unwrap().plan.fingerprint();
    // Without following it, it changes nothing.
    assert_eq!(print(&strict, &ReadOptions::default()), plain.fingerprint());
    // The default field changes nothing.
    let own = with("\"event.ingested\"", "\"@timestamp\"");
    assert_eq!(print(&own, &follow), plain.fingerprint());

    let without = with("timestamp_override = \"event.ingested\"\n", "");
    let faults = read(&without, &follow).unwrap_err();
    assert_eq!(faults[0].code, "no_timestamp_override");
    assert_eq!(under(&without, &faults[0]), "[rule]");
}

/// Whatever is inserted into a file, it is read or has faults, each with a position in the file.
#[test]
fn a_file_with_an_insertion_has_faults_with_positions() {
    let mut wrong = 0;
    for at in (0..=GOOD.len()).step_by(3) {
        for more in ["é", "\"", "'''\u{10348}", "\\", "\0", "[[", "\r", "\u{feff}", " = 1\n"] {
            let text = format!("{}{more}{}", &GOOD[..at], &GOOD[at..]);
            let Err(faults) = read(&text, &ReadOptions::default()) else { continue };
            wrong += 1;
            assert!(faults.iter().any(|fault| fault.severity == Severity::Error));
            for fault in &faults {
                assert!(CODES.contains(&fault.code), "{fault:?}");
                under(&text, fault);
            }
        }
    }
    assert!(wrong > 2000, "{wrong}");
}

/// Whatever is cut out of a file, it is read or has faults, each with a position in the file.
#[test]
fn a_file_with_a_deletion_has_faults_with_positions() {
    let mut wrong = 0;
    for start in (0..GOOD.len()).step_by(7) {
        for length in [1, 5, 40, 200] {
            let end = (start + length).min(GOOD.len());
            let text = format!("{}{}", &GOOD[..start], &GOOD[end..]);
            let Err(faults) = read(&text, &ReadOptions::default()) else { continue };
            wrong += 1;
            assert!(faults.iter().any(|fault| fault.severity == Severity::Error));
            for fault in &faults {
                assert!(CODES.contains(&fault.code), "{fault:?}");
                under(&text, fault);
            }
        }
    }
    assert!(wrong > 500, "{wrong}");
}
