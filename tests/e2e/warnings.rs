//! Warnings about rules that can be built and may never alert, and rules that cannot be built.
//!
//! In: rules. Out: whether `build`, `build --check` and `test` show them with place and caret, and what
//! the exit status is.

use crate::support::{Done, Folder, call};
use std::path::PathBuf;

/// A rule about CloudTrail with this query.
fn rule(query: &str) -> String {
    format!(
        "[metadata]\nintegration = [\"aws\"]\n[rule]\nname = \"A rule\"\nrule_id = \"r-1\"\n\
         type = \"new_terms\"\nseverity = \"low\"\nrisk_score = 1\nquery = '''\n{query}\n'''\n\
         [rule.new_terms]\nfield = \"new_terms_fields\"\nvalue = [\"user.name\"]\n\
         [[rule.new_terms.history_window_start]]\nfield = \"history_window_start\"\n\
         value = \"now-7d\"\n"
    )
}

/// A test that the rule passes.
const TEST: &str = "[base]\n\"event.action\" = \"CreateStack\"\n\"user.name\" = \"bob\"\n\
                    [[case]]\nname = \"a\"\n[[case.event]]\nalert = true\n\
                    [[case.event]]\nset.event.action = \"x\"\nalert = false\n";

fn assert_shown(done: &Done, code: &str, place: &str, under: &str) {
    assert!(done.stderr.contains(&format!("warning[{code}]")), "{}", done.stderr);
    assert!(done.stderr.contains(place), "{}", done.stderr);
    let lines: Vec<&str> = done.stderr.lines().collect();
    let carets = "^".repeat(under.len());
    let caret = lines.iter().position(|line| line.contains(&carets)).expect("a caret");
    let at = lines[caret].find(&carets).unwrap();
    assert!(lines[caret - 1][at..].starts_with(under), "{}", done.stderr);
}

#[test]
fn build_and_test_warn_with_place_and_caret() {
    let folder = Folder::new();
    let path = folder.write("r.toml", rule("event.action: CreateStack and not usr.name: x"));
    folder.write("r.test.toml", TEST);
    let calls = [
        call("build").arg(&path).arg("-o").arg(folder.path("r.wasm")),
        call("build").arg("--check").arg(&path),
        call("test").arg(&path),
        call("test").arg(folder.path("")),
    ];
    for one in calls {
        let done = one.ok();
        assert_shown(&done, "unknown_field", "r.toml:10:35", "usr.name");
        assert!(done.stderr.contains("did you mean `user.name`?"), "{}", done.stderr);
        assert_eq!(done.stderr.matches("unknown_field").count(), 1, "{}", done.stderr);
    }
}

#[test]
fn a_field_to_learn_by_is_looked_at_and_a_long_name_is_whole() {
    let folder = Folder::new();
    let long = "aws.cloudtrail.flattened.not_of_these.whatever.it_is_called_there";
    let text = rule("event.action: CreateStack");
    let own = "[firstseen]\nlearn_for = \"10d\"\nlearn_by = \"cloud.acount.id\"\n";
    let path = folder.write("r.toml", format!("{text}{own}"));
    let done = call("build").arg("--check").arg(&path).ok();
    assert_shown(&done, "unknown_field", "r.toml:20:12", "\"cloud.acount.id\"");
    let path = folder.write("long.toml", rule(&format!("event.action: CreateStack and {long}: y")));
    let done = call("build").arg("--check").arg(&path).ok();
    assert!(done.stderr.contains(&format!("`{long}`")), "{}", done.stderr);
}

#[test]
fn denied_warnings_are_errors_and_allowed_ones_are_left_out() {
    let folder = Folder::new();
    let query = "event.action: CreateStack and not usr.name: x and not host.name: y";
    let path = folder.write("r.toml", rule(query));
    folder.write("r.test.toml", TEST);
    let deny = |command: &str| call(command).args(&["--warnings", "deny"]).arg(&path);
    let to = folder.path("r.wasm");
    let done = deny("build").arg("-o").arg(&to).fails(&[
        "error[unknown_field]",
        "error[not_in_raw_cloudtrail]",
        "not built: 2 errors",
    ]);
    assert!(!done.stderr.contains("warning["), "{}", done.stderr);
    assert!(!to.exists());
    deny("test").fails(&["could not be used"]);
    let one = ["--allow", "unknown_field"];
    deny("build").arg("--check").args(&one).fails(&["not built: 1 error", "not_in_raw_cloudtrail"]);
    let both = ["--allow", "unknown_field", "--allow", "not_in_raw_cloudtrail"];
    for done in [deny("build").arg("--check").args(&both).ok(), deny("test").args(&both).ok()] {
        assert!(!done.stderr.contains("unknown_field"), "{}", done.stderr);
    }
    deny("build").args(&["--check", "--allow", "unclosed"]).fails(&["unclosed"]);
}

/// Values that a rule about CloudTrail never finds, each named at its place by build and test.
#[test]
fn values_that_never_match_are_warned_of() {
    let folder = Folder::new();
    folder.write("r.test.toml", TEST);
    for (code, query, under) in [
        ("action_spelling", "event.action: (CreateStack or CreateAccesKey)", "CreateAccesKey"),
        ("quoted_wildcard", "event.action: (CreateStack or \"Create*\")", "\"Create*\""),
        ("impossible_value", "event.action: CreateStack and not event.provider: iam", "iam"),
        ("impossible_value", "event.action: CreateStack and not event.outcome: Success", "Success"),
        ("impossible_value", "event.action: (CreateStack or A B)", "A B"),
        ("contradiction", "event.action: CreateStack or event.action: (A and B)", "B"),
        (
            "impossible_value",
            "event.action: CreateStack and not cloud.region: us-east1",
            "us-east1",
        ),
        ("impossible_value", "event.action: (CreateStack or \"iam:AddUser\")", "\"iam:AddUser\""),
        ("action_case", "event.action: (CreateStack or create*)", "create*"),
    ] {
        let path = folder.write("r.toml", rule(query));
        let place = format!("r.toml:10:{}", query.find(under).unwrap() + 1);
        let place = if code == "contradiction" { "r.toml:10:51" } else { &place };
        let to = folder.path("r.wasm");
        let deny = || call("build").args(&["--warnings", "deny"]).arg(&path).arg("-o").arg(&to);
        for done in [call("build").arg("--check").arg(&path).ok(), call("test").arg(&path).ok()] {
            assert_shown(&done, code, place, under);
        }
        deny().fails(&[&format!("error[{code}]"), "not built: 1 error"]);
        assert!(!to.exists());
        deny().args(&["--allow", code]).ok();
        std::fs::remove_file(&to).unwrap();
    }
}

/// A rule that no event matches, or that never alerts, each named by build.
#[test]
fn rules_that_never_match_are_warned_of() {
    let folder = Folder::new();
    for (query, under, why) in [
        ("event.action: A and not event.action: A", "A", "matches no event"),
        ("event.action: A and event.action: (B or C)", "B or C", "matches no event"),
        ("(event.action: A or event.action: B) and event.action: A", "B", "this alternative"),
        ("event.dataset: aws.cloudtrail and event.dataset: okta.system", "okta.system", "no event"),
        ("event.action: A and not user.name: *", "\"user.name\"", "the rule never alerts"),
    ] {
        let path = folder.write("r.toml", rule(query));
        let done = call("build").arg("--check").arg(&path).ok();
        let line = query
            .rfind(under)
            .map_or("r.toml:14:".to_owned(), |at| format!("r.toml:10:{}", at + 1));
        assert_shown(&done, "contradiction", &line, under);
        assert!(done.stderr.contains(why), "{}", done.stderr);
        assert_eq!(done.stderr.matches("warning[").count(), 1, "{}", done.stderr);
    }
}

#[test]
fn other_languages_and_other_types_get_one_error() {
    let folder = Folder::new();
    for (query, message) in [
        ("event.action == \"CreateStack\"", "`==` is not KQL: write `field: value`"),
        ("event.action != \"CreateStack\"", "`!=` is not KQL: write `not field: value`"),
        ("iam where event.action == \"CreateUser\"", "this is EQL"),
        ("from logs-* | where event.action == \"CreateUser\"", "this is ES|QL"),
        ("user.name: user.target.name", "two fields cannot be compared"),
    ] {
        let path = folder.write("r.toml", rule(query));
        let done = call("build").arg("--check").arg(&path).fails(&[message, "not built: 1 error"]);
        assert_eq!(done.stderr.matches("error[").count(), 1, "{}", done.stderr);
    }
    let eql = "[rule]\ntype = \"eql\"\nlanguage = \"eql\"\nquery = \"any where true\"\n";
    let path = folder.write("r.toml", eql);
    let done = call("build").arg(&path).fails(&["not built: the rule is of type `eql`"]);
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    let misspelled = rule("event.action: x").replace("\"new_terms\"", "\"new_term\"");
    let path = folder.write("r.toml", misspelled);
    call("build").arg(&path).fails(&["did you mean `new_terms`?"]);
}

#[test]
fn only_new_terms_takes_the_other_types_as_not_meant() {
    let folder = Folder::new();
    let eql = folder.write("a.toml", "[rule]\ntype = \"eql\"\n");
    let only = ["--check", "--only", "new_terms"];
    call("build").args(&only).arg(&eql).fails(&["1 of another type", "no rule of type new_terms"]);
    folder.write("b.toml", rule("event.action: CreateStack"));
    folder.write("c.toml", "[rule]\ntype = \"threshold\"\n");
    let all = folder.path("");
    let done = call("build").args(&only).arg(&all).ok();
    assert!(done.stderr.contains("1 rule: 1 ok, 2 of another type skipped"), "{}", done.stderr);
    call("build").arg("--check").arg(&all).fails(&["2 failed", "type `eql`", "type `threshold`"]);
}

/// Also one that has no test, and one whose TOML is broken.
#[test]
fn test_builds_every_rule_that_it_finds() {
    let folder = Folder::new();
    folder.write("good.toml", rule("event.action: CreateStack"));
    folder.write("good.test.toml", TEST);
    folder.write("eql.toml", "[rule]\ntype = \"eql\"\n");
    folder.write("other.toml", "[package]\nname = \"a\"\n");
    let all = || -> PathBuf { folder.path("") };
    call("test").arg(all()).ok();
    folder.write("untested.toml", rule("event.action: (CreateStack"));
    let done = call("test").arg(all()).fails(&["could not be used"]);
    assert!(
        done.stdout.contains("untested.toml:10") && done.stdout.contains("unclosed"),
        "{}",
        done.stdout
    );
    folder.write("untested.toml", "[rule]\ntype = new_terms\n");
    let done = call("test").arg(all()).fails(&["could not be used"]);
    assert!(done.stdout.contains("toml_syntax"), "{}", done.stdout);
}
