//! What reading an input must give, whole or broken.
use super::*;
use crate::source::feed::{FILE_BLOCK, has_json};
use firstseen_envelope::{Place, SplitFault};
use std::cell::Cell;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;

/// Keeps what it hears.
#[derive(Default)]
struct Heard {
    text: Vec<u8>,
    no_events: Vec<String>,
    stop: bool,
}

impl EventSink for Heard {
    fn lines(&mut self, _: Place, chunk: &[u8]) -> ControlFlow<()> {
        self.text.extend_from_slice(chunk);
        if self.stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
    fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        self.lines(place, text)
    }
    fn no_events(&mut self, _: Place, what: &str) -> ControlFlow<()> {
        self.no_events.push(what.to_owned());
        ControlFlow::Continue(())
    }
    fn bad(&mut self, _: Place, _: SplitFault, text: &[u8]) -> ControlFlow<()> {
        self.text.extend_from_slice(text);
        ControlFlow::Continue(())
    }
}

fn lines(count: u64) -> Vec<u8> {
    let number = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..count).flat_map(|i| format!("{{\"eventVersion\":{}}}\n", number(i)).into_bytes()).collect()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

fn read(path: &Path) -> (Vec<u8>, u64, Result<(), ReadError>) {
    let (mut heard, mut last) = (Heard::default(), 0);
    let mut source = Input::file(path.to_path_buf()).source(ReadLimits::default(), None);
    loop {
        let polled = source.poll(&mut heard);
        assert!(source.stored() >= last, "progress goes back");
        last = source.stored();
        match polled {
            Ok(Polled::More) => {}
            Ok(Polled::End) => return (heard.text, last, Ok(())),
            Err(error) => return (heard.text, last, Err(error)),
        }
    }
}

#[test]
fn packed_or_not_the_events_are_the_same_whatever_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.txt");
    let text = lines(100_000);
    let zstd = zstd::encode_all(&text[..], 1).unwrap();
    for stored in [text.clone(), gzip(&text), [gzip(&text[..15]), gzip(&text[15..])].concat(), zstd]
    {
        std::fs::write(&path, &stored).unwrap();
        let (heard, progress, result) = read(&path);
        result.unwrap();
        assert!(heard == text);
        assert_eq!(progress, stored.len() as u64);
    }
}

#[test]
fn empty_files_are_fine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty");
    for stored in [vec![], gzip(b""), zstd::encode_all(&b""[..], 1).unwrap()] {
        std::fs::write(&path, stored).unwrap();
        let (heard, _, result) = read(&path);
        result.unwrap();
        assert_eq!(heard, b"");
    }
}

#[test]
fn a_truncated_file_gives_its_events_then_an_error_that_says_where_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gz");
    let text = lines(100_000);
    for packed in [gzip(&text), zstd::encode_all(&text[..], 1).unwrap()] {
        let half = packed.len() / 2;
        std::fs::write(&path, &packed[..half]).unwrap();
        let (heard, _, result) = read(&path);
        let error = result.unwrap_err();
        assert_eq!(error.kind, ReadErrorKind::Truncated);
        assert!(text.starts_with(&heard) && heard.len() > text.len() / 3);
        assert_eq!((error.offset, error.stored_offset), (heard.len() as u64, half as u64));
        let shown = error.to_string();
        let offset = crate::numbers::number(error.offset);
        for part in ["a.gz: ", "ends early", &offset, "fetch it again"] {
            assert!(shown.contains(part), "{shown}");
        }
    }
}

#[test]
fn a_damaged_file_gives_what_came_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gz");
    let text = lines(100_000);
    let mut packed = gzip(&text);
    let half = packed.len() / 2;
    packed[half..half + 50].fill(0xff);
    std::fs::write(&path, packed).unwrap();
    let (heard, _, result) = read(&path);
    assert_eq!(result.unwrap_err().kind, ReadErrorKind::Corrupt);
    let whole = &heard[..heard.len() - 100];
    assert!(whole.len() > text.len() / 3);
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let error = read(&path).2.unwrap_err();
    assert_eq!(error.kind, ReadErrorKind::Replaced);
    assert!(error.to_string().contains("/a: No such file"), "{error}");

    std::fs::write(&path, b"PK\x03\x04 and so on").unwrap();
    let error = read(&path).2.unwrap_err();
    assert_eq!(error.kind, ReadErrorKind::Unsupported);
    assert!(error.to_string().contains("unpack or convert it first"), "{error}");
}

#[test]
fn a_file_that_grows_is_read_to_its_length_at_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let text = lines(20_000);
    assert!(text.len() > 2 * FILE_BLOCK);
    std::fs::write(&path, &text).unwrap();
    let mut source = Input::file(path.clone()).source(ReadLimits::default(), None);
    let mut heard = Heard::default();
    assert_eq!(source.poll(&mut heard).unwrap(), Polled::More);
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"eventVersion\":1}\n").unwrap();
    let error = loop {
        match source.poll(&mut heard) {
            Ok(polled) => assert_eq!(polled, Polled::More),
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind, heard.text.len()), (ReadErrorKind::Grew, text.len()));
    assert!(error.to_string().contains("was not read; run again"), "{error}");
}

#[test]
fn a_file_that_is_cut_or_renamed_while_it_is_read() {
    for cut in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let text = lines(20_000);
        std::fs::write(&path, &text).unwrap();
        let input = Input::file(path.clone());
        let file = input.readable_again();
        assert!(file.is_some());
        let mut source = input.source_of(ReadLimits::default(), None, file);
        let mut heard = Heard::default();
        assert_eq!(source.poll(&mut heard).unwrap(), Polled::More);
        if cut {
            std::fs::write(&path, "").unwrap();
        } else {
            std::fs::rename(&path, folder.path().join("log.1")).unwrap();
            std::fs::write(&path, "{}\n".repeat(100_000)).unwrap();
        }
        let end = loop {
            match source.poll(&mut heard) {
                Ok(Polled::More) => {}
                end => break end,
            }
        };
        if cut {
            let error = end.unwrap_err();
            assert_eq!(error.kind, ReadErrorKind::Shrank);
            assert!(error.to_string().contains("it was cut from"), "{error}");
        } else {
            assert_eq!((end.unwrap(), heard.text.len()), (Polled::End, text.len()));
        }
    }
}

#[test]
fn a_piece_is_of_the_file_that_was_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
    std::fs::write(&path, lines(2)).unwrap();
    let meta = std::fs::metadata(&path).unwrap();
    let input = Input::piece(path.clone(), "log", (0, meta.len()), 0, false);
    let input = input.of_file((meta.dev(), meta.ino()));
    let mut heard = Heard::default();
    input.read(ReadLimits::default(), &mut heard).unwrap();
    assert_eq!(heard.text.len() as u64, meta.len());
    std::fs::rename(&path, moved).unwrap();
    std::fs::write(&path, lines(2)).unwrap();
    let mut heard = Heard::default();
    let error = input.read(ReadLimits::default(), &mut heard).unwrap_err();
    assert_eq!((error.kind, heard.text.len()), (ReadErrorKind::Replaced, 0));
    assert_eq!(error.to_string(), "log: another file has its name by now");
}

#[test]
fn packed_data_in_packed_data_is_read_and_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.gz");
    let text = lines(1000);
    let packed = |times: usize| (0..times).fold(text.clone(), |text, _| gzip(&text));
    for times in 1..=4 {
        std::fs::write(&path, packed(times)).unwrap();
        let (found, _, result) = read(&path);
        assert!(found == text && result.is_ok(), "{times}: {result:?}");
    }
    std::fs::write(&path, packed(5)).unwrap();
    let error = read(&path).2.unwrap_err();
    assert!(error.to_string().contains("more than 4 times"), "{error}");
    // Gzip of gzip of spaces: a few hundred bytes that would be 100 MB.
    let spaces = vec![b' '; 100 << 20];
    std::fs::write(&path, gzip(&gzip(&spaces))).unwrap();
    let error = read(&path).2.unwrap_err();
    assert!(error.to_string().contains("expands too far"), "{error}");
    assert!(error.offset < 40 << 20, "{error:?}");
    // Lines that are no events, more than there are packed bytes.
    std::fs::write(&path, gzip(&b"x\n".repeat(2 << 20))).unwrap();
    let error = read(&path).2.unwrap_err();
    assert!(error.to_string().contains("more lines that are no events"), "{error}");
}

#[test]
fn a_licence_beside_the_logs_is_no_log_unless_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("LICENSE");
    let event = "{\"eventVersion\":1}\n";
    for (text, is_log) in
        [("MIT License\n\nPermission", false), (&format!("broken\n {event}"), true), ("", true)]
    {
        std::fs::write(&path, text).unwrap();
        let source = Input::file(path.clone());
        for (source, is_log) in [(source.clone(), true), (source.in_folder(), is_log)] {
            let mut heard = Heard::default();
            source.read(ReadLimits::default(), &mut heard).unwrap();
            assert_eq!(heard.no_events.is_empty(), is_log && !text.is_empty(), "{text}");
            assert_eq!(heard.text.is_empty(), !is_log || text.is_empty(), "{text}");
        }
    }
    assert!(has_json(b"\xef\xbb\xbf[") && has_json(b"x\r\n\t{") && !has_json(b"x {\n"));
    assert!(has_json(b",{") && has_json(b"\x1e{") && has_json(b"\"{") && !has_json(b"\"a\",{"));
}

#[test]
fn a_sink_that_stops_is_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let text = lines(200_000);
    assert!(text.len() > 2 * FILE_BLOCK);
    std::fs::write(&path, &text).unwrap();
    let mut heard = Heard { stop: true, ..Heard::default() };
    Input::file(path).read(ReadLimits::default(), &mut heard).unwrap();
    assert!(heard.text.len() < text.len());
}

/// A pipe: gives its pieces one at a time, and asks before each how much was heard.
struct Pipe {
    pieces: Vec<Vec<u8>>,
    heard: Rc<Cell<usize>>,
    expected: usize,
}

impl Read for Pipe {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.pieces.is_empty() {
            return Ok(0);
        }
        assert!(self.heard.get() >= self.expected, "what was given is not handed on");
        let piece = self.pieces.remove(0);
        let given = piece.len().min(out.len());
        out[..given].copy_from_slice(&piece[..given]);
        if given < piece.len() {
            self.pieces.insert(0, piece[given..].to_vec());
        } else {
            self.expected += piece.len();
        }
        Ok(given)
    }
}

struct Live(Rc<Cell<usize>>);

impl EventSink for Live {
    fn lines(&mut self, _: Place, chunk: &[u8]) -> ControlFlow<()> {
        self.0.set(self.0.get() + chunk.len());
        ControlFlow::Continue(())
    }
    fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        self.lines(place, text)
    }
    fn no_events(&mut self, _: Place, _: &str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
    fn bad(&mut self, _: Place, fault: SplitFault, _: &[u8]) -> ControlFlow<()> {
        panic!("{}", fault.reason)
    }
}

#[test]
fn a_pipe_hands_on_what_there_is_without_waiting() {
    let heard = Rc::new(Cell::new(0));
    let line = b"{\"eventVersion\":\"1.08\"}\n";
    let pipe = Pipe { pieces: vec![line.to_vec(); 5], heard: Rc::clone(&heard), expected: 0 };
    let splitter = Splitter::new(SplitOptions { max_event: 1 << 20 });
    let traits = FeedTraits { is_pipe: true, ..FeedTraits::default() };
    let mut feed = Feed::open(pipe, traits, splitter, &Arc::default(), &Stages::default()).unwrap();
    let mut sink = Live(Rc::clone(&heard));
    while feed.poll(&mut sink).unwrap() == Polled::More {}
    assert_eq!(feed.offset(), 5 * line.len() as u64);
    assert_eq!(heard.get(), 5 * line.len());
}

/// What a feed of packed bytes gives, read as a whole or as a stream.
fn fed(
    packed: &[u8],
    length: Option<u64>,
    in_folder: bool,
) -> (HeardFeed, Option<String>, u64, u64) {
    let (stored, mut heard) = (Arc::<AtomicU64>::default(), HeardFeed::default());
    let traits = FeedTraits { may_be_no_log: in_folder, length, ..FeedTraits::default() };
    let splitter = Splitter::new(SplitOptions { max_event: 1 << 20 });
    let reader = std::io::Cursor::new(packed.to_vec());
    let mut offset = 0;
    let fault = match Feed::open(reader, traits, splitter, &stored, &Stages::default()) {
        Err(error) => Some(error),
        Ok(mut feed) => loop {
            let polled = feed.poll(&mut heard);
            offset = feed.offset();
            match polled {
                Ok(Polled::More) => {}
                Ok(Polled::End) => break None,
                Err(error) => break Some(error),
            }
        },
    };
    let fault = fault.map(|error| format!("{:?} {error}", error.kind()));
    (heard, fault, offset, stored.load(std::sync::atomic::Ordering::Relaxed))
}

/// Every call, lines one by one.
#[derive(Debug, Default, PartialEq)]
struct HeardFeed(Vec<(Place, &'static str, Vec<u8>)>);

impl HeardFeed {
    fn keep(&mut self, place: Place, kind: &'static str, text: &[u8]) -> ControlFlow<()> {
        self.0.push((place, kind, text.to_vec()));
        ControlFlow::Continue(())
    }
}

impl EventSink for HeardFeed {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        for (place, line) in firstseen_envelope::line_events(place, chunk) {
            self.keep(place, "event", line)?;
        }
        ControlFlow::Continue(())
    }
    fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        self.keep(place, "event", text)
    }
    fn no_events(&mut self, place: Place, what: &str) -> ControlFlow<()> {
        self.keep(place, "none", what.as_bytes())
    }
    fn bad(&mut self, place: Place, fault: SplitFault, text: &[u8]) -> ControlFlow<()> {
        self.keep(place, fault.code, text)
    }
}

/// One line of records, or lines, or no JSON.
fn content(kind: u8, count: u64) -> Vec<u8> {
    let lines = lines(count);
    match kind {
        0 => lines,
        1 => {
            let events: Vec<_> =
                lines.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()).collect();
            [&b"{\"Records\":["[..], &events.join(&b','), b"]}"].concat()
        }
        2 => b"a licence\n".repeat(count as usize),
        _ => b" \n".repeat(count as usize),
    }
}

/// A member with a header's checksum, which is wrong.
fn with_header_checksum(member: &[u8]) -> Vec<u8> {
    let mut with = member[..10].to_vec();
    with[3] |= 2;
    with.extend([1, 2]);
    with.extend_from_slice(&member[10..]);
    with
}

/// What may be behind the members.
const BEHIND: &[&[u8]] = &[b"", b"", b"\0\0\0\0", b"text", b"\x1f\x8b", b"\0\0x"];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(100))]
    #[test]
    fn as_a_whole_or_as_a_stream_the_events_and_faults_are_the_same(
        members in proptest::collection::vec((0..4_u8, 0..5000_u64, 0..3_usize), 1..4),
        behind in proptest::sample::select(BEHIND),
        damage in proptest::option::of((0..u16::MAX, 1..=u8::MAX)),
        cut in proptest::option::weighted(0.3, 0..u16::MAX),
        twice in proptest::bool::weighted(0.1),
        checksum in proptest::bool::weighted(0.1),
        in_folder in proptest::bool::ANY,
    ) {
        let mut packed = Vec::new();
        for (kind, count, zeros) in members {
            packed.extend(gzip(&content(kind, count)));
            packed.resize(packed.len() + zeros, 0);
        }
        if checksum {
            packed = with_header_checksum(&packed);
        }
        packed.extend_from_slice(behind);
        if twice {
            packed = gzip(&packed);
        }
        let at = |place: u16| usize::from(place) * packed.len() / usize::from(u16::MAX);
        let (damage, cut) = (damage.map(|(place, bits)| (at(place), bits)), cut.map(at));
        if let Some((place, bits)) = damage && let Some(byte) = packed.get_mut(place) {
            *byte ^= bits;
        }
        packed.truncate(cut.unwrap_or(packed.len()));
        let length = packed.len() as u64;
        proptest::prop_assert_eq!(fed(&packed, Some(length), in_folder), fed(&packed, None, in_folder));
    }
}

#[test]
fn a_member_that_lies_about_its_size_is_unpacked_all_the_same() {
    let small = gzip(b"{}\n");
    for text in [lines(50_000), lines(3)] {
        // The last member's size is far from all there is.
        let packed = [gzip(&text), small.clone()].concat();
        let (heard, fault, offset, stored) = fed(&packed, Some(packed.len() as u64), false);
        assert_eq!((fault, offset), (None, text.len() as u64 + 3));
        assert_eq!(stored, packed.len() as u64);
        assert_eq!(heard, fed(&packed, None, false).0);
    }
    // One that says 4 GiB is damaged, and no such room is made.
    let mut packed = gzip(&lines(10));
    let size = packed.len() - 4;
    packed[size..].fill(0xff);
    assert_eq!(fed(&packed, Some(packed.len() as u64), false), fed(&packed, None, false));
}
