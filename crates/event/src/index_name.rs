//! The name of an index, taken apart: its cluster, and the stream or index that a backing index is of.
//!
//! In: a name as a document has it. Out: its parts. It never says whether an index is trusted, and knows
//! no pattern of a rule.

use alloc::string::String;

/// What Elasticsearch puts before the name of an index in the frozen tier or out of a snapshot.
const PREFIXES: [&str; 2] = ["partial-", "restored-"];

/// The index that a document names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedIndex {
    /// Its name, as the document has it.
    pub name: String,
    /// The name is made of `data_stream.*`, which says nothing about the cluster.
    pub is_stream: bool,
}

/// The parts of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexName<'n> {
    /// The cluster, in `CLUSTER:NAME`.
    pub cluster: Option<&'n str>,
    /// The name in its cluster.
    pub full: &'n str,
    /// The same without what Elasticsearch has put around it: the data stream of a backing index
    /// (`.ds-NAME-DATE-GENERATION`), the index that was reindexed, restored, shrunk or frozen.
    pub bare: &'n str,
}

impl<'n> IndexName<'n> {
    /// Takes a name apart.
    #[must_use]
    pub fn of(name: &'n str) -> Self {
        // No index has a colon in its own name.
        let (cluster, full) = match name.rsplit_once(':') {
            Some((cluster, full)) => (Some(cluster), full),
            None => (None, name),
        };
        Self { cluster, full, bare: bare(full) }
    }
}

fn bare(mut name: &str) -> &str {
    let mut is_backing = false;
    loop {
        let (rest, of_stream) = if let Some(rest) = name.strip_prefix(".ds-") {
            (rest, true)
        } else if let Some(rest) = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) {
            (rest, false)
        } else if let Some(rest) = copied(name) {
            rest
        } else {
            break;
        };
        name = rest;
        is_backing |= of_stream;
    }
    if is_backing { stream(name) } else { name }
}

/// The source of an index that was copied (`.reindexed-vN-`, `.migrated-`, `shrink-ID-`), and whether
/// it is a backing index, whose dot is gone.
fn copied(name: &str) -> Option<(&str, bool)> {
    let open = name.strip_prefix('.').unwrap_or(name);
    let rest = if let Some(rest) = open.strip_prefix("reindexed-v") {
        let (version, rest) = rest.split_once('-')?;
        is_number(version, 1).then_some(rest)?
    } else if let Some(rest) = name.strip_prefix("shrink-") {
        rest.split_once('-').map(|(_, rest)| rest).filter(|rest| rest.starts_with(".ds-"))?
    } else {
        name.strip_prefix(".migrated-")?
    };
    Some(match rest.strip_prefix("ds-") {
        Some(rest) => (rest, true),
        None => (rest, false),
    })
}

/// The stream of `NAME-2025.03.01-000001`, or of `NAME-000001`.
fn stream(backing: &str) -> &str {
    let Some((dated, generation)) = backing.rsplit_once('-') else { return backing };
    if !is_number(generation, 6) {
        return backing;
    }
    let is_date = |text: &str| text.len() == 10 && text.split('.').all(|part| is_number(part, 2));
    match dated.rsplit_once('-') {
        Some((name, date)) if is_date(date) => name,
        _ => dated,
    }
}

fn is_number(text: &str, least: usize) -> bool {
    text.len() >= least && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let stream = "logs-aws.cloudtrail-default";
        for name in [
            stream,
            ".ds-logs-aws.cloudtrail-default-2025.03.01-000001",
            ".ds-logs-aws.cloudtrail-default-000017",
            "prod:.ds-logs-aws.cloudtrail-default-2025.03.01-1000000",
            "partial-.ds-logs-aws.cloudtrail-default-2025.03.01-000001",
            "partial-restored-.ds-logs-aws.cloudtrail-default-2025.03.01-000001",
            "shrink-a1b2-.ds-logs-aws.cloudtrail-default-2025.03.01-000001",
            ".reindexed-v8-ds-logs-aws.cloudtrail-default-2025.03.01-000001",
            "prod:.migrated-ds-logs-aws.cloudtrail-default-2025.03.01-000001",
            "reindexed-v8-logs-aws.cloudtrail-default",
        ] {
            assert_eq!(IndexName::of(name).bare, stream, "{name}");
        }
        let name = IndexName::of("eu:prod:.ds-a-2025.03.01-000001");
        assert_eq!((name.cluster, name.full), (Some("eu:prod"), ".ds-a-2025.03.01-000001"));
        assert_eq!(IndexName::of("prod:").bare, "");
    }

    #[test]
    fn what_looks_like_it_is_kept() {
        for name in [
            "filebeat-8.1-2025.03.01-000001",
            "reindexed-vms",
            "reindexed-v8x-logs",
            "shrink-wrapped-goods",
            "migrated-users",
            "",
        ] {
            assert_eq!(IndexName::of(name).bare, name);
        }
        for (name, bare) in [
            (".ds-a-2025.03.1-000001", "a-2025.03.1"),
            (".ds-a-2025.03.01-00001", "a-2025.03.01-00001"),
            (".ds-000001", "000001"),
            (".ds-2025.03.01-000001", "2025.03.01"),
        ] {
            assert_eq!(IndexName::of(name).bare, bare, "{name}");
        }
    }
}
