//! An alert for a person, in the order of an analyst's questions.
//!
//! In: an alert in the ECS form. Out: a headline, then who, from where, what, what is new about it
//! and when it was seen before. Nothing in it is taken on trust: text from events is escaped and
//! cut at the width. What an alert does not have is left out.
use super::style::{BOLD, CYAN, DIM, RED, YELLOW, paint};
use super::value::{field, lookup, show_time, span, text, time};
use super::wording::{self, Wording};
use anstyle::Style;
use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Where the text of a row begins.
const INDENT: usize = 10;
/// Narrower than this nothing can be read.
const NARROWEST: usize = 40;

/// An alert's JSON as text that ends with a newline. `width` is in columns.
#[must_use]
pub fn render(json: &str, colour: bool, width: usize) -> String {
    match serde_json::from_str(json) {
        Ok(alert) => pretty(&alert, colour, width),
        // Nested too deep to be read, for one; an alert is shown all the same.
        Err(_) => format!("{}\n", crate::escape::escaped(json)),
    }
}

/// Writes an alert as text that ends with a newline. `width` is in columns.
#[must_use]
pub fn pretty(alert: &Value, colour: bool, width: usize) -> String {
    let mut page = AlertPage { out: String::new(), colour, width: width.max(NARROWEST) };
    let name = field(alert, "kibana.alert.rule.name").unwrap_or_else(|| "alert".to_owned());
    page.headline(field(alert, "kibana.alert.severity"), &name);
    page.rows("when", [join([when(alert), risk(alert)])]);
    let evidence = [("who", who(alert)), ("from", origin(alert)), ("what", what(alert))];
    if evidence.iter().all(|(_, rows)| rows.iter().flatten().next().is_none()) {
        page.rows("what", [field(alert, "kibana.alert.reason")]);
    }
    for (label, rows) in evidence {
        page.rows(label, rows);
    }
    page.rows("new", new_terms(alert));
    page.rows("before", [before(alert)]);
    page.rows("tactic", tactics(alert));
    page.rows("event", [field(alert, "event.id")]);
    page.rows("alert", [field(alert, "kibana.alert.uuid")]);
    page.out
}

fn when(alert: &Value) -> Option<String> {
    let path = ["kibana.alert.original_time", "@timestamp"]
        .into_iter()
        .find(|path| lookup(alert, path).is_some())?;
    time(alert, path).map(show_time).or_else(|| field(alert, path))
}

fn risk(alert: &Value) -> Option<String> {
    field(alert, "kibana.alert.risk_score").map(|score| format!("risk score {score}"))
}

/// The words for the alert's dataset.
fn words(alert: &Value) -> &'static Wording {
    wording::of(lookup(alert, "event.dataset").and_then(Value::as_str))
}

fn who(alert: &Value) -> Vec<Option<String>> {
    let words = words(alert);
    let of = |path: Option<&str>| path.and_then(|path| field(alert, path));
    let name = field(alert, "user.name").or_else(|| field(alert, "user.id"));
    let account = field(alert, "cloud.account.id").map(|id| format!("account {id}"));
    let host = field(alert, "host.name").map(|host| format!("on {host}"));
    let full = of(words.user_full);
    let session = full.as_deref().zip(words.session_after);
    let session = session.and_then(|(full, after)| full.split_once(after)?.1.split_once('/'));
    let session = session.map(|(_, session)| format!("session {session}"));
    vec![join([name, of(words.user_kind), account, host]), session, full]
}

fn origin(alert: &Value) -> Vec<Option<String>> {
    let address = field(alert, "source.ip").or_else(|| field(alert, "source.address"));
    let place = join([address, field(alert, "cloud.region")]);
    vec![place, field(alert, "user_agent.original")]
}

fn what(alert: &Value) -> Vec<Option<String>> {
    let action = ["event.action", "event.provider", "event.outcome"].map(|path| field(alert, path));
    let mut rows = vec![join(action)];
    let mut objects = words(alert).objects.iter();
    if let Some((object, name)) = objects.find_map(|o| Some((o, field(alert, o.name.1)?))) {
        let first = (object.name.0, Some(name));
        let more = object.rows.iter().map(|(label, path, otherwise)| {
            (*label, field(alert, path).or_else(|| otherwise.map(str::to_owned)))
        });
        rows.extend(aligned(std::iter::once(first).chain(more)));
    }
    rows
}

fn new_terms(alert: &Value) -> Vec<Option<String>> {
    let list = |path| lookup(alert, path).and_then(Value::as_array).map(Vec::as_slice);
    let values = list("kibana.alert.new_terms").unwrap_or_default();
    let fields = list("kibana.alert.rule.new_terms_fields").unwrap_or_default();
    if fields.len() == values.len() {
        let names: Vec<_> = fields.iter().map(|name| text(name).unwrap_or_default()).collect();
        aligned(names.iter().map(String::as_str).zip(values.iter().map(text)))
    } else {
        values.iter().map(text).collect()
    }
}

fn before(alert: &Value) -> Option<String> {
    let window = match field(alert, "firstseen.window") {
        Some(window) => format!(" (window {window})"),
        None => String::new(),
    };
    let Some(shown) = field(alert, "firstseen.previous_sighting") else {
        // Without the section nothing is known of what was before.
        lookup(alert, "firstseen")?;
        return Some(format!("never in the state{window}"));
    };
    let at = time(alert, "firstseen.previous_sighting");
    let now = time(alert, "kibana.alert.original_time").or_else(|| time(alert, "@timestamp"));
    Some(match (at, now) {
        (Some(at), Some(now)) => {
            let ago = span((now - at).num_milliseconds());
            format!("{}, {ago} earlier{window}", show_time(at))
        }
        (Some(at), None) => format!("{}{window}", show_time(at)),
        (None, _) => format!("{shown}{window}"),
    })
}

/// A row for each tactic, with its techniques.
fn tactics(alert: &Value) -> Vec<Option<String>> {
    let threat = lookup(alert, "kibana.alert.rule.threat").and_then(Value::as_array);
    let named = |entry: &Value| match (field(entry, "name"), field(entry, "id")) {
        (Some(name), Some(id)) => Some(format!("{name} ({id})")),
        (name, id) => name.or(id),
    };
    let row = |threat: &Value| {
        let tactic = lookup(threat, "tactic").and_then(named);
        let techniques = lookup(threat, "technique").and_then(Value::as_array);
        join([tactic].into_iter().chain(techniques.into_iter().flatten().map(named)))
    };
    threat.into_iter().flatten().map(row).collect()
}

/// What there is of the parts, with commas between.
fn join(parts: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Names and values in two columns; without a value there is no row.
fn aligned<'n>(rows: impl IntoIterator<Item = (&'n str, Option<String>)>) -> Vec<Option<String>> {
    let rows: Vec<_> = rows.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let widest = rows.iter().map(|(name, _)| name.width()).max().unwrap_or_default();
    let gap = |name: &str| " ".repeat(widest - name.width());
    rows.into_iter().map(|(name, value)| Some(format!("{name}{}  {value}", gap(name)))).collect()
}

/// The text as it grows.
struct AlertPage {
    out: String,
    colour: bool,
    width: usize,
}

impl AlertPage {
    /// `medium: First Time AWS Cloudformation Stack Creation by User`
    fn headline(&mut self, severity: Option<String>, name: &str) {
        let style = severity_style(severity.as_deref());
        let severity = cut(severity.as_deref().unwrap_or("alert"), self.width / 2);
        let name = cut(name, self.width.saturating_sub(severity.width() + 2));
        self.paint(style, &severity);
        self.out.push_str(": ");
        self.paint(BOLD, &name);
        self.out.push('\n');
    }

    /// Rows of one section; the label is before the first.
    fn rows(&mut self, label: &str, rows: impl IntoIterator<Item = Option<String>>) {
        for (index, row) in rows.into_iter().flatten().enumerate() {
            let label = if index == 0 { label } else { "" };
            self.out.push_str("  ");
            self.paint(DIM, label);
            self.out.push_str(&" ".repeat((INDENT - 2).saturating_sub(label.len())));
            self.out.push_str(&cut(&row, self.width - INDENT));
            self.out.push('\n');
        }
    }

    fn paint(&mut self, style: Style, text: &str) {
        self.out.push_str(&paint(style, text, self.colour));
    }
}

/// The colour of a severity.
pub(super) fn severity_style(severity: Option<&str>) -> Style {
    match severity {
        Some("critical" | "high") => RED,
        Some("medium") => YELLOW,
        Some("low") => CYAN,
        _ => BOLD,
    }
}

/// The text, cut at so many columns; `…` stands for what is gone. A long last word is an address or
/// a name: it is cut in its middle, because both its ends say something.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let word_at = text.rfind(' ').map_or(0, |at| at + 1);
    let (head, word) = text.split_at(word_at);
    let left = columns.saturating_sub(head.width());
    if left < columns / 2 {
        return format!("{}…", fitting(text.chars(), columns - 1));
    }
    format!("{head}{}", cut_middle(word, left))
}

/// The text, cut in its middle at so many columns.
pub(super) fn cut_middle(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(1);
    let end: String = fitting(text.chars().rev(), room / 2).chars().rev().collect();
    let begin = fitting(text.chars(), room - end.width());
    format!("{begin}…{end}")
}

/// As many characters as fit into the columns.
pub(super) fn fitting(characters: impl Iterator<Item = char>, columns: usize) -> String {
    let mut left = columns;
    characters
        .take_while(|c| {
            let rest = left.checked_sub(c.width().unwrap_or_default());
            left = rest.unwrap_or_default();
            rest.is_some()
        })
        .collect()
}

#[cfg(test)]
mod tests;
