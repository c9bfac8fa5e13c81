//! What a host may set at run time: the tenant, exceptions, learning, the slack for clocks, trust,
//! whether index patterns count.
//!
//! In: a JSON object (untrusted). Out: settings, or an error that names the part. A host that sets
//! nothing gets the rule as it was built.

use crate::exception::json::{self, Members};
use crate::exception::{self, Exception, ExceptionOrigin};
use crate::window;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use firstseen_event::Trust;
use firstseen_event::json::Json;

/// Settings, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The first part of every state key.
    pub tenant: String,
    /// Exceptions that apply besides the rules' own.
    pub exceptions: Vec<Exception>,
    /// New terms of events before this time are learned and do not alert; milliseconds since 1970.
    pub learn_until_ms: Option<i64>,
    /// How long rules learn from the first event on, in milliseconds, whatever they say themselves; 0: not
    /// at all.
    pub learn_for_ms: Option<i64>,
    /// From how many matching events rules learn, whatever they say themselves; 0: from none.
    pub learn_events: Option<u32>,
    /// The field of which each value is learned on its own, whatever rules say themselves.
    pub learn_by: Option<String>,
    /// No learning starts with an event before this time.
    pub learn_since_ms: Option<i64>,
    /// How long a term is known, in place of the rules' windows.
    pub forget_after: Option<Length>,
    /// How far ahead of the host's clock an event may be dated, in milliseconds.
    pub future_slack_ms: i64,
    /// The envelopes that are trusted besides those that always are.
    pub trust: Trust,
    /// Events of every index are judged, whatever the rules' index patterns are.
    pub any_index: bool,
    /// How much of what rules say of themselves is in alerts.
    pub rule_text: AlertRuleText,
}

/// How much of what a rule says of itself is in its alerts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AlertRuleText {
    /// All of it.
    #[default]
    Full,
    /// Nothing that is long and the same in each: [`BRIEF_WITHOUT`].
    Brief,
}

impl AlertRuleText {
    /// The words for it, in settings and options.
    pub const WORDS: [(&'static str, Self); 2] = [("full", Self::Full), ("brief", Self::Brief)];
}

/// What brief alerts are without.
pub const BRIEF_WITHOUT: [&str; 4] = [
    "kibana.alert.rule.description",
    "kibana.alert.rule.note",
    "kibana.alert.rule.references",
    "kibana.alert.rule.setup",
];

/// A length of time, as it is written and in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Length {
    /// `30d`.
    pub text: String,
    /// In milliseconds.
    pub ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tenant: "default".to_owned(),
            exceptions: Vec::new(),
            learn_until_ms: None,
            learn_for_ms: None,
            learn_events: None,
            learn_by: None,
            learn_since_ms: None,
            forget_after: None,
            // Clocks differ, and CloudTrail dates events when the call began.
            future_slack_ms: 3_600_000,
            trust: Trust::default(),
            any_index: false,
            rule_text: AlertRuleText::Full,
        }
    }
}

/// The members of a settings document. docs/settings.md has a row for each.
pub const KEYS: &[&str] = &[
    "tenant",
    "exceptions",
    "learn_until",
    "learn_for",
    "learn_events",
    "learn_by",
    "learn_since",
    "forget_after",
    "future_slack",
    "trust_envelopes",
    "any_index",
    "rule_text",
];

/// Those that engines did not always take: an artifact says that it does.
pub const DECLARED: &[&str] =
    &["learn_for", "learn_events", "learn_by", "learn_since", "forget_after", "rule_text"];

/// Settings as they are written.
struct SettingsDocument {
    tenant: Option<String>,
    exceptions: Vec<exception::ExceptionDocument>,
    learn_until: Option<String>,
    learn_for: Option<String>,
    learn_events: Option<u32>,
    learn_by: Option<String>,
    learn_since: Option<String>,
    forget_after: Option<String>,
    future_slack: Option<String>,
    trust_envelopes: Option<Vec<String>>,
    any_index: Option<bool>,
    rule_text: Option<String>,
}

impl SettingsDocument {
    fn read(json: &str) -> Result<Self, String> {
        let mut members = Members::of(Json::read(json).map_err(|e| e.to_string())?)?;
        let document = Self {
            tenant: members.text("tenant")?,
            exceptions: members
                .list("exceptions", exception::ExceptionDocument::of)?
                .unwrap_or_default(),
            learn_until: members.text("learn_until")?,
            learn_for: members.text("learn_for")?,
            learn_events: members.number("learn_events")?,
            learn_by: members.text("learn_by")?,
            learn_since: members.text("learn_since")?,
            forget_after: members.text("forget_after")?,
            future_slack: members.text("future_slack")?,
            trust_envelopes: members.list("trust_envelopes", json::text)?,
            any_index: members.flag("any_index")?,
            rule_text: members.text("rule_text")?,
        };
        members.end().map(|()| document)
    }
}

impl Settings {
    /// Reads settings:
    /// `{"tenant", "exceptions": [..], "learn_until", "learn_for", "learn_events", "learn_by",
    /// "learn_since", "forget_after", "future_slack", "trust_envelopes": [..],
    /// "any_index", "rule_text"}`, every part optional; exceptions as [`exception::ExceptionDocument`]s, times as RFC 3339, lengths as `1h`.
    ///
    /// # Errors
    /// A message that names the part and what is wrong with it.
    pub fn read(json: &str) -> Result<Self, String> {
        let document = SettingsDocument::read(json).map_err(|e| format!("settings: {e}"))?;
        let mut settings = Self::default();
        if let Some(tenant) = document.tenant {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            if tenant.is_empty() || tenant.len() > 64 || !tenant.bytes().all(plain) {
                return Err("tenant: use 1 to 64 letters, digits, `.`, `_` or `-`".to_owned());
            }
            settings.tenant = tenant;
        }
        let time = |name: &str, text: Option<String>| match text {
            Some(text) => match firstseen_value::parse_time_ms(&text) {
                None => Err(format!("{name}: `{text}` is not an RFC 3339 time")),
                ms => Ok(ms),
            },
            None => Ok(None),
        };
        settings.learn_until_ms = time("learn_until", document.learn_until)?;
        settings.learn_since_ms = time("learn_since", document.learn_since)?;
        if let Some(text) = document.learn_for {
            let ms = if text == "0" { Ok(0) } else { window::duration(&text) };
            settings.learn_for_ms = Some(ms.map_err(|e| format!("learn_for: {e}"))?);
        }
        settings.learn_events = document.learn_events;
        settings.learn_by = document.learn_by;
        if let Some(text) = document.forget_after {
            let ms = window::duration(&text).map_err(|e| format!("forget_after: {e}"))?;
            settings.forget_after = Some(Length { text: text.trim().to_owned(), ms });
        }
        if let Some(slack) = document.future_slack {
            settings.future_slack_ms =
                window::duration(&slack).map_err(|e| format!("future_slack: {e}"))?;
        }
        if let Some(entries) = document.trust_envelopes {
            settings.trust = Trust::read(entries.iter().map(String::as_str))
                .map_err(|e| format!("trust_envelopes: {e}"))?;
        }
        settings.any_index = document.any_index.unwrap_or_default();
        if let Some(text) = document.rule_text {
            let known = AlertRuleText::WORDS.into_iter().find(|(word, _)| *word == text);
            let (_, text) =
                known.ok_or_else(|| format!("rule_text: `{text}` is not full or brief"))?;
            settings.rule_text = text;
        }
        for exception in document.exceptions {
            let name = exception.name.clone();
            let exception = exception.compile(ExceptionOrigin::Settings);
            settings.exceptions.push(exception.map_err(|e| format!("exception `{name}`: {e}"))?);
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_read() {
        let settings = Settings::read(
            r#"{"tenant":"acme","learn_until":"2024-01-01T00:00:00Z","future_slack":"5m",
                "learn_for":"10d","learn_events":1000,"learn_by":"cloud.account.id","learn_since":"2024-01-01T00:00:00Z",
                "forget_after":"30d","trust_envelopes":["dataset:nginx.access"],"any_index":true,"rule_text":"brief",
                "exceptions":[{"name":"ci","query":"user.name: ci-*"}]}"#,
        )
        .unwrap();
        assert_eq!(settings.tenant, "acme");
        assert_eq!(settings.learn_until_ms, Some(1_704_067_200_000));
        assert_eq!(settings.learn_for_ms, Some(864_000_000));
        assert_eq!(settings.learn_events, Some(1000));
        assert_eq!(settings.learn_by.as_deref(), Some("cloud.account.id"));
        assert_eq!(settings.learn_since_ms, settings.learn_until_ms);
        assert_eq!(settings.forget_after.unwrap().ms, 2_592_000_000);
        assert_eq!(settings.rule_text, AlertRuleText::Brief);
        let off = Settings::read(r#"{"learn_for":"0"}"#).unwrap();
        assert_eq!(off.learn_for_ms, Some(0));
        assert!(DECLARED.iter().all(|key| KEYS.contains(key)));
        assert_eq!(settings.future_slack_ms, 300_000);
        assert_eq!((settings.exceptions.len(), settings.any_index), (1, true));
        assert!(settings.trust.names(firstseen_event::TrustKind::Dataset, "nginx.access"));
        assert_eq!(Settings::read("{}").unwrap(), Settings::default());
    }

    /// The list of keys is what is read: it is what the documentation is held against.
    #[test]
    fn every_key_is_in_the_list() {
        let (_, document) =
            include_str!("settings.rs").split_once("struct SettingsDocument {").unwrap();
        let (fields, _) = document.split_once("\n}").unwrap();
        let fields = fields.lines().filter_map(|line| line.trim().split_once(": "));
        assert_eq!(fields.map(|(name, _)| name).collect::<Vec<_>>(), KEYS);
        for key in KEYS {
            let error = Settings::read(&format!(r#"{{"{key}": {{}}}}"#)).unwrap_err();
            assert!(error.contains(key) && !error.contains("unknown"), "{error}");
        }
    }

    /// Every key has a row on the page, and every row a key.
    #[test]
    fn the_page_documents_every_key() {
        let page = include_str!("../../../docs/settings.md");
        let (_, keys) = page.split_once("\n## Keys\n").unwrap();
        let (keys, _) = keys.split_once("\n## ").unwrap();
        let rows = keys.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
        assert_eq!(rows.map(|(key, _)| key).collect::<Vec<_>>(), KEYS);
        let (_, example) = page.split_once("```json\n").unwrap();
        let settings = Settings::read(example.split_once("```").unwrap().0).unwrap();
        assert_eq!(settings.tenant, "acme");
    }

    /// Every key is in the types of the package for JavaScript.
    #[test]
    fn the_types_of_javascript_have_every_key() {
        let types = include_str!("../../../plugin/targets/js/package/index.d.ts");
        let (_, settings) = types.split_once("export interface Settings {").unwrap();
        let (settings, _) = settings.split_once("\n}").unwrap();
        let names = settings.lines().filter_map(|line| Some(line.trim().split_once("?: ")?.0));
        assert_eq!(names.collect::<Vec<_>>(), KEYS);
    }

    #[test]
    fn a_fault_names_its_part() {
        for (json, part) in [
            ("[]", "settings"),
            (r#"{"tenants":1}"#, "tenants"),
            (r#"{"tenant":"a:b"}"#, "tenant"),
            (r#"{"learn_until":"soon"}"#, "learn_until"),
            (r#"{"learn_since":"soon"}"#, "learn_since"),
            (r#"{"learn_for":"10"}"#, "learn_for"),
            (r#"{"learn_events":"10"}"#, "learn_events"),
            (r#"{"learn_events":-1}"#, "learn_events"),
            (r#"{"learn_events":1.5}"#, "learn_events"),
            (r#"{"learn_by":1}"#, "learn_by"),
            (r#"{"forget_after":"0d"}"#, "forget_after"),
            (r#"{"future_slack":"1"}"#, "future_slack"),
            (r#"{"trust_envelopes":["nginx"]}"#, "trust_envelopes: `nginx`"),
            (r#"{"trust_envelopes":"log"}"#, "trust_envelopes"),
            (r#"{"any_index":"yes"}"#, "any_index"),
            (r#"{"rule_text":"short"}"#, "rule_text: `short` is not full or brief"),
            (r#"{"exceptions":[{"name":"x","query":"a:("}]}"#, "exception `x`"),
        ] {
            let error = Settings::read(json).unwrap_err();
            assert!(error.contains(part), "{json}: {error}");
        }
    }
}
