//! `new`: a rule and its test to start from.
//!
//! In: a name, the new-terms fields. Out: two files that build without a warning and pass, or
//! nothing: a file that is there is never written over, and a field that raw events never have makes
//! no rule.

mod examples;

use super::ExitStatus;
use crate::files::shown;
use crate::terminal::diagnostic;
use crate::terminal::message;
use anyhow::{anyhow, bail};
use examples::ExampleEvent;
use firstseen_compiler::RuleText;
use firstseen_rule::source::{self, ReadOptions};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The arguments of `new`.
#[derive(Debug, Clone, clap::Args)]
pub struct NewArgs {
    /// Name or path of the rule: x and x.toml both create x.toml and x.test.toml
    #[arg(value_name = "NAME")]
    pub path: PathBuf,
    /// A new-terms field that raw CloudTrail events have; up to three
    #[arg(long = "field", value_name = "FIELD", default_values = ["cloud.account.id", "user.name"])]
    pub fields: Vec<String>,
}

/// Writes the two files.
///
/// # Errors
/// When one of them exists already or cannot be written, or the fields make no rule.
pub fn new(args: &NewArgs) -> anyhow::Result<ExitStatus> {
    let path = args.path.with_extension("toml");
    let stem = args.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if stem.is_empty() || stem.ends_with(".test") {
        bail!("{}: give a name, such as first_time_user_creation", shown(&args.path));
    }
    let test = path.with_extension("test.toml");
    let example = examples::with(&args.fields)?;
    let text = rule(stem, &args.fields, &example);
    let name = shown(&path);
    let source = RuleText { name: &name, text: &text };
    if let Err(faults) = source::read(&text, &ReadOptions::default()) {
        faults.iter().for_each(|one| diagnostic::print(&source, one));
        bail!("{name}: not written: these fields cannot be a rule's new terms");
    }
    if test.exists() {
        bail!("{}: this file exists already; give another name", shown(&test));
    }
    write_new(&path, &text)?;
    write_new(&test, &self::test(&example))?;
    message::info(&format!("created {name} (the rule) and {} (its test)", shown(&test)));
    if let Some(field) = &example.unique {
        message::warning(&format!(
            "every event has a `{field}` of its own, so this rule alerts on each; take another field"
        ));
    }
    message::info("  edit both, then run: firstseen test, firstseen build");
    Ok(ExitStatus::Done)
}

fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let name = shown(path);
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            anyhow!("{name}: this file exists already; give another name")
        }
        _ => anyhow!("{name}: {e}"),
    })?;
    file.write_all(text.as_bytes()).map_err(|e| anyhow!("{name}: {e}"))
}

/// A text in quotes; JSON's strings are TOML's too.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

/// `first_time_user_creation` as a person writes it.
fn title(stem: &str) -> String {
    let words = stem.replace(['_', '-', '.'], " ");
    let mut letters = words.trim().chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

fn rule(stem: &str, fields: &[String], example: &ExampleEvent) -> String {
    let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
    format!(
        r####"[rule]
# The state belongs to this id. Keep it as long as the rule means the same.
rule_id = "{id}"
name = {name}
description = """
What was seen for the first time, and why that is worth a look.
"""
author = ["your name"]
license = "Apache-2.0"
severity = "medium"        # low, medium, high, critical
risk_score = 47            # 0 to 100
version = 1
type = "new_terms"
language = "kuery"
tags = ["Domain: Cloud", "Data Source: AWS"]
references = []
false_positives = [
    """
    A wanted cause that looks the same, and how to tell it from the others.
    """,
]
note = """## Triage and analysis

1. Who did it, from where, and with which tool?
2. What did they do before and after?

### Response and remediation

- What to do when it was not wanted.
"""

# Which events count. Only these can alert, and only these are remembered.
query = '''
event.dataset: aws.cloudtrail and event.provider: {provider} and
  event.action: {action} and event.outcome: {outcome}
'''

# One to three fields. Their values together are the term that has to be new.
[rule.new_terms]
field = "new_terms_fields"
value = [{fields}]

# How long a term is remembered after it was last seen.
[[rule.new_terms.history_window_start]]
field = "history_window_start"
value = "now-10d"
"####,
        id = uuid::Uuid::new_v4(),
        name = quoted(&title(stem)),
        fields = fields.join(", "),
        provider = example.provider,
        action = example.action,
        outcome = example.outcome,
    )
}

fn test(example: &ExampleEvent) -> String {
    let ExampleEvent { base, other, outcome, unique, .. } = example;
    let (again, next) = match unique {
        None => ("the first time alerts, the next one does not".to_owned(), false),
        Some(field) => (format!("every event alerts: its {field} is its own"), true),
    };
    let again = quoted(&again);
    let another = if *outcome == "success" {
        "a failed call never alerts"
    } else {
        "another call never alerts"
    };
    format!(
        r#"# What the rule has to do. `firstseen test` runs it.

# An event as CloudTrail writes it. Every event below is this one, with a time and an id of its own and
# with what `set` changes.
{base}
[[case]]
name = {again}

[[case.event]]
at = "+0s"
alert = true

[[case.event]]
at = "+3d"
alert = {next}

[[case]]
name = "after ten days of silence it alerts again"

[[case.event]]
at = "+0s"
alert = true

[[case.event]]
at = "+11d"
alert = true

[[case]]
name = "{another}"

[[case.event]]
set = {{ {other} }}
alert = false
"#
    )
}
