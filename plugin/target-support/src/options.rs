//! What is chosen when a rule is built for a pipeline that hands in no configuration.
//!
//! In: JSON (`firstseen build` writes it, a module carries it). Out: options. It never knows which
//! target takes which of them; crate compiler does.

use firstseen_event::json::{Json, Object};
use firstseen_rule::Settings;

/// Bytes of keys and values that a state in memory holds, unless something else was asked for.
pub const STATE_LIMIT: usize = 64 << 20;

/// How long an alert is kept to be given again, unless something else was asked for: milliseconds.
pub const OUTBOX_TIME: u64 = 3_600_000;

/// What becomes of a pipeline's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Records {
    /// All go on; those with alerts carry them.
    #[default]
    Annotate,
    /// Those with alerts go on, and those that could not be judged.
    Alerts,
}

/// What was chosen when the module was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What becomes of records.
    pub records: Records,
    /// The folder that the state is kept in, as the guest names it; `None`: in memory alone.
    pub state: Option<String>,
    /// The most bytes of keys and values that the state holds in memory.
    pub state_limit: usize,
    /// How long one instance has to live after it gave an alert until the alert is not kept any more
    /// to be given again, in milliseconds; 0: none is kept.
    pub outbox_time: u64,
    /// The settings as docs/abi.md has them, as JSON; empty: none.
    settings: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            records: Records::default(),
            state: None,
            state_limit: STATE_LIMIT,
            outbox_time: OUTBOX_TIME,
            settings: String::new(),
        }
    }
}

impl Options {
    /// The same options with these settings.
    ///
    /// # Errors
    /// What is wrong with the settings, and where.
    pub fn with_settings(mut self, json: &str) -> Result<Self, String> {
        Settings::read(json)?;
        json.clone_into(&mut self.settings);
        Ok(self)
    }

    /// The settings of the rules.
    ///
    /// # Errors
    /// What is wrong with them, and where.
    pub fn settings(&self) -> Result<Settings, String> {
        match self.settings.as_str() {
            "" => Ok(Settings::default()),
            json => Settings::read(json),
        }
    }

    /// The options as a module carries them: JSON, or nothing where all is as by default.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let default = Self::default();
        if *self == default {
            return Vec::new();
        }
        let mut members = Object::new();
        let mut set = |name: &str, value| {
            members.insert(name.to_owned(), value);
        };
        if self.records == Records::Alerts {
            set("records", Json::Text("alerts".to_owned()));
        }
        if let Some(path) = &self.state {
            set("state", Json::Text(path.clone()));
        }
        if self.state_limit != default.state_limit {
            set("state_limit", Json::Number(self.state_limit.to_string()));
        }
        if self.outbox_time != default.outbox_time {
            set("outbox_time", Json::Number(self.outbox_time.to_string()));
        }
        if !self.settings.is_empty() {
            set("settings", Json::Text(self.settings.clone()));
        }
        let mut out = String::new();
        Json::Object(members).write(&mut out);
        out.into_bytes()
    }

    /// Reads what [`Options::to_bytes`] wrote.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut options = Self::default();
        if bytes.is_empty() {
            return Ok(options);
        }
        let wrong = |what: &str| format!("the options in this module: {what}");
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("not UTF-8"))?;
        let Json::Object(members) = Json::read(text).map_err(|e| wrong(&e.to_string()))? else {
            return Err(wrong("no object"));
        };
        for (name, value) in members {
            match (name.as_str(), value) {
                ("records", Json::Text(text)) if text == "alerts" => {
                    options.records = Records::Alerts;
                }
                ("records", Json::Text(text)) if text == "annotate" => {}
                ("state", Json::Text(path)) => options.state = Some(path),
                ("state_limit", Json::Number(text)) => {
                    options.state_limit = text.parse().map_err(|_| wrong("state_limit"))?;
                }
                ("outbox_time", Json::Number(text)) => {
                    options.outbox_time = text.parse().map_err(|_| wrong("outbox_time"))?;
                }
                ("settings", Json::Text(text)) => options.settings = text,
                (other, _) => return Err(wrong(other)),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(Options::read(b"").unwrap(), Options::default());
        assert!(Options::default().to_bytes().is_empty());
        let options = Options {
            records: Records::Alerts,
            state: Some("a \"folder\"".to_owned()),
            state_limit: 1000,
            outbox_time: 0,
            ..Options::default()
        };
        let options = options.with_settings(r#"{"tenant":"acme"}"#).unwrap();
        assert_eq!(Options::read(&options.to_bytes()).unwrap(), options);
        assert_eq!(options.settings().unwrap().tenant, "acme");
    }

    #[test]
    fn what_nobody_wrote_is_refused() {
        assert!(Options::default().with_settings("{\"tenants\":1}").is_err());
        for bytes in [&b"{"[..], b"[]", b"\xff", br#"{"x":1}"#, br#"{"state_limit":1.5}"#] {
            assert!(Options::read(bytes).is_err(), "{bytes:?}");
        }
    }
}
