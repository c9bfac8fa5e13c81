//! A body that is in memory as a whole: what somebody sent in one request.
//!
//! In: its bytes, packed or not. Out: a [`Source`] over its events, as of a file with these bytes; before that,
//! whether they are more than a body may have; and for what has to be taken apart before, its unpacked bytes. Memory: the
//! body, one block, and what unpacking needs. It is read to a limit of unpacked bytes, so that a small body cannot
//! make much work.

use super::event_count::{EventBound, EventCount};
use super::feed::{Feed, FeedTraits};
use super::input::{ReadError, ReadErrorKind, ReadLimits};
use super::marker::mark_here;
use super::unpack::{MAGIC, Packing, recognise, unpacked};
use super::{Polled, Source};
use crate::numbers::number;
use firstseen_envelope::{EventSink, SplitOptions, Splitter};
use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes that are unpacked to find out whether there are more.
const MOST_PEEKED: usize = 4 << 20;

/// Bytes that are unpacked at a time.
const UNPACKED_BLOCK: usize = 64 << 10;

/// The bytes of a body, which may be read twice.
#[derive(Clone)]
struct BodyBytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for BodyBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A body being read.
pub struct BodySource {
    name: Arc<str>,
    /// Until it is read.
    bytes: Option<BodyBytes>,
    most: u64,
    limits: ReadLimits,
    feed: Option<Feed>,
    stored: Arc<AtomicU64>,
    is_too_long: Arc<AtomicBool>,
}

impl BodySource {
    /// A body with its name, of which so many bytes may be unpacked.
    #[must_use]
    pub fn new(name: Arc<str>, bytes: Vec<u8>, most: u64, limits: ReadLimits) -> Self {
        let (stored, is_too_long) = Default::default();
        let bytes = Some(BodyBytes(Arc::new(bytes)));
        Self { name, bytes, most, limits, feed: None, stored, is_too_long }
    }

    /// Is set when more of it would have to be unpacked than may be.
    #[must_use]
    pub fn is_too_long(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_too_long)
    }

    /// Whether it shows at once that it has no more events than this, or other things where events should be; else they
    /// have to be counted. Nothing of it is handed on, and what was unpacked for it is not unpacked again.
    pub fn has_surely_at_most(&mut self, most: u64) -> bool {
        let Some(bytes) = self.bytes.as_ref().filter(|_| most < u64::MAX) else { return true };
        let is_few = |content: &[u8]| EventBound::is_at_most_in(content, most);
        if !is_packed(bytes.as_ref()) {
            return is_few(bytes.as_ref());
        }
        // Why it cannot be opened, is told when it is read.
        let Ok(mut feed) = self.open(&self.stored) else { return true };
        let is_few = feed.peek(MOST_PEEKED, is_few) == Some(true);
        self.feed = Some(feed);
        is_few
    }

    /// Whether it has more events than this, and other things where events should be, by reading it. Nothing of it is
    /// handed on.
    #[must_use]
    pub fn has_more_events_than(&self, most: u64) -> bool {
        if self.bound(most).is_ok_and(|bound| bound.is_at_most(most)) {
            return false;
        }
        let Ok(mut feed) = self.open(&Arc::default()) else { return false };
        let mut count = EventCount::new(&self.limits, most);
        loop {
            match feed.poll(&mut count) {
                Ok(Polled::More) if feed.offset() <= self.most && !count.is_over() => {}
                _ => return count.is_over(),
            }
        }
    }

    /// How many there may be by its bytes; no more of it is looked at once that is more than `most`.
    fn bound(&self, most: u64) -> io::Result<EventBound> {
        let mut bound = EventBound::default();
        let mut left = self.most;
        self.open(&Arc::default())?.each_block(&mut |block| {
            bound.push(block);
            left = left.saturating_sub(block.len() as u64);
            left > 0 && bound.is_at_most(most)
        });
        Ok(bound)
    }

    /// Its bytes again, where it was not read.
    #[must_use]
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.feed = None;
        let bytes = self.bytes.take().map(|bytes| bytes.0).unwrap_or_default();
        Arc::try_unwrap(bytes).unwrap_or_else(|bytes| bytes.to_vec())
    }

    fn open(&self, stored: &Arc<AtomicU64>) -> io::Result<Feed> {
        let options = SplitOptions { max_event: self.limits.max_event };
        let splitter = Splitter::trusting(options, Arc::clone(&self.limits.trust));
        let splitter = splitter.marking(mark_here);
        let bytes = self.bytes.clone().unwrap_or_else(|| BodyBytes(Arc::default()));
        let stored_bytes = bytes.as_ref().len() as u64;
        // What is unpacked as a whole is as large as it may be at most.
        let is_small = stored_bytes <= self.most / 8;
        let length = Some(stored_bytes).filter(|_| is_small);
        let traits = FeedTraits { length, ..FeedTraits::default() };
        Feed::open(Cursor::new(bytes), traits, splitter, stored, &self.limits.stages)
    }

    fn read_block(&mut self, into: &mut dyn EventSink) -> io::Result<Polled> {
        let mut feed = match self.feed.take() {
            Some(feed) => feed,
            None => self.open(&self.stored)?,
        };
        self.bytes = None;
        let polled = feed.poll(into);
        let offset = feed.offset();
        self.feed = Some(feed);
        let polled = polled?;
        if polled == Polled::More && offset > self.most {
            self.is_too_long.store(true, Ordering::Relaxed);
            return Err(too_long(self.most));
        }
        Ok(polled)
    }
}

impl Source for BodySource {
    fn poll(&mut self, into: &mut dyn EventSink) -> Result<Polled, ReadError> {
        self.read_block(into).map_err(|error| ReadError {
            kind: ReadErrorKind::of(&error),
            file: Arc::clone(&self.name),
            offset: self.unpacked(),
            stored_offset: self.stored(),
            reason: error.to_string(),
            advice: "pack it again and send it",
        })
    }

    fn block(&self) -> &[u8] {
        self.feed.as_ref().map_or(&[], Feed::block)
    }

    fn unpacked(&self) -> u64 {
        self.feed.as_ref().map_or(0, Feed::offset)
    }

    fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }
}

/// Whether the bytes begin as something packed that is read here.
#[must_use]
pub fn is_packed(bytes: &[u8]) -> bool {
    recognise(bytes.get(..MAGIC).unwrap_or(bytes)) != Packing::Plain
}

/// Unpacks a body once if it is packed, as it is read.
///
/// # Errors
/// Where it is in a form that is not read. Reading fails where it is damaged, or more than `most` once it is unpacked
/// ([`io::ErrorKind::FileTooLarge`]).
pub fn unpacking(bytes: Vec<u8>, most: u64) -> io::Result<Box<dyn Read>> {
    let packing = recognise(bytes.get(..MAGIC).unwrap_or(&bytes));
    let input = Cursor::new(bytes);
    Ok(match packing {
        Packing::Plain => Box::new(input),
        packing => Box::new(AtMost { input: unpacked(packing, input)?, given: 0, most }),
    })
}

/// The bytes of a body, as [`unpacking`] gives them; `holds` hears how many there are, and may refuse more.
///
/// # Errors
/// As there, and what `holds` says.
pub fn unpacked_body<E: From<io::Error>>(
    bytes: Vec<u8>,
    most: u64,
    mut holds: impl FnMut(usize) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    if !is_packed(&bytes) {
        return Ok(bytes);
    }
    let mut body = unpacking(bytes, most)?;
    let (mut all, mut block) = (Vec::new(), vec![0; UNPACKED_BLOCK]);
    loop {
        let read = match body.read(&mut block) {
            Ok(0) => return Ok(all),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        holds(all.len() + read)?;
        all.extend_from_slice(block.get(..read).unwrap_or_default());
    }
}

/// Fails behind so many bytes.
struct AtMost<R> {
    input: R,
    given: u64,
    most: u64,
}

impl<R: Read> Read for AtMost<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.given += read as u64;
        if self.given > self.most { Err(too_long(self.most)) } else { Ok(read) }
    }
}

fn too_long(most: u64) -> io::Error {
    let text =
        format!("it unpacks to more than {} bytes; send it in several requests", number(most));
    io::Error::new(io::ErrorKind::FileTooLarge, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_envelope::{Place, SplitFault};
    use std::io::Write;
    use std::ops::ControlFlow;

    #[derive(Default)]
    struct Events(Vec<String>);

    impl EventSink for Events {
        fn lines(&mut self, _: Place, chunk: &[u8]) -> ControlFlow<()> {
            self.0.extend(String::from_utf8_lossy(chunk).lines().map(str::to_owned));
            ControlFlow::Continue(())
        }
        fn event(&mut self, _: Place, text: &[u8]) -> ControlFlow<()> {
            self.0.push(String::from_utf8_lossy(text).into_owned());
            ControlFlow::Continue(())
        }
        fn bad(&mut self, _: Place, fault: SplitFault, _: &[u8]) -> ControlFlow<()> {
            self.0.push(fault.code.to_owned());
            ControlFlow::Continue(())
        }
        fn no_events(&mut self, _: Place, what: &str) -> ControlFlow<()> {
            self.0.push(what.to_owned());
            ControlFlow::Continue(())
        }
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text).unwrap();
        packed.finish().unwrap()
    }

    fn read(bytes: Vec<u8>, most: u64) -> (Vec<String>, Option<String>) {
        read_all(&mut BodySource::new("r".into(), bytes, most, ReadLimits::default()))
    }

    fn read_all(source: &mut BodySource) -> (Vec<String>, Option<String>) {
        let mut events = Events::default();
        loop {
            match source.poll(&mut events) {
                Ok(Polled::More) => {}
                Ok(Polled::End) => return (events.0, None),
                Err(error) => return (events.0, Some(error.to_string())),
            }
        }
    }

    #[test]
    fn a_body_is_read_as_a_file_with_its_bytes() {
        let event =
            |name: &str| format!(r#"{{"eventSource":"a.amazonaws.com","eventName":"{name}"}}"#);
        let all = [event("A"), event("B")];
        let records = format!(r#"{{"Records":[{}]}}"#, all.join(",")).into_bytes();
        for bytes in [records.clone(), gzip(&records), zstd::encode_all(&records[..], 1).unwrap()] {
            assert_eq!(read(bytes, 1 << 20), (all.to_vec(), None));
        }
        assert_eq!(read(Vec::new(), 1 << 20).0, ["empty input"]);
    }

    #[test]
    fn events_are_counted_before_any_is_read() {
        let event = r#"{"eventSource":"a.amazonaws.com","eventName":"A"}"#;
        let other = r#"{"@timestamp":"2025-04-01T08:00:00Z","a":1}"#;
        let quoted =
            serde_json::json!({ "@timestamp": "1", "message": format!("[{event},{event}]") });
        let nested = |text: &[u8]| {
            let data = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text);
            format!(r#"{{"Records":[{{"kinesis":{{"data":"{data}"}}}}]}}"#).into_bytes()
        };
        let lines = |count: usize| format!("{event}\n").repeat(count).into_bytes();
        let spelled = String::from_utf8(nested(&gzip(&lines(300)))).unwrap();
        let in_string = spelled.replace('"', r"\u0022");
        let in_string =
            format!(r#"{{"Records":[{{"eventSource":"aws:sqs","body":"{in_string}"}}]}}"#);
        let in_string = in_string.into_bytes();
        let spelled = spelled.replace(r#""data""#, r#""d\u0061ta""#).into_bytes();
        for (what, body, events) in [
            ("lines", lines(3), 3),
            ("blank lines", b"\n \n{}\n\n\n\n".to_vec(), 1),
            ("small ones", b"{}\n".repeat(5), 5),
            ("a last line without its end", b"{}\n{}".to_vec(), 2),
            ("an array", format!("[{event},{event},1]").into_bytes(), 3),
            ("Records", format!(r#"{{"Records":[{event},{event}]}}"#).into_bytes(), 2),
            ("over several lines", event.replace(',', ",\n").repeat(4).into_bytes(), 4),
            ("on one line", event.repeat(4).into_bytes(), 4),
            ("of two kinds", format!("{event}\t{other}\t{event}\n").into_bytes(), 3),
            ("in a string", quoted.to_string().into_bytes(), 2),
            ("no JSON", b"no\n".repeat(6), 6),
            ("in base64", nested(&lines(3)), 3),
            ("in base64 in base64", nested(&nested(&lines(3))), 3),
            ("packed in base64", nested(&gzip(&lines(300))), 300),
            ("the same spelled otherwise", spelled, 300),
            ("in a string whose quotes are spelled otherwise", in_string, 300),
        ] {
            let packed = [body.clone(), gzip(&body), zstd::encode_all(&body[..], 1).unwrap()];
            for bytes in packed {
                let has_more = |most| {
                    let limits = ReadLimits::default();
                    let mut source = BodySource::new("r".into(), bytes.clone(), 1 << 20, limits);
                    let is_sure = source.has_surely_at_most(most);
                    let has_more = source.has_more_events_than(most);
                    assert!(!(is_sure && has_more), "{what}");
                    has_more
                };
                assert!(has_more(events - 1), "{what}");
                assert!(!has_more(events), "{what}");
                // What shows at once is right for any limit.
                (1..400).for_each(|most| _ = has_more(most));
                // What was counted is read as before.
                let limits = ReadLimits::default();
                let mut source = BodySource::new("r".into(), bytes.clone(), 1 << 20, limits);
                source.has_surely_at_most(events);
                let (read, fault) = read_all(&mut source);
                assert_eq!((read, fault), self::read(bytes, 1 << 20), "{what}");
            }
        }
    }

    #[test]
    fn a_large_body_is_counted_as_a_stream_and_read_again() {
        // More than is unpacked as a whole, or looked at in advance.
        let line = format!("{{\"a\":\"{}\"}}\n", "x".repeat(1 << 10));
        let body = line.repeat(20_000).into_bytes();
        for bytes in [gzip(&body), zstd::encode_all(&body[..], 1).unwrap()] {
            let limits = ReadLimits::default();
            let mut source = BodySource::new("r".into(), bytes, 1 << 30, limits);
            assert!(source.has_more_events_than(19_999));
            assert!(!source.has_more_events_than(20_000) && !source.has_surely_at_most(20_000));
            let (events, fault) = read_all(&mut source);
            assert_eq!((events.len(), fault), (20_000, None));
        }
        // Damaged: what it has before the damage is what counts.
        let packed = gzip(&body);
        let bytes = packed[..packed.len() / 2].to_vec();
        let mut source = BodySource::new("r".into(), bytes, 1 << 30, ReadLimits::default());
        assert!(source.has_more_events_than(1_000) && !source.has_more_events_than(19_999));
        let (events, fault) = read_all(&mut source);
        assert!(events.len() > 1_000 && fault.is_some());
    }

    #[test]
    fn what_unpacks_too_far_ends_with_an_error_and_what_came_before_counts() {
        let lines = "{\"a\":1}\n".repeat(100_000);
        let (events, error) = read(gzip(lines.as_bytes()), 200_000);
        assert!((20_000..60_000).contains(&events.len()), "{}", events.len());
        assert!(error.unwrap().contains("200,000 bytes"));
        let unpacked_body = |bytes, most| unpacked_body(bytes, most, |_| io::Result::Ok(()));
        let error = unpacked_body(gzip(lines.as_bytes()), 200_000).unwrap_err().to_string();
        assert!(error.contains("several requests"), "{error}");
        assert_eq!(unpacked_body(gzip(b"abc"), 3).unwrap(), b"abc");
        assert_eq!(unpacked_body(b"abc".to_vec(), 1).unwrap(), b"abc");
        let cut = gzip(lines.as_bytes())[..500].to_vec();
        assert!(read(cut.clone(), 1 << 20).1.is_some() && unpacked_body(cut, 1 << 20).is_err());
    }
}
