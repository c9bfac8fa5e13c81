//! A body that is in memory as a whole: what somebody sent in one request.
//!
//! In: its bytes, packed or not. Out: a [`Source`] over its events, as of a file with these bytes, and for what has to
//! be taken apart before, its unpacked bytes. Memory: the body, one block, and what unpacking needs. It is
//! read to a limit of unpacked bytes, so that a small body cannot make much work.

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

/// A body being read.
pub struct BodySource {
    name: Arc<str>,
    bytes: Vec<u8>,
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
        Self { name, bytes, most, limits, feed: None, stored, is_too_long }
    }

    /// Is set when more of it would have to be unpacked than may be.
    #[must_use]
    pub fn is_too_long(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_too_long)
    }

    fn open(&mut self) -> io::Result<Feed> {
        let options = SplitOptions { max_event: self.limits.max_event };
        let splitter = Splitter::trusting(options, Arc::clone(&self.limits.trust));
        let splitter = splitter.marking(mark_here);
        let bytes = std::mem::take(&mut self.bytes);
        let length = Some(bytes.len() as u64);
        // What is unpacked as a whole is as large as it may be at most.
        let is_small = bytes.len() as u64 <= self.most / 8;
        let traits = FeedTraits { length: length.filter(|_| is_small), ..FeedTraits::default() };
        Feed::open(Cursor::new(bytes), traits, splitter, &self.stored, &self.limits.stages)
    }

    fn read_block(&mut self, into: &mut dyn EventSink) -> io::Result<Polled> {
        if self.feed.is_none() {
            self.feed = Some(self.open()?);
        }
        let Some(feed) = &mut self.feed else { return Ok(Polled::End) };
        let polled = feed.poll(into)?;
        if polled == Polled::More && feed.offset() > self.most {
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

/// The bytes of a body, unpacked once if they are packed.
///
/// # Errors
/// Where they are damaged, in a form that is not read, or more than `most` once they are unpacked
/// ([`io::ErrorKind::FileTooLarge`]).
pub fn unpacked_body(bytes: Vec<u8>, most: u64) -> io::Result<Vec<u8>> {
    let packing = recognise(bytes.get(..MAGIC).unwrap_or(&bytes));
    if packing == Packing::Plain {
        return Ok(bytes);
    }
    let mut all = Vec::new();
    unpacked(packing, Cursor::new(bytes))?.take(most + 1).read_to_end(&mut all)?;
    if all.len() as u64 > most { Err(too_long(most)) } else { Ok(all) }
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
        let mut source = BodySource::new("r".into(), bytes, most, ReadLimits::default());
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
    fn what_unpacks_too_far_ends_with_an_error_and_what_came_before_counts() {
        let lines = "{\"a\":1}\n".repeat(100_000);
        let (events, error) = read(gzip(lines.as_bytes()), 200_000);
        assert!((20_000..60_000).contains(&events.len()), "{}", events.len());
        assert!(error.unwrap().contains("200,000 bytes"));
        let error = unpacked_body(gzip(lines.as_bytes()), 200_000).unwrap_err().to_string();
        assert!(error.contains("several requests"), "{error}");
        assert_eq!(unpacked_body(gzip(b"abc"), 3).unwrap(), b"abc");
        assert_eq!(unpacked_body(b"abc".to_vec(), 1).unwrap(), b"abc");
        let cut = gzip(lines.as_bytes())[..500].to_vec();
        assert!(read(cut.clone(), 1 << 20).1.is_some() && unpacked_body(cut, 1 << 20).is_err());
    }
}
