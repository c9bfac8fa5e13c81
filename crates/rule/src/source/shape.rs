//! The keys of a rule's file, each read and checked on its own.
//!
//! In: the parsed TOML. Out: the values, with the positions that later checks need, and a
//! diagnostic for each invalid key. What the keys mean together is decided in [`super::read`].

use super::diagnostic::{Diagnostics, short};
use super::facts::{Facts, Technique, Threat, ThreatEntry};
use super::table::{At, Table, UnknownKey, nearest};
use crate::window;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

/// Keys of `[rule]` that only Kibana's own pages and schedules need.
const PASSED: &[&str] = &[
    "actions_connectors",
    "created_at",
    "created_by",
    "enabled",
    "id",
    "immutable",
    "meta",
    "namespace",
    "output_index",
    "related_integrations",
    "required_fields",
    "revision",
    "rule_source",
    "timeline_id",
    "timeline_title",
    "to",
    "updated_at",
    "updated_by",
];

/// Keys of `[rule]` that Elastic acts on and firstseen does not.
const NOT_DONE: &[(&str, &str)] = &[
    ("actions", "firstseen runs no actions; forward its alerts instead"),
    ("alert_suppression", "firstseen does not group alerts: every new term alerts on its own"),
    ("data_view_id", "firstseen does not read the data view's index patterns and runtime fields"),
    ("exceptions_list", "the file does not hold the lists; write them as [[rule.exceptions]]"),
    ("response_actions", "firstseen runs no response actions"),
    ("risk_score_mapping", "every alert has the rule's `risk_score`"),
    ("rule_name_override", "every alert has the rule's `name`"),
    ("severity_mapping", "every alert has the rule's `severity`"),
    ("throttle", "firstseen does not throttle alerts"),
];

/// Keys of `[rule]` that belong to rules of another type.
const OTHER_TYPES: &[&str] = &[
    "anomaly_threshold",
    "event_category_override",
    "machine_learning_job_id",
    "saved_id",
    "threat_filters",
    "threat_index",
    "threat_mapping",
    "threat_query",
    "threshold",
    "tiebreaker_field",
    "timestamp_field",
];

const SEVERITIES: [&str; 4] = ["low", "medium", "high", "critical"];

/// A rule as its file gives it: the parts that the plan is made of, and the facts.
pub(super) struct Shape<'t> {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) severity: Option<String>,
    pub(super) query: Option<At<&'t str>>,
    pub(super) filters: Vec<Table<'t>>,
    pub(super) exceptions: Option<&'t Spanned<DeValue<'t>>>,
    pub(super) new_terms: Vec<At<&'t str>>,
    /// Names that `[firstseen]` adds to the known ones.
    #[cfg_attr(not(feature = "lint"), allow(dead_code))]
    pub(super) known_fields: Vec<String>,
    /// What `[firstseen]` says of learning and forgetting.
    pub(super) memory: RuleMemory,
    pub(super) window: Option<At<&'t str>>,
    pub(super) window_ms: Option<i64>,
    pub(super) epoch: u32,
    pub(super) facts: Facts,
    /// Position of `[rule]`.
    pub(super) span: Range<usize>,
}

/// What `[firstseen]` says of how a rule learns and forgets.
#[derive(Debug, Default)]
pub(super) struct RuleMemory {
    pub(super) learn_for_ms: i64,
    pub(super) learn_events: u32,
    /// With its place.
    pub(super) learn_by: Option<(String, Range<usize>)>,
    /// In place of the window.
    pub(super) forget_after: Option<(String, i64)>,
}

fn memory(t: &mut Table<'_>, faults: &mut Diagnostics) -> RuleMemory {
    let mut length = |key| {
        let text = t.text(key, faults)?;
        match window::duration(text.value) {
            Ok(ms) => Some((text.value.trim().to_owned(), ms)),
            Err(reason) => {
                faults.error("bad_value", &text.span, reason);
                None
            }
        }
    };
    let (learn_for, forget_after) = (length("learn_for"), length("forget_after"));
    let learn_by = t.text("learn_by", faults);
    let learn_events = whole(t, "learn_events", faults);
    let learns = t.key("learn_for").is_some() || t.key("learn_events").is_some();
    if let Some(field) = learn_by.as_ref().filter(|_| !learns) {
        let message = "`firstseen.learn_by` needs `firstseen.learn_for` or `learn_events`";
        faults.error("bad_value", &field.span, message).label("how long is each value learned?");
    }
    let learn_for_ms = learn_for.map_or(0, |(_, ms)| ms);
    let learn_by = learn_by.map(|field| (field.value.to_owned(), field.span));
    RuleMemory { learn_for_ms, learn_events, learn_by, forget_after }
}

/// A whole number that is not negative; 0 where there is none.
fn whole(t: &mut Table<'_>, key: &'static str, faults: &mut Diagnostics) -> u32 {
    t.integer(key, faults).map_or(0, |number| {
        u32::try_from(number.value).unwrap_or_else(|_| {
            let message = format!("`{}` must be from 0 to {}", t.name(key), u32::MAX);
            faults.error("bad_value", &number.span, message);
            0
        })
    })
}

/// Reads the whole file.
pub(super) fn read<'t>(mut root: Table<'t>, faults: &mut Diagnostics) -> Option<Shape<'t>> {
    let mut facts = Facts::default();
    if let Some(table) = root.table("metadata", faults) {
        metadata(table, &mut facts, faults);
    }
    root.pass(&["transform"]);
    let rule = root.present("rule", faults).then(|| root.table("rule", faults)).flatten();
    let (mut known_fields, mut memory) = (Vec::new(), RuleMemory::default());
    if let Some(mut table) = root.table("firstseen", faults) {
        known_fields = list(&mut table, "known_fields", faults);
        memory = self::memory(&mut table, faults);
        table.finish(UnknownKey::Fatal, faults);
    }
    root.finish(UnknownKey::Ignored, faults);
    rule.and_then(|table| self::rule(table, facts, (known_fields, memory), faults))
}

/// Facts that change no alert; other keys of `[metadata]` are accepted without a warning.
fn metadata(mut table: Table<'_>, facts: &mut Facts, faults: &mut Diagnostics) {
    facts.integration = match table.get("integration") {
        Some(value) if value.get_ref().is_str() => {
            table.text("integration", faults).map(owned).into_iter().collect()
        }
        _ => table.texts("integration", faults).into_iter().map(owned).collect(),
    };
    facts.maturity = table.text("maturity", faults).map(owned);
    facts.creation_date = table.text("creation_date", faults).map(owned);
    facts.updated_date = table.text("updated_date", faults).map(owned);
}

fn rule<'t>(
    mut t: Table<'t>,
    facts: Facts,
    (known_fields, memory): (Vec<String>, RuleMemory),
    faults: &mut Diagnostics,
) -> Option<Shape<'t>> {
    if !kind(&mut t, faults) {
        return None;
    }
    let id = t.required("rule_id", faults);
    if let Some(id) = &id {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if id.value.is_empty() || id.value.len() > 64 || !id.value.bytes().all(plain) {
            let message = "`rule.rule_id` must have 1 to 64 letters, digits, `.`, `_` or `-`";
            let label = "it is part of every state key";
            faults.error("bad_value", &id.span, message).label(label);
        }
    }
    let name = t.required("name", faults);
    if let Some(name) = name.as_ref().filter(|name| name.value.trim().is_empty()) {
        faults.error("bad_value", &name.span, "`rule.name` is empty");
    }
    let severity = t.required("severity", faults);
    if let Some(found) = severity.as_ref().filter(|s| !SEVERITIES.contains(&s.value)) {
        let message = format!("unknown severity `{}`", short(found.value));
        let fault = faults.error("bad_value", &found.span, message);
        fault.label("use low, medium, high or critical");
        if let Some(meant) = nearest(&found.value.to_lowercase(), SEVERITIES.into_iter()) {
            fault.help(format!("did you mean `{meant}`?"));
        }
    }
    let query = t.required("query", faults);
    let filters = t.tables("filters", faults);
    let exceptions = t.get("exceptions");
    let span = t.span.clone();
    let (new_terms, window) = new_terms(&mut t, faults);
    let window_ms = window.as_ref().and_then(|text| {
        let length = window::before_now(text.value);
        length.map_err(|reason| faults.error("bad_date_math", &text.span, reason)).ok()
    });
    let epoch = whole(&mut t, "state_epoch", faults);
    let query_text = query.as_ref().map_or_else(String::new, |q| q.value.to_owned());
    let history = window.as_ref().map_or_else(String::new, |w| w.value.to_owned());
    let facts =
        Facts { query: query_text, history_window_start: history, ..rest(&mut t, facts, faults) };
    not_done(&mut t, faults);
    t.pass(PASSED);
    t.finish(UnknownKey::Ignored, faults);
    Some(Shape {
        id: id.map(owned),
        name: name.map(owned),
        severity: severity.map(owned),
        query,
        filters,
        exceptions,
        new_terms,
        known_fields,
        memory,
        window,
        window_ms,
        epoch,
        facts,
        span,
    })
}

/// Type and language: other types use the same keys with another meaning.
/// Type and language; whether the rest is worth reading. Of a rule of another type only the type is
/// reported: its keys are right for what it is.
fn kind(t: &mut Table<'_>, faults: &mut Diagnostics) -> bool {
    if let Some(kind) = t.required("type", faults).filter(|kind| kind.value != "new_terms") {
        faults.clear();
        let message = format!("the rule is of type `{}`", short(kind.value));
        let fault = faults.error("not_new_terms", &kind.span, message);
        fault.label("firstseen builds only `new_terms` rules");
        if nearest(kind.value, ["new_terms"].into_iter()).is_some() {
            fault.help("did you mean `new_terms`?");
        }
        return false;
    }
    if let Some(language) = t.text("language", faults).filter(|l| l.value != "kuery") {
        let message = format!("the query's language is `{}`", short(language.value));
        faults.error("not_kuery", &language.span, message).label("firstseen reads only `kuery`");
    }
    true
}

/// Warns of each key that Elastic acts on and firstseen does not.
fn not_done(t: &mut Table<'_>, faults: &mut Diagnostics) {
    for (key, what) in NOT_DONE {
        let empty = t.get(key).is_none_or(|value| {
            let value = value.get_ref();
            value.as_array().is_some_and(|list| list.is_empty())
                || value.as_table().is_some_and(|table| table.is_empty())
        });
        if let (false, Some(span)) = (empty, t.key(key)) {
            faults.warn("not_done", &span, format!("`rule.{key}` is ignored: {what}"));
        }
    }
    for key in OTHER_TYPES {
        if let (Some(_), Some(span)) = (t.get(key), t.key(key)) {
            let message = format!("`rule.{key}` belongs to another type of rule");
            faults
                .error("other_type", &span, message)
                .help("remove it: new_terms rules do not use it");
        }
    }
}

fn new_terms<'t>(
    rule: &mut Table<'t>,
    faults: &mut Diagnostics,
) -> (Vec<At<&'t str>>, Option<At<&'t str>>) {
    let there = rule.present("new_terms", faults);
    let Some(mut t) = there.then(|| rule.table("new_terms", faults)).flatten() else {
        return (Vec::new(), None);
    };
    named(&mut t, "new_terms_fields", faults);
    let there = t.present("value", faults);
    let fields = t.texts("value", faults);
    if there && !(1..=3).contains(&fields.len()) {
        let span = t.get("value").map_or_else(|| t.span.clone(), toml::Spanned::span);
        let message = format!("the rule has {} new-terms fields", fields.len());
        faults.error("bad_fields", &span, message).label("use one to three");
    }
    for (index, field) in fields.iter().enumerate() {
        if field.value.trim().is_empty() || field.value.contains('*') {
            let message = format!("`{}` is not a field name", short(field.value));
            faults
                .error("bad_fields", &field.span, message)
                .label("use the full name of one field");
        } else if fields.iter().take(index).any(|before| before.value == field.value) {
            let message = format!("`{}` appears twice", short(field.value));
            faults.error("bad_fields", &field.span, message);
        }
    }
    let there = t.present("history_window_start", faults);
    let windows = t.tables("history_window_start", faults);
    if there && windows.len() != 1 {
        let span = windows.get(1).map_or_else(|| t.span.clone(), |second| second.span.clone());
        let message = format!("the rule has {} history windows", windows.len());
        faults.error("bad_window", &span, message).label("use exactly one");
    }
    let read = windows.into_iter().map(|mut window| {
        named(&mut window, "history_window_start", faults);
        let value = window.required("value", faults);
        window.finish(UnknownKey::Fatal, faults);
        value
    });
    // All are read, so that all their faults are reported.
    let window = read.collect::<Vec<_>>().into_iter().next().flatten();
    t.finish(UnknownKey::Fatal, faults);
    (fields, window)
}

/// The `field` of a pair of field and value has exactly one valid value.
fn named(t: &mut Table<'_>, name: &str, faults: &mut Diagnostics) {
    if let Some(field) = t.required("field", faults).filter(|field| field.value != name) {
        let message = format!("`{}` is `{}`", t.name("field"), short(field.value));
        faults.error("bad_value", &field.span, message).label(format!("it must be `{name}`"));
    }
}

/// What alerts and people are shown.
fn rest(t: &mut Table<'_>, mut facts: Facts, faults: &mut Diagnostics) -> Facts {
    facts.version = t.integer("version", faults).map(|number| number.value);
    facts.description = t.text("description", faults).map(owned);
    facts.authors = list(t, "author", faults);
    facts.license = t.text("license", faults).map(owned);
    facts.tags = list(t, "tags", faults);
    facts.references = list(t, "references", faults);
    facts.false_positives = list(t, "false_positives", faults);
    facts.note = t.text("note", faults).map(owned);
    facts.setup = t.text("setup", faults).map(owned);
    facts.index = list(t, "index", faults);
    facts.building_block_type = t.text("building_block_type", faults).map(owned);
    if let Some(mut fields) = t.table("investigation_fields", faults) {
        facts.investigation_fields = list(&mut fields, "field_names", faults);
        fields.finish(UnknownKey::Ignored, faults);
    }
    facts.timestamp_override = t.text("timestamp_override", faults).map(owned);
    let fallback = t.flag("timestamp_override_fallback_disabled", faults);
    facts.timestamp_override_fallback_disabled = fallback.is_some_and(|flag| flag.value);
    let from = t.text("from", faults);
    if let Some((from, Err(reason))) = from.as_ref().map(|f| (f, window::before_now(f.value))) {
        faults.error("bad_date_math", &from.span, reason);
    }
    facts.from = from.map_or_else(|| "now-6m".to_owned(), owned);
    let interval = t.text("interval", faults);
    if let Some((text, Err(reason))) = interval.as_ref().map(|i| (i, window::duration(i.value))) {
        faults.error("bad_duration", &text.span, reason);
    }
    facts.interval = interval.map_or_else(|| "5m".to_owned(), owned);
    let signals = t.integer("max_signals", faults);
    if let Some(number) = signals.as_ref().filter(|number| number.value < 1) {
        faults.error("bad_value", &number.span, "`rule.max_signals` must be at least 1");
    }
    facts.max_signals = signals.map_or(100, |number| number.value);
    if t.present("risk_score", faults)
        && let Some(score) = t.integer("risk_score", faults)
    {
        if !(0..=100).contains(&score.value) {
            let message = "`rule.risk_score` must be from 0 to 100";
            faults.error("bad_value", &score.span, message);
        }
        facts.risk_score = score.value;
    }
    facts.threat = threat(t, faults);
    facts
}

fn threat(rule: &mut Table<'_>, faults: &mut Diagnostics) -> Vec<Threat> {
    let mut out = Vec::new();
    for mut t in rule.tables("threat", faults) {
        let framework = t.required("framework", faults).map(owned);
        let there = t.present("tactic", faults);
        let tactic = there.then(|| t.table("tactic", faults)).flatten();
        let tactic = tactic.and_then(|tactic| entry(tactic, faults));
        let mut technique = Vec::new();
        for mut item in t.tables("technique", faults) {
            let parts = item.tables("subtechnique", faults);
            let subtechnique = parts.into_iter().filter_map(|part| entry(part, faults)).collect();
            technique.extend(entry(item, faults).map(|named| Technique { named, subtechnique }));
        }
        t.finish(UnknownKey::Ignored, faults);
        if let (Some(framework), Some(tactic)) = (framework, tactic) {
            out.push(Threat { framework, tactic, technique });
        }
    }
    out
}

fn entry(mut t: Table<'_>, faults: &mut Diagnostics) -> Option<ThreatEntry> {
    let id = t.required("id", faults).map(owned);
    let name = t.required("name", faults).map(owned);
    let reference = t.required("reference", faults).map(owned);
    t.finish(UnknownKey::Ignored, faults);
    Some(ThreatEntry { id: id?, name: name?, reference: reference? })
}

fn list(t: &mut Table<'_>, key: &'static str, faults: &mut Diagnostics) -> Vec<String> {
    t.texts(key, faults).into_iter().map(owned).collect()
}

fn owned(text: At<&str>) -> String {
    text.value.to_owned()
}
