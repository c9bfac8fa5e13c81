//! Pages generated from the command line, and the files that `new` writes.
//!
//! In: the binary. Out: whether docs/cli.md is up to date, whether completions and man pages are
//! written, and whether a new rule builds and passes its test. `UPDATE_PAGES=1` rewrites
//! docs/cli.md.

use crate::support::{Folder, call, repository};
use std::fs;

/// The commands that the help lists.
fn commands() -> Vec<String> {
    commands_in(&call("--help").ok().stdout)
}

/// The commands that a help text lists; none where it has no such list.
fn commands_in(help: &str) -> Vec<String> {
    if !help.contains("Commands:\n") {
        return Vec::new();
    }
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap().to_owned();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn page() -> String {
    let mut page = "# The command line\n\nMade from `firstseen --help` by tests/e2e/pages.rs; \
                    `UPDATE_PAGES=1 cargo test --test e2e pages::` makes it anew.\n"
        .to_owned();
    let mut part = |title: &str, help: &str| {
        let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
        page += &format!("\n## {title}\n\n```text\n{}\n```\n", lines.join("\n"));
    };
    part("firstseen", &call("--help").ok().stdout);
    for command in commands() {
        let help = call(&command).arg("--help").ok().stdout;
        part(&format!("firstseen {command}"), &help);
        for below in commands_in(&help) {
            let help = call(&command).arg(&below).arg("--help").ok().stdout;
            part(&format!("firstseen {command} {below}"), &help);
        }
    }
    page
}

#[test]
fn command_line_page_is_up_to_date() {
    let page = page();
    for line in page.lines().skip(3) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(commands().len() > 5, "{:?}", commands());
    let path = repository("docs/cli.md");
    if std::env::var_os("UPDATE_PAGES").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "docs/cli.md is out of date: UPDATE_PAGES=1 rewrites it");
}

/// The fields of raw events, from the tables that the engine reads events by.
fn fields_page() -> String {
    let mut page = "# Fields of raw CloudTrail\n\nMade from the tables of crate event by \
                    tests/e2e/pages.rs; `UPDATE_PAGES=1 cargo test --test e2e pages::` makes it \
                    anew.\n\nfirstseen derives these fields from an event as CloudTrail writes it, \
                    after Elastic's aws integration. Not every event has every field: `firstseen \
                    fields FILE` shows those of an event. An ECS document has the fields that it has; \
                    this page is not about it. Names that are not listed are paths in the event \
                    itself: `requestParameters.bucketName` works as well. Keywords have twins \
                    `.caseless`, in lower case.\n\n"
        .to_owned();
    let cell = |text: &str| text.replace('|', "\\|");
    page += "| field | type | from |\n| --- | --- | --- |\n";
    for field in firstseen_event::raw_fields() {
        let origin = cell(&field.origin);
        page += &format!("| `{}` | {} | {origin} |\n", field.name, field.field_type);
    }
    page += "\n## Fields that need outside data\n\nElastic's pipelines fill these from databases. Raw \
             events never have them; a rule that asks for one gets the warning \
             `not_in_raw_cloudtrail`. Events that were enriched before they are judged may have \
             them.\n\n| field | from |\n| --- | --- |\n";
    for (name, data) in firstseen_event::fields_of_outside_data() {
        page += &format!("| `{name}` | {} |\n", cell(data));
    }
    page
}

#[test]
fn page_of_fields_is_up_to_date() {
    let page = fields_page();
    assert!(page.matches("\n| `").count() > 50, "{page}");
    let path = repository("docs/fields.md");
    if std::env::var_os("UPDATE_PAGES").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "docs/fields.md is out of date: UPDATE_PAGES=1 rewrites it");
}

#[test]
fn completions_and_man_pages_name_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = call("completions").arg(shell).ok().stdout;
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
        }
    }
    call("completions").arg("sh").fails(&["sh", "bash"]);
    assert!(call("man").ok().stdout.contains(".TH firstseen"));
    let folder = Folder::new();
    call("man").arg(folder.path("man1")).ok();
    for command in commands() {
        let page = fs::read_to_string(folder.path(&format!("man1/firstseen-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && page.contains(&command), "{page}");
    }
    let page = fs::read_to_string(folder.path("man1/firstseen-state-list.1")).unwrap();
    assert!(page.contains("\\-\\-where"), "{page}");
}

/// A rule can be begun with fields that no example has as it stands, and its test passes. That all fields
/// of docs/fields.md have an event is tested beside the examples.
#[test]
fn new_gives_its_event_the_field() {
    let folder = Folder::new();
    for (number, name) in [
        "aws.cloudtrail.error_code",
        "aws.cloudtrail.flattened.request_parameters.someThing",
        "event.original",
        "group.name",
        "host.target.entity.id",
        "requestParameters.someThing",
        "service.name",
    ]
    .iter()
    .enumerate()
    {
        let path = folder.path(&format!("field_{number}"));
        let done = call("new").arg(path).args(&["--field", name]).ok();
        let is_own = *name == "event.original";
        assert_eq!(done.stderr.contains("of its own"), is_own, "{name}: {}", done.stderr);
    }
    call("test").arg(folder.path("")).ok();
    let typo = call("new").arg(folder.path("typo")).args(&["--field", "usr.name"]);
    typo.fails(&["did you mean `user.name`?"]);
}

/// It builds without a warning, its test passes, and no file is overwritten.
#[test]
fn new_rule_builds_and_passes_its_test() {
    let folder = Folder::new();
    let fields: [&[&str]; 4] = [
        &[],
        &["--field", "source.ip", "--field", "event.action"],
        &["--field", "aws.cloudtrail.flattened.additional_eventdata.MFAUsed"],
        &["--field", "aws.cloudtrail.resources.arn", "--field", "user.name"],
    ];
    let mut ids = Vec::new();
    for (index, fields) in fields.iter().enumerate() {
        let rule = folder.path(&format!("first_look_{index}.toml"));
        let done = call("new").arg(folder.path(&format!("first_look_{index}"))).args(fields).ok();
        assert!(done.stderr.contains("first_look_"), "{}", done.stderr);
        call("build").args(&["--check", "--warnings", "deny"]).arg(&rule).ok();
        call("test").arg(&rule).ok();
        let text = fs::read_to_string(&rule).unwrap();
        assert!(text.contains(&format!("name = \"First look {index}\"")), "{text}");
        ids.push(text.lines().find(|line| line.starts_with("rule_id")).unwrap().to_owned());
        call("new").arg(&rule).fails(&["exists already"]);
        assert_eq!(fs::read_to_string(&rule).unwrap(), text);
    }
    assert_ne!(ids[0], ids[1]);
    let wrong = folder.path("wrong");
    let twice = ["--field", "user.name", "--field", "user.name"];
    call("new").arg(&wrong).args(&twice).fails(&["not written"]);
    for field in ["host.name", "okta.actor.id", "source.as.number"] {
        call("new")
            .arg(&wrong)
            .args(&["--field", field])
            .fails(&["raw CloudTrail events do not have", field]);
    }
    assert!(!folder.path("wrong.toml").exists() && !folder.path("wrong.test.toml").exists());
}
