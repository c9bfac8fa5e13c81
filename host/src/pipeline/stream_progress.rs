//! How far a stream is decided, so that a later process passes over what it is sent again.
//!
//! In: the stream's blocks, and the places of its matches. Out: whether a match was decided before, and the
//! position for the state to keep. A position is kept between two blocks alone, where all that was handed on
//! is decided. The first bytes tell whether a stream is the one that was read before; that it still is where
//! the earlier process stopped, a digest of all bytes up to there.

use super::{OutputStatus, Pipeline};
use crate::numbers::counted;
use crate::source::Input;
use crate::state::{BatchRecord, RunChange, StreamPosition, digest_text};
use anyhow::bail;
use firstseen_session::EventAt;
use firstseen_value::hex;
use std::slice;

/// How many of its first bytes tell a stream from another one.
const HEAD: usize = 1 << 10;

/// The progress of a stream.
pub struct StreamProgress {
    /// The name of the run in the state.
    pub run: String,
    record: BatchRecord,
    /// What an earlier process reached, as long as this may be the same stream.
    before: Option<StreamPosition>,
    head: Vec<u8>,
    read: u64,
    bytes: blake3::Hasher,
    upto: Option<(u64, u64)>,
}

impl StreamProgress {
    /// Of a run, whose stream an earlier process may have decided so far. `record` is what it is decided with.
    #[must_use]
    pub fn new(run: String, record: BatchRecord, before: Option<StreamPosition>) -> Self {
        let bytes = blake3::Hasher::new();
        let upto = before.as_ref().and_then(|before| before.upto);
        Self { run, record, before, head: Vec::new(), read: 0, bytes, upto }
    }

    /// The change with which the state begins it, unless it goes on.
    #[must_use]
    pub fn begin(&self) -> Option<RunChange> {
        let stream = Some(StreamPosition::default());
        let record = || BatchRecord { stream, ..self.record.clone() };
        self.before.is_none().then(|| RunChange::Begin(Box::new(record()), Vec::new()))
    }

    /// Takes a block before its matches are decided. The change is there where it shows to be another stream
    /// than the one before, and a sentence where that was not over.
    ///
    /// # Errors
    /// Where it began as the one before and is another at its position.
    pub fn read(&mut self, block: &[u8]) -> anyhow::Result<Option<(RunChange, Option<String>)>> {
        let room = HEAD.saturating_sub(self.head.len()).min(block.len());
        self.head.extend_from_slice(block.get(..room).unwrap_or_default());
        let (mut is_other, mut told) = (false, None);
        let mut rest = block;
        if let Some(before) = &self.before {
            let head = hex(&self.head);
            let known = before.head.len().min(head.len());
            if head.get(..known) != before.head.get(..known) {
                told = (!before.ended).then(|| given_up(before));
                (self.before, self.upto, is_other) = (None, None, true);
            } else if let Ok(left @ 1..) = usize::try_from(before.read.saturating_sub(self.read))
                && let Some((up_to, behind)) = block.split_at_checked(left)
            {
                self.bytes.update(up_to);
                rest = behind;
                if digest_text(&self.bytes.finalize()) != before.digest {
                    bail!(
                        "the stream began as the one that an earlier run decided, and is another before byte \
                         {}: send that again, or give --restart-batch to decide this one from its beginning",
                        before.read
                    );
                }
            }
        }
        self.bytes.update(rest);
        self.read += block.len() as u64;
        Ok(self.begin().filter(|_| is_other).map(|begin| (begin, told)))
    }

    /// Whether an earlier process decided a match.
    #[must_use]
    pub fn skips(&self, at: &EventAt) -> bool {
        self.before.as_ref().is_some_and(|before| before.upto >= Some(place(at)))
    }

    /// Takes a match that is to be decided.
    pub fn take(&mut self, at: &EventAt) {
        self.upto = self.upto.max(Some(place(at)));
    }

    /// The position behind what was read, for a commit; nothing before the earlier one is reached.
    #[must_use]
    pub fn reached(&self, ended: bool) -> Option<RunChange> {
        let is_behind = self.before.as_ref().is_none_or(|before| self.read >= before.read);
        is_behind.then(|| {
            RunChange::ReadTo(StreamPosition {
                head: hex(&self.head),
                upto: self.upto,
                read: self.read,
                digest: digest_text(&self.bytes.finalize()),
                ended,
            })
        })
    }

    /// The stream is over; how much of it was decided before and did not come again.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.before.as_ref().map_or(0, |before| before.read.saturating_sub(self.read))
    }
}

impl Pipeline<'_> {
    /// Reads a stream on from where an earlier process was, or from its beginning; that it ended is kept.
    ///
    /// # Errors
    /// As for [`Self::run`]; a stream that is not the one whose beginning it has, or ends before what was
    /// decided of it.
    pub fn run_stream(
        &mut self,
        progress: StreamProgress,
        stream: &Input,
    ) -> anyhow::Result<OutputStatus> {
        if let Some(begin) = progress.begin() {
            self.decider.change_run(&progress.run, begin)?;
        }
        self.decider.stream = Some(progress);
        let status = self.run(slice::from_ref(stream))?;
        let Some(progress) = self.decider.stream.take() else { return Ok(status) };
        if status == OutputStatus::Closed || self.stop.is_requested() {
            return Ok(status);
        }
        match progress.reached(true) {
            Some(change) => self.decider.change_run(&progress.run, change)?,
            None => bail!(
                "the stream ended {} before what an earlier run decided of it: send all of it again, or \
                 give --restart-batch to decide this one from its beginning",
                counted(progress.missing(), "byte", "bytes")
            ),
        }
        Ok(status)
    }
}

/// What is said where the position of a stream that was killed is given up.
fn given_up(before: &StreamPosition) -> String {
    format!(
        "the stream is another than the one that the run before was ended in, {} of it decided: that \
         position is given up. Send the other one again after this: what was decided of it does not alert again. \
         Streams that take turns need a --name each",
        counted(before.read, "byte", "bytes")
    )
}

/// Events are handed on in this order.
fn place(at: &EventAt) -> (u64, u64) {
    (at.offset, at.record.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64, record: Option<u64>) -> EventAt {
        EventAt { input: 0, offset, line: 1, record }
    }

    fn position(stream: &[u8], upto: u64, ended: bool) -> StreamPosition {
        let mut first = StreamProgress::new("r".into(), BatchRecord::default(), None);
        first.read(stream).unwrap();
        first.take(&at(upto, None));
        let Some(RunChange::ReadTo(position)) = first.reached(ended) else { panic!() };
        position
    }

    fn again(before: &StreamPosition) -> StreamProgress {
        StreamProgress::new("r".into(), BatchRecord::default(), Some(before.clone()))
    }

    #[test]
    fn what_is_sent_again_is_passed_over_in_blocks_of_any_size() {
        let stream: Vec<u8> = (0..5000_u32).map(|n| (n * n % 251) as u8).collect();
        let before = position(&stream[..3000], 2900, false);
        for size in [1, 7, 1023, 1024, 2999, 3000, 3001, 5000] {
            let mut next = again(&before);
            assert!(next.begin().is_none());
            for block in stream.chunks(size) {
                assert_eq!(next.read(block).unwrap(), None);
                let is_behind = next.read >= 3000;
                assert_eq!(next.reached(false).is_some(), is_behind);
            }
            assert!(next.skips(&at(2900, None)) && next.skips(&at(5, Some(9))));
            assert!(!next.skips(&at(2900, Some(1))) && !next.skips(&at(2901, None)));
            next.take(&at(4000, None));
            let Some(RunChange::ReadTo(reached)) = next.reached(true) else { panic!() };
            assert_eq!(reached, position(&stream, 4000, true));
        }
    }

    #[test]
    fn another_stream_begins_and_one_that_changes_midway_is_refused() {
        let stream = [b'a'; 4000];
        let before = position(&stream, 3900, false);
        for differs in [0, 1000, 1023] {
            let mut other = stream;
            other[differs] = b'b';
            let mut next = again(&before);
            let begun: Vec<_> = other.chunks(100).filter_map(|b| next.read(b).unwrap()).collect();
            assert!(matches!(begun.as_slice(), [(RunChange::Begin(..), Some(_))]), "{differs}");
            assert!(!next.skips(&at(0, None)));
            assert!(next.reached(false).is_some());
        }
        for differs in [1024, 3999] {
            let mut other = stream;
            other[differs] = b'b';
            let mut next = again(&before);
            let fault = other.chunks(100).try_for_each(|b| next.read(b).map(|_| ())).unwrap_err();
            assert!(fault.to_string().contains("--restart-batch"), "{fault}");
        }
        let mut next = again(&before);
        next.read(&stream[..500]).unwrap();
        assert_eq!((next.missing(), next.reached(true)), (3500, None));
    }
}
