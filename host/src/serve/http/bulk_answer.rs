//! The answer to `_bulk`: for each item what became of it, in the form that Elasticsearch's clients read.
//!
//! In: the items of a request, and what was decided of its lines. Out: JSON, piece by piece as it is sent: that of 100,000
//! items is 20 MB. What it is made of has its share of the memory for bodies until the last piece is out.

use super::bulk::{BulkItem, BulkRequest};
use super::room::RoomShare;
use crate::serve::ledger::{BodyFault, BodyResult};
use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Bytes of the answer that are made at a time, and somewhat more.
const PIECE: usize = 64 << 10;

/// An answer on its way.
pub(super) struct BulkAnswer {
    request: BulkRequest,
    /// Sorted by their lines, of each the first.
    faults: Vec<BodyFault>,
    took_ms: u64,
    part: AnswerPart,
    /// Bytes that are still to come.
    left: u64,
    /// What it holds is counted as long as it is there.
    _room: Option<RoomShare>,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnswerPart {
    Head,
    Item(usize),
    Nothing,
}

impl BulkAnswer {
    /// To this request, of which this was decided.
    pub(super) fn new(
        mut request: BulkRequest,
        result: BodyResult,
        took_ms: u64,
        mut room: Option<RoomShare>,
    ) -> Self {
        request.lines = Vec::new();
        let mut faults = result.faults;
        faults.sort_by_key(|fault| fault.line);
        faults.dedup_by_key(|fault| fault.line);
        if let Some(room) = &mut room {
            let texts = |fault: &BodyFault| fault.code.capacity() + fault.reason.capacity();
            let faults = faults.iter().map(|fault| texts(fault) + size_of::<BodyFault>());
            // It is committed, and has to be answered.
            let _ = room.hold(request.size() + faults.sum::<usize>());
        }
        let part = AnswerPart::Head;
        let mut answer = Self { request, faults, took_ms, part, left: 0, _room: room };
        let mut piece = Vec::new();
        while answer.part != AnswerPart::Nothing {
            piece.clear();
            answer.write(&mut piece);
            answer.left += piece.len() as u64;
        }
        answer.part = AnswerPart::Head;
        answer
    }

    /// Why an item was not taken, as its answer says it.
    fn refusal(&self, item: &BulkItem) -> Option<(&str, &str)> {
        match item.line() {
            None => Some(("", self.request.reason(item))),
            Some(line) => {
                let found = self.faults.binary_search_by_key(&line, |fault| fault.line).ok()?;
                let fault = self.faults.get(found)?;
                Some((&fault.code, &fault.reason))
            }
        }
    }

    /// The next piece.
    fn write(&mut self, out: &mut Vec<u8>) {
        let items = self.request.items();
        let first = match self.part {
            AnswerPart::Head => {
                let errors = items.iter().any(|item| self.refusal(item).is_some());
                put(out, format_args!("{{\"errors\":{errors},\"items\":["));
                0
            }
            AnswerPart::Item(number) => number,
            AnswerPart::Nothing => return,
        };
        for (number, item) in items.iter().enumerate().skip(first) {
            if out.len() >= PIECE {
                self.part = AnswerPart::Item(number);
                return;
            }
            if number > 0 {
                out.push(b',');
            }
            self.item(number, item, out);
        }
        put(out, format_args!("],\"took\":{}}}\n", self.took_ms));
        self.part = AnswerPart::Nothing;
    }

    fn item(&self, number: usize, item: &BulkItem, out: &mut Vec<u8>) {
        put(out, format_args!("{{\"{}\":{{\"_id\":", item.action()));
        text(out, self.request.id(item));
        put(out, format_args!(",\"_index\":"));
        text(out, self.request.index(item));
        match self.refusal(item) {
            Some((code, reason)) => {
                put(out, format_args!(",\"error\":{{\"reason\":"));
                match code {
                    "" => text(out, reason),
                    code => text(out, &format!("{code}: {reason}")),
                }
                put(
                    out,
                    format_args!(",\"type\":\"document_parsing_exception\"}},\"status\":400}}}}"),
                );
            }
            None => put(
                out,
                format_args!(
                    ",\"_primary_term\":1,\"_seq_no\":{number},\
                     \"_shards\":{{\"failed\":0,\"successful\":1,\"total\":1}},\
                     \"_version\":1,\"result\":\"created\",\"status\":201}}}}"
                ),
            ),
        }
    }

    /// All of it.
    #[cfg(test)]
    pub(super) fn all(mut self) -> serde_json::Value {
        let mut all = Vec::new();
        let mut piece = Vec::new();
        while self.part != AnswerPart::Nothing {
            piece.clear();
            self.write(&mut piece);
            all.append(&mut piece);
        }
        assert_eq!(all.len() as u64, self.left);
        serde_json::from_slice(&all).unwrap()
    }
}

fn put(out: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    // A vector takes everything.
    let _ = out.write_fmt(what);
}

/// A JSON string.
fn text(out: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(out, text);
}

impl Body for BulkAnswer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut piece = Vec::with_capacity(self.left.min(2 * PIECE as u64) as usize);
        self.write(&mut piece);
        self.left = self.left.saturating_sub(piece.len() as u64);
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.part == AnswerPart::Nothing
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
