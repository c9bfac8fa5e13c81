//! Which envelopes are trusted to carry CloudTrail's events: the one place that says so.
//!
//! In: what stands around a text (a dataset, a log group, a stream, a source, an index), and what a host
//! trusts besides. Out: whether what is inside counts. It reads no event. The reader asks it about one
//! event's own envelope, crate envelope about what it splits; docs/trust.md gives the reasons.

use crate::index_name::IndexName;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_value::Glob;

/// How the text of an item begins that names a document which was not opened for want of trust.
pub const NOT_OPENED: &str = "not opened: ";
/// The same for a text inside a document that is an event itself and is judged as one.
pub const TEXT_NOT_OPENED: &str = "text not opened: ";

/// The longest name that is shown of an envelope, in bytes.
const MAX_NAME: usize = 128;

/// What an envelope is named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustKind {
    /// The dataset or module of a document with the event in `message` or `event.original`.
    Dataset,
    /// The log group of CloudWatch lines.
    LogGroup,
    /// The source of an EventBridge event.
    Source,
    /// The index of a search hit.
    Index,
    /// A line in the member `log`, beside members that only a container's runtime adds.
    Log,
}

const KINDS: [(TrustKind, &str); 5] = [
    (TrustKind::Dataset, "dataset"),
    (TrustKind::LogGroup, "log-group"),
    (TrustKind::Source, "source"),
    (TrustKind::Index, "index"),
    (TrustKind::Log, "log"),
];

/// The envelopes that a host trusts besides those that always are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    named: Vec<(TrustKind, Glob)>,
}

impl Trust {
    /// Nothing besides what is always trusted.
    pub const DEFAULT: &'static Self = &Self { named: Vec::new() };

    /// Reads the entries of `trust_envelopes`: `dataset:NAME`, `log-group:NAME`, `source:NAME`,
    /// `index:NAME`, in whose names `*` stands for any characters, and `log`.
    ///
    /// # Errors
    /// A message that names the entry.
    pub fn read<'e>(entries: impl IntoIterator<Item = &'e str>) -> Result<Self, String> {
        let mut named = Vec::new();
        for entry in entries {
            let (word, name) = entry.split_once(':').unwrap_or((entry, ""));
            let kind = KINDS.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind);
            let valid = match kind {
                Some(TrustKind::Log) => word == entry,
                Some(_) => !name.is_empty(),
                None => false,
            };
            match kind.filter(|_| valid) {
                Some(kind) => named.push((kind, Glob::parse(name))),
                None => {
                    return Err(format!(
                        "`{entry}` names no envelope: write dataset:NAME, log-group:NAME, \
                         source:NAME, index:NAME or log; `*` in a name stands for any characters"
                    ));
                }
            }
        }
        Ok(Self { named })
    }

    /// Whether a host named documents of some dataset: then each document may be an envelope.
    #[must_use]
    pub fn opens_documents(&self) -> bool {
        self.named.iter().any(|(kind, _)| *kind == TrustKind::Dataset)
    }

    /// Whether a host named this envelope.
    #[must_use]
    pub fn names(&self, kind: TrustKind, name: &str) -> bool {
        self.named.iter().any(|(known, glob)| *known == kind && glob.matches(name))
    }
}

/// The entry of `trust_envelopes` that opens an envelope of this name.
#[must_use]
pub fn trust_entry(kind: TrustKind, name: &str) -> String {
    let word = KINDS.iter().find(|(known, _)| *known == kind).map_or("", |(_, word)| *word);
    if kind == TrustKind::Log {
        return word.to_owned();
    }
    let shown = name.get(..name.floor_char_boundary(MAX_NAME)).unwrap_or_default();
    format!("{word}:{}", or_dash(shown))
}

/// Whether a dataset is CloudTrail's own.
pub(crate) fn is_cloudtrail_dataset(name: &str) -> bool {
    matches!(name, "aws.cloudtrail" | "cloudtrail")
}

/// Whether a source of EventBridge is AWS itself. Partners' sources begin alike and are not.
pub(crate) fn is_aws_source(name: &str) -> bool {
    name.strip_prefix("aws.").is_some_and(|own| !own.is_empty() && !own.starts_with("partner"))
}

/// Whether an index is a data stream of another dataset (`logs-nginx.access-default`), a backing
/// index of it, or either in another cluster, in the frozen tier, out of a snapshot or reindexed.
pub(crate) fn is_foreign_index(name: &str) -> bool {
    IndexName::of(name).bare.strip_prefix("logs-").is_some_and(|stream| {
        let dataset = stream.split_once('-').map_or(stream, |(dataset, _)| dataset);
        !is_cloudtrail_dataset(dataset)
    })
}

/// Whether CloudWatch lines of this group and stream come from CloudTrail: the stream is named as
/// CloudTrail names it, `[o-ORGANIZATION_]ACCOUNT_CloudTrail_REGION[_N]`, or a host named the group.
/// The error is the entry of `trust_envelopes` that would open them.
///
/// # Errors
/// That entry.
pub fn trust_lines(trust: &Trust, group: &str, stream: &str) -> Result<(), String> {
    if is_cloudtrail_stream(stream) || trust.names(TrustKind::LogGroup, or_dash(group)) {
        return Ok(());
    }
    Err(trust_entry(TrustKind::LogGroup, group))
}

/// What an envelope without a name is called.
pub(crate) fn or_dash(name: &str) -> &str {
    if name.is_empty() { "-" } else { name }
}

fn is_cloudtrail_stream(stream: &str) -> bool {
    let Some((owner, region)) = stream.split_once("_CloudTrail_") else { return false };
    let account = match owner.rsplit_once('_') {
        Some((organization, account)) => {
            let id = organization.strip_prefix("o-");
            let is_id = |id: &str| !id.is_empty() && id.bytes().all(is_lower_alphanumeric);
            if !id.is_some_and(is_id) {
                return false;
            }
            account
        }
        None => owner,
    };
    let (region, number) = region.split_once('_').unwrap_or((region, "0"));
    account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && !region.is_empty()
        && region.bytes().all(|byte| is_lower_alphanumeric(byte) || byte == b'-')
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_lower_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Whether members with these names may stand beside a trusted `log`.
pub(crate) fn may_stand_beside_log(name: &str) -> bool {
    matches!(name, "log" | "date" | "time" | "@timestamp" | "tag" | "file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_kinds_with_names() {
        let trust = Trust::read(["dataset:nginx.*", "log", "log-group:-"]).unwrap();
        assert!(trust.names(TrustKind::Dataset, "nginx.access"));
        assert!(!trust.names(TrustKind::Dataset, "apache.access"));
        assert!(!trust.names(TrustKind::Index, "nginx.access"));
        assert!(trust.names(TrustKind::Log, ""));
        assert!(trust_lines(&trust, "", "x").is_ok());
        for wrong in ["", "nginx", "dataset", "dataset:", "log:x", "group:x", "*"] {
            let error = Trust::read([wrong]).unwrap_err();
            assert!(error.starts_with(&format!("`{wrong}` ")), "{error}");
        }
        assert_eq!(trust_entry(TrustKind::Log, "x"), "log");
        assert_eq!(trust_entry(TrustKind::Source, ""), "source:-");
        assert_eq!(trust_entry(TrustKind::Index, &"\u{e4}".repeat(99)).len(), 6 + 128);
    }

    #[test]
    fn streams_are_named_as_cloudtrail_names_them() {
        for (stream, is_one) in [
            ("111122223333_CloudTrail_us-east-1", true),
            ("111122223333_CloudTrail_us-gov-west-1_14", true),
            ("o-exampleorgid_111122223333_CloudTrail_eu-west-1_2", true),
            ("o-_111122223333_CloudTrail_eu-west-1", false),
            ("p-x_111122223333_CloudTrail_eu-west-1", false),
            ("11112222333_CloudTrail_us-east-1", false),
            ("111122223333_CloudTrail_", false),
            ("111122223333_CloudTrail_us-east-1_", false),
            ("111122223333_CloudTrail_us-east-1_x", false),
            ("2025/03/03/[$LATEST]111122223333_CloudTrail_us-east-1", false),
            ("111122223333_CloudTrail_us-east-1/x", false),
            ("", false),
        ] {
            assert_eq!(trust_lines(Trust::DEFAULT, "g", stream).is_ok(), is_one, "{stream}");
        }
        assert_eq!(trust_lines(Trust::DEFAULT, "/x", "y"), Err("log-group:/x".to_owned()));
        assert_eq!(trust_lines(Trust::DEFAULT, "", ""), Err("log-group:-".to_owned()));
    }

    #[test]
    fn names_of_sources_and_indexes() {
        assert!(is_aws_source("aws.s3") && !is_aws_source("com.shop"));
        assert!(!is_aws_source("aws.partner/shop.example/1") && !is_aws_source("aws"));
        assert!(!is_aws_source("aws."));
        for (index, is_foreign) in [
            ("logs-aws.cloudtrail-default", false),
            (".ds-logs-aws.cloudtrail-default-2025.03.01-000001", false),
            ("logs-nginx.access-default", true),
            (".ds-logs-nginx.access-default-2025.03.01-000001", true),
            ("prod:logs-nginx.access-default", true),
            ("prod:.ds-logs-nginx.access-default-2025.03.01-000001", true),
            ("partial-.ds-logs-nginx.access-default-2025.03.01-000001", true),
            ("partial-restored-.ds-logs-nginx.access-default-2025.03.01-000001", true),
            (".reindexed-v8-ds-logs-nginx.access-default-2025.03.01-000001", true),
            ("reindexed-v8-logs-nginx.access-default", true),
            ("prod:partial-.ds-logs-aws.cloudtrail-default-2025.03.01-000001", false),
            ("filebeat-8.1", false),
            ("i", false),
        ] {
            assert_eq!(is_foreign_index(index), is_foreign, "{index}");
        }
    }
}
