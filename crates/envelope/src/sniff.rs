//! What a line is, from its first key.
//!
//! In: the first bytes of a line. Out: whether it is one plain event, as far as its first key can
//! tell. It never reads past that key, so that the decision costs nanoseconds and depends on the
//! line alone, not on how the input was cut into pieces.

use crate::bytes::{Separator, from};

/// How many bytes of a line are looked at. A first key that is not over by then is unknown.
pub(crate) const REACH: usize = 128;
/// How many first keys are learned; a stream of documents has a few forms, not many.
const MAX_LEARNED: usize = 64;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// First keys of documents that hold one event in a string, or none: never learned. (Envelopes of
/// several events need no list; their lines are searched for the array's key.)
const NEVER_LEARNED: &[&[u8]] = &[
    b"awslogs",
    b"CloudTrailEvent",
    b"EventId",
    b"EventName",
    b"EventTime",
    b"EventSource",
    b"Username",
    b"ReadOnly",
    b"AccessKeyId",
    b"Resources",
    b"Type",
    b"MessageId",
    b"TopicArn",
    b"Subject",
    b"Message",
    b"s3Bucket",
    b"s3ObjectKey",
    b"Service",
    b"Event",
    b"Time",
    b"Bucket",
    b"RequestId",
    b"HostId",
    b"awsAccountId",
    b"digestStartTime",
    b"digestEndTime",
    b"digestS3Bucket",
    b"digestS3Object",
    b"events",
    b"logStreamName",
];

/// What the beginning of a line shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sniff<'a> {
    /// More bytes are needed.
    More,
    /// A byte order mark.
    Bom,
    /// An object that begins as CloudTrail's events and ECS documents do.
    Plain,
    /// An object whose first key has been seen on single events.
    Learned,
    /// An object with another first key; its other keys have to be looked at.
    Unknown(&'a [u8]),
    /// An array, an object whose first key is not on this line, or the comma before one
    /// (as in an array that lost its brackets).
    Document,
    /// Neither an object nor an array.
    NotJson,
}

/// The first keys that have been seen on single events.
#[derive(Debug, Default)]
pub(crate) struct FirstKeys {
    learned: Vec<Vec<u8>>,
    /// Envelopes in an ECS document are opened: `@timestamp` says nothing of it.
    opens_ecs: bool,
}

impl FirstKeys {
    /// None yet. `opens_ecs` where somebody trusts envelopes in ECS documents.
    pub(crate) fn new(opens_ecs: bool) -> Self {
        Self { learned: Vec::new(), opens_ecs }
    }

    /// Sniffs at a line; `line` begins with a byte that is no white space and may go on beyond the
    /// line's end.
    #[inline]
    pub(crate) fn sniff<'a>(&self, line: &'a [u8]) -> Sniff<'a> {
        // The form of nearly all lines; no envelope begins so.
        if line.starts_with(b"{\"eventVersion\"")
            || !self.opens_ecs && line.starts_with(b"{\"@timestamp\"")
        {
            return Sniff::Plain;
        }
        match line.first() {
            Some(b'{') => self.sniff_object(line),
            Some(b'[' | b',') => Sniff::Document,
            Some(0xef) if line.starts_with(BOM) => Sniff::Bom,
            None => Sniff::More,
            Some(_) => match Separator::of(line) {
                Separator::Open => Sniff::More,
                Separator::Bytes(_) => Sniff::Document,
                Separator::None => Sniff::NotJson,
            },
        }
    }

    fn sniff_object<'a>(&self, line: &'a [u8]) -> Sniff<'a> {
        let reach = line.get(..REACH).unwrap_or(line);
        let at_end = if reach.len() < REACH { Sniff::More } else { Sniff::Document };
        let inside = from(reach, 1);
        let Some(start) = inside.iter().position(|byte| !matches!(byte, b' ' | b'\t')) else {
            return at_end;
        };
        let Some(key) = from(inside, start).strip_prefix(b"\"") else {
            return Sniff::Document;
        };
        // A backslash makes the key unknown, and a line break makes the line no whole document.
        match memchr::memchr3(b'"', b'\\', b'\n', key) {
            None => at_end,
            Some(end) => match (key.get(end), key.get(..end)) {
                (Some(b'"'), Some(b"eventVersion")) => Sniff::Plain,
                (Some(b'"'), Some(b"@timestamp")) if !self.opens_ecs => Sniff::Plain,
                (Some(b'"'), Some(b"@timestamp")) => Sniff::Document,
                (Some(b'"'), Some(key)) if self.has_learned(key) => Sniff::Learned,
                (Some(b'"'), Some(key)) => Sniff::Unknown(key),
                _ => Sniff::Document,
            },
        }
    }

    fn has_learned(&self, key: &[u8]) -> bool {
        self.learned.iter().any(|learned| learned == key)
    }

    /// A document that began with `key` turned out to be a single event.
    pub(crate) fn learn(&mut self, key: Vec<u8>) {
        if self.learned.len() < MAX_LEARNED && !NEVER_LEARNED.contains(&key.as_slice()) {
            self.learned.push(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_keys() {
        let keys = FirstKeys::default();
        for (line, expected) in [
            (r#"{"eventVersion":"1.08"}"#, Sniff::Plain),
            (r#"{ "@timestamp" : "0"}"#, Sniff::Plain),
            (r#"{"Records":["#, Sniff::Unknown(b"Records")),
            (r#"{"ver"#, Sniff::More),
            ("{", Sniff::More),
            ("", Sniff::More),
            ("{\n\"version\"", Sniff::Document),
            (r#"{"\u0052ecords""#, Sniff::Document),
            ("{}", Sniff::Document),
            ("[", Sniff::Document),
            ("\u{feff}{", Sniff::Bom),
            ("hello", Sniff::NotJson),
            ("\"text\"", Sniff::NotJson),
        ] {
            assert_eq!(keys.sniff(line.as_bytes()), expected, "{line}");
        }
        assert_eq!(keys.sniff(b"\xef\xbb"), Sniff::More);
        let long = format!("{{\"{}", "k".repeat(REACH));
        assert_eq!(keys.sniff(long.as_bytes()), Sniff::Document);
    }

    #[test]
    fn learns_plain_keys_but_no_envelopes() {
        let mut keys = FirstKeys::default();
        assert_eq!(keys.sniff(b"{\"foo\":1}"), Sniff::Unknown(b"foo"));
        keys.learn(b"foo".to_vec());
        assert_eq!(keys.sniff(b"{\"foo\":1}"), Sniff::Learned);
        keys.learn(b"s3Bucket".to_vec());
        assert_eq!(keys.sniff(b"{\"s3Bucket\":1}"), Sniff::Unknown(b"s3Bucket"));
    }
}
