//! A term of a state: its values, its sightings, its approval; and as a line of JSON, which `list` and
//! `get` print, `export` writes and `import` reads.
//!
//! In: a key and a value, untrusted. Out: what they say. What is too long for a value is cut there,
//! and a cut term is marked; a value that cannot be read is kept as it is, with the reason.

use super::select::StatePrefix;
use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firstseen_abi::MAX_VALUE;
use firstseen_rule::alert::rfc3339;
use firstseen_rule::identity::of_alert;
use firstseen_rule::state::{Alerted, Approval, Episode, TermState, read_whole};
use firstseen_value::{hex, parse_time_ms};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A term.
pub(super) struct TermRow {
    pub(super) key: String,
    /// The values in the order of the rule's fields; none where the value cannot be read.
    pub(super) values: Vec<String>,
    /// The last value is not all there.
    pub(super) is_cut: bool,
    /// The values as they are kept, a JSON array unless it is cut.
    pub(super) text: String,
    pub(super) state: Result<TermState, String>,
    pub(super) value: Vec<u8>,
    pub(super) expires_ms: i64,
}

impl TermRow {
    pub(super) fn read(key: &str, value: &[u8], expires_ms: i64) -> Self {
        let (state, text) = match read_whole(value) {
            Ok((state, text)) => (Ok(state), text.to_owned()),
            Err(error) => (Err(error.to_string()), String::new()),
        };
        let (values, is_cut) = values_of(&text);
        let (key, value) = (key.to_owned(), value.to_vec());
        Self { key, values, is_cut, text, state, value, expires_ms }
    }

    /// The values of a term's text.
    pub(super) fn values_of_text(text: &str) -> Vec<String> {
        values_of(text).0
    }

    /// The last sighting, if there was one.
    pub(super) fn last_ms(&self) -> Option<i64> {
        Some(self.state.as_ref().ok()?.episodes().last()?.last_ms)
    }

    /// The first that is remembered.
    pub(super) fn first_ms(&self) -> Option<i64> {
        Some(self.state.as_ref().ok()?.episodes().first()?.first_ms)
    }

    /// The part of the key behind the prefix.
    pub(super) fn hash(&self) -> &str {
        self.key.rsplit(':').next().unwrap_or_default()
    }

    /// The ids of the alerts that an episode gave, where they can be told.
    pub(super) fn alert_ids(&self, prefix: &StatePrefix, episode: usize) -> Vec<String> {
        let Some(episode) = self.state.as_ref().ok().and_then(|s| s.episodes().get(episode)) else {
            return Vec::new();
        };
        if self.is_cut {
            return Vec::new();
        }
        let (rule, print) = (prefix.rule_id(), prefix.fingerprint());
        let alerts = episode.alerted.iter();
        alerts.map(|alert| of_alert(rule, print, &alert.identity, &self.text)).collect()
    }

    /// The line of JSON that says all of it.
    pub(super) fn line(&self, prefix: &StatePrefix) -> StateLine {
        let mut line = StateLine {
            prefix: prefix.prefix.clone(),
            key: self.hash().to_owned(),
            expires: LineTime(self.expires_ms),
            ..StateLine::default()
        };
        match &self.state {
            Ok(state) => {
                let whole = (!self.is_cut).then(|| RawValue::from_string(self.text.clone()).ok());
                line.term = whole.flatten();
                if line.term.is_none() {
                    line.term_cut = Some(self.text.clone());
                }
                let approval = state.approval();
                line.approved_until = approval.map(|approval| LineTime(approval.until_ms));
                line.approved_reason = approval.map(|approval| approval.reason.clone());
                line.episodes = state.episodes().iter().map(EpisodeLine::of).collect();
            }
            Err(reason) => {
                line.unread = Some(reason.clone());
                line.value = Some(STANDARD.encode(&self.value));
            }
        }
        line
    }
}

/// The values of a term's text. Of one that was cut, as far as they go.
fn values_of(text: &str) -> (Vec<String>, bool) {
    if let Some(values) = array(text) {
        return (values, false);
    }
    // Cut within a string, perhaps within an escape, or behind a value.
    let ends = text.char_indices().rev().take(12).map(|(at, _)| at);
    for end in std::iter::once(text.len()).chain(ends) {
        let text = text.get(..end).unwrap_or_default();
        for closing in ["\"]", "]"] {
            if let Some(values) = array(&format!("{text}{closing}")) {
                return (values, true);
            }
        }
    }
    (Vec::new(), true)
}

fn array(text: &str) -> Option<Vec<String>> {
    // Numbers keep all of their digits.
    let values: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let value = |value: &RawValue| match value.get() {
        text if text.starts_with('"') => serde_json::from_str(text).ok(),
        text => Some(text.to_owned()),
    };
    values.into_iter().map(value).collect()
}

/// A term as a line of JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct StateLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rule_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) term: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) term_cut: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) first_sighting: Option<LineTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_sighting: Option<LineTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) approved_until: Option<LineTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) approved_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) episodes: Vec<EpisodeLine>,
    pub(super) expires: LineTime,
    pub(super) prefix: String,
    pub(super) key: String,
    /// Why the value could not be read, and the value, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unread: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
}

impl StateLine {
    /// The line with what a reader wants to know first.
    pub(super) fn shown(mut self, prefix: &StatePrefix, row: &TermRow) -> Self {
        self.rule = Some(prefix.name().to_owned());
        self.rule_id = Some(prefix.rule_id().to_owned());
        self.first_sighting = row.first_ms().map(LineTime);
        self.last_sighting = row.last_ms().map(LineTime);
        for (at, episode) in self.episodes.iter_mut().enumerate() {
            for (alerted, id) in episode.alerted.iter_mut().zip(row.alert_ids(prefix, at)) {
                alerted.alert = Some(id);
            }
        }
        self
    }

    /// Its newest sighting.
    pub(super) fn last_ms(&self) -> Option<i64> {
        self.episodes.iter().map(|episode| episode.last.0).max()
    }

    /// The value that the line says, and its expiry.
    pub(super) fn taken(&self) -> anyhow::Result<(Vec<u8>, i64)> {
        if self.key.len() != 32 || !self.key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        {
            bail!("`key` is not 32 hexadecimal digits");
        }
        if let Some(value) = &self.value {
            let value = STANDARD.decode(value).context("`value`")?;
            if value.len() > MAX_VALUE {
                bail!("`value` has more than {MAX_VALUE} bytes");
            }
            return Ok((value, self.expires.0));
        }
        let text = match (&self.term, &self.term_cut) {
            (Some(term), _) => term.get(),
            (None, Some(text)) => text,
            (None, None) => bail!("neither `term` nor `term_cut`"),
        };
        let episodes = self.episodes.iter().map(EpisodeLine::taken);
        let approval = self.approved_until.map(|until| Approval {
            until_ms: until.0,
            reason: self.approved_reason.clone().unwrap_or_default(),
        });
        let state = TermState::of(episodes.collect::<anyhow::Result<_>>()?, approval);
        let state = state.context("its sightings are not what any engine keeps")?;
        Ok((state.write(text), self.expires.0))
    }

    /// With its line break.
    pub(super) fn text(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string(self)? + "\n")
    }
}

/// A run of sightings.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EpisodeLine {
    pub(super) first: LineTime,
    pub(super) last: LineTime,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) alerted: Vec<AlertedLine>,
}

impl EpisodeLine {
    fn of(episode: &Episode) -> Self {
        let alerted = episode.alerted.iter().map(|alerted| AlertedLine {
            event: hex(&alerted.identity),
            previous: alerted.previous_ms.map(LineTime),
            alert: None,
        });
        Self {
            first: LineTime(episode.first_ms),
            last: LineTime(episode.last_ms),
            alerted: alerted.collect(),
        }
    }
}

impl EpisodeLine {
    fn taken(&self) -> anyhow::Result<Episode> {
        let alerted = self.alerted.iter().map(|alerted| {
            let identity = unhex(&alerted.event).context("`event` is not 32 hexadecimal digits")?;
            Ok(Alerted { identity, previous_ms: alerted.previous.map(|time| time.0) })
        });
        let alerted = alerted.collect::<anyhow::Result<_>>()?;
        Ok(Episode { first_ms: self.first.0, last_ms: self.last.0, alerted })
    }
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    let is_hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then(|| u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes))?
}

/// An alert that an episode gave.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AlertedLine {
    /// The identity of its event, 32 hexadecimal digits.
    pub(super) event: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) previous: Option<LineTime>,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) alert: Option<String>,
}

/// A time in a line: RFC 3339, or milliseconds where that cannot say it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LineTime(pub(super) i64);

impl Serialize for LineTime {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let text = rfc3339(self.0);
        if parse_time_ms(&text) == Some(self.0) && text.contains('T') {
            to.serialize_str(&text)
        } else {
            to.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for LineTime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Number(i64),
        }
        match Written::deserialize(from)? {
            Written::Number(ms) => Ok(Self(ms)),
            Written::Text(text) => parse_time_ms(&text)
                .map(Self)
                .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no RFC 3339 time"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_term_shows_what_there_is() {
        for (text, values, is_cut) in [
            (
                r#"["a","b\n",1.50,12345678901234567890123]"#,
                &["a", "b\n", "1.50", "12345678901234567890123"][..],
                false,
            ),
            (r#"["a","b c"#, &["a", "b c"], true),
            (r#"["a","b\u00"#, &["a", "b"], true),
            (r#"["a","b\"#, &["a", "b"], true),
            (r#"["a",12"#, &["a", "12"], true),
            (r#"["a","#, &["a"], true),
            ("", &[], true),
            ("\u{1}", &[], true),
        ] {
            let expected: Vec<String> = values.iter().map(|&v| v.to_owned()).collect();
            assert_eq!(values_of(text), (expected, is_cut), "{text}");
        }
    }

    #[test]
    fn a_time_is_the_same_when_it_is_read_again() {
        for ms in [0, -1, 1_743_494_400_123, i64::MAX, i64::MIN, 253_402_300_799_999] {
            let text = serde_json::to_string(&LineTime(ms)).unwrap();
            assert_eq!(serde_json::from_str::<LineTime>(&text).unwrap(), LineTime(ms), "{text}");
        }
        assert!(serde_json::from_str::<LineTime>("\"soon\"").is_err());
    }
}
