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
    /// How far ahead of the host's clock an event may be dated, in milliseconds.
    pub future_slack_ms: i64,
    /// The envelopes that are trusted besides those that always are.
    pub trust: Trust,
    /// Events of every index are judged, whatever the rules' index patterns are.
    pub any_index: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tenant: "default".to_owned(),
            exceptions: Vec::new(),
            learn_until_ms: None,
            // Clocks differ, and CloudTrail dates events when the call began.
            future_slack_ms: 3_600_000,
            trust: Trust::default(),
            any_index: false,
        }
    }
}

/// The members of a settings document. docs/settings.md has a row for each.
pub const KEYS: &[&str] =
    &["tenant", "exceptions", "learn_until", "future_slack", "trust_envelopes", "any_index"];

/// Settings as they are written.
struct SettingsDocument {
    tenant: Option<String>,
    exceptions: Vec<exception::ExceptionDocument>,
    learn_until: Option<String>,
    future_slack: Option<String>,
    trust_envelopes: Option<Vec<String>>,
    any_index: Option<bool>,
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
            future_slack: members.text("future_slack")?,
            trust_envelopes: members.list("trust_envelopes", json::text)?,
            any_index: members.flag("any_index")?,
        };
        members.end().map(|()| document)
    }
}

impl Settings {
    /// Reads settings:
    /// `{"tenant", "exceptions": [..], "learn_until", "future_slack", "trust_envelopes": [..],
    /// "any_index"}`, every part optional; exceptions as [`exception::ExceptionDocument`]s, times as RFC 3339, lengths as `1h`.
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
        if let Some(time) = document.learn_until {
            let ms = firstseen_value::parse_time_ms(&time)
                .ok_or_else(|| format!("learn_until: `{time}` is not an RFC 3339 time"))?;
            settings.learn_until_ms = Some(ms);
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
                "trust_envelopes":["dataset:nginx.access"],"any_index":true,
                "exceptions":[{"name":"ci","query":"user.name: ci-*"}]}"#,
        )
        .unwrap();
        assert_eq!(settings.tenant, "acme");
        assert_eq!(settings.learn_until_ms, Some(1_704_067_200_000));
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

    #[test]
    fn a_fault_names_its_part() {
        for (json, part) in [
            ("[]", "settings"),
            (r#"{"tenants":1}"#, "tenants"),
            (r#"{"tenant":"a:b"}"#, "tenant"),
            (r#"{"learn_until":"soon"}"#, "learn_until"),
            (r#"{"future_slack":"1"}"#, "future_slack"),
            (r#"{"trust_envelopes":["nginx"]}"#, "trust_envelopes: `nginx`"),
            (r#"{"trust_envelopes":"log"}"#, "trust_envelopes"),
            (r#"{"any_index":"yes"}"#, "any_index"),
            (r#"{"exceptions":[{"name":"x","query":"a:("}]}"#, "exception `x`"),
        ] {
            let error = Settings::read(json).unwrap_err();
            assert!(error.contains(part), "{json}: {error}");
        }
    }
}
