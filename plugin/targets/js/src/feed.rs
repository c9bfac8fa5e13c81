//! A file's bytes on the way to matched events: unpacked, split, looked at.
//!
//! In: pieces of a file, gzip or plain. Out: what matched and what was wrong, in a report. Nothing
//! is held but what matched and one unfinished event, so that a small packed file that unpacks to
//! a huge one costs time and no memory.

use crate::fault;
use crate::report::RunReport;
use firstseen_abi::Keys;
use firstseen_envelope::gunzip::Gunzip;
use firstseen_envelope::{EventSink, Place, SplitFault, SplitOptions, Splitter};
use firstseen_rule::Engine;
use firstseen_rule::engine::Framing;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use wasm_bindgen::JsValue;

/// How much may match in one file: all of it is held until it can be put in order.
const MAX_HELD: usize = 256 << 20;
/// How much is unpacked at once.
const UNPACKED: usize = 64 << 10;
/// What the first bytes of other packings say; read as text they would be so many bad lines.
const PACKINGS: [(&[u8], &str); 5] = [
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"PK\x03\x04", "zip"),
    (b"PAR1", "Parquet"),
];

/// A file that is being read.
#[derive(Default)]
pub(crate) struct EventFeed {
    /// Made with the first piece, with what the rules trust.
    splitter: Option<Splitter>,
    packing: Packing,
}

#[derive(Default)]
enum Packing {
    /// Nothing was read yet.
    #[default]
    Unknown,
    Plain,
    Gzip(Gunzip),
    /// Damaged: nothing more can be read.
    Broken,
}

impl EventFeed {
    pub(crate) fn push(
        &mut self,
        rules: &mut Engine,
        report: &mut RunReport,
        piece: &[u8],
        now_ms: i64,
    ) -> Result<(), JsValue> {
        if matches!(self.packing, Packing::Unknown) && !piece.is_empty() {
            if let Some((_, name)) = PACKINGS.iter().find(|(magic, _)| piece.starts_with(magic)) {
                let reason = format!("the file is {name}: unpack it; gzip is read as it is");
                return Err(fault("unsupported_file", &reason));
            }
            let gzip = piece.starts_with(&[0x1f, 0x8b]);
            self.packing = if gzip { Packing::Gzip(Gunzip::default()) } else { Packing::Plain };
        }
        if self.splitter.is_none() {
            let trust = Arc::new(rules.trust().clone());
            self.splitter = Some(Splitter::trusting(SplitOptions::default(), trust));
        }
        let mut collect = Collect { rules, report, now_ms, buffer: Vec::new() };
        let flow = match (&self.packing, &mut self.splitter) {
            (Packing::Plain, Some(splitter)) => splitter.push(piece, &mut collect),
            _ => self.unpack(piece, &mut collect),
        };
        held(flow)
    }

    pub(crate) fn finish(
        mut self,
        rules: &mut Engine,
        report: &mut RunReport,
        now_ms: i64,
    ) -> Result<(), JsValue> {
        let cut = matches!(&self.packing, Packing::Gzip(gunzip) if gunzip.is_inside());
        let mut collect = Collect { rules, report, now_ms, buffer: Vec::new() };
        if let Some(splitter) = &mut self.splitter {
            held(splitter.finish(&mut collect))?;
        }
        if cut {
            report.fault("bad_gzip: the gzip data ends early".to_owned(), 0);
        }
        Ok(())
    }

    fn unpack(&mut self, mut input: &[u8], collect: &mut Collect<'_>) -> ControlFlow<()> {
        let mut unpacked = vec![0; UNPACKED];
        loop {
            let Packing::Gzip(gunzip) = &mut self.packing else { return Continue(()) };
            let step = gunzip.unpack(input, &mut unpacked);
            input = input.get(step.taken..).unwrap_or_default();
            if let Some(fault) = step.fault {
                self.packing = Packing::Broken;
                collect.report.fault(format!("bad_gzip: {fault}"), 0);
            }
            if let Some(splitter) = &mut self.splitter {
                splitter.push(unpacked.get(..step.given).unwrap_or_default(), collect)?;
            }
            // A full buffer may hide more that needs no further input.
            if input.is_empty() && step.given < UNPACKED {
                return Continue(());
            }
        }
    }
}

fn held(flow: ControlFlow<()>) -> Result<(), JsValue> {
    let reason = "over 256 MiB of the file match: split it; nothing of it was judged";
    if flow.is_break() { Err(fault("too_large", reason)) } else { Ok(()) }
}

/// Takes what the splitter finds through step one.
struct Collect<'a> {
    rules: &'a mut Engine,
    report: &'a mut RunReport,
    now_ms: i64,
    buffer: Vec<u8>,
}

impl Collect<'_> {
    fn look(&mut self, place: Place, bytes: &[u8], framing: Framing<'_>) -> ControlFlow<()> {
        // Only a table can be malformed, and there is none.
        if self.rules.keys(bytes, framing, self.now_ms, &mut self.buffer).is_ok()
            && let Ok(keys) = Keys::read(&self.buffer)
        {
            self.report.take(&keys, bytes, Some(place.line));
        }
        if self.report.held_bytes > MAX_HELD { Break(()) } else { Continue(()) }
    }
}

impl EventSink for Collect<'_> {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        self.look(place, chunk, Framing::Lines)
    }

    fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        self.look(place, text, Framing::One)
    }

    fn no_events(&mut self, _: Place, what: &str) -> ControlFlow<()> {
        self.report.no_events(what);
        Continue(())
    }

    fn bad(&mut self, place: Place, fault: SplitFault, _: &[u8]) -> ControlFlow<()> {
        self.report.fault(format!("{}: {}", fault.code, fault.reason), place.line);
        Continue(())
    }
}
