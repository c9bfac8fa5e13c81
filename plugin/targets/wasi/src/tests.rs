//! The program without a runtime: readers and writers of the tests' own.

use super::*;
use firstseen_rule::source::{ReadOptions, read};
use firstseen_rule::{Plan, Settings};
use std::cell::RefCell;
use std::rc::Rc;

const RULE: &str = include_str!("../../../rules/first_time_cloudformation_stack_creation.toml");

fn engine() -> Engine {
    let rule = read(RULE, &ReadOptions::default()).unwrap();
    Engine::new(Plan { rules: vec![rule.plan] }, Settings::default())
}

fn event(id: u32, user: &str) -> String {
    format!(
        r#"{{"@timestamp":"2025-04-01T08:00:00Z","event":{{"id":"{id}","dataset":"aws.cloudtrail","provider":"cloudformation.amazonaws.com","action":"CreateStack","outcome":"success"}},"cloud":{{"account":{{"id":"1"}}}},"user":{{"name":"{user}"}}}}"#
    )
}

/// What happened, in order: a piece was read, alerts were flushed.
#[derive(Debug, PartialEq, Eq)]
enum Did {
    Read(usize),
    Wrote(usize),
    Flushed,
}

type Log = Rc<RefCell<Vec<Did>>>;

/// Gives one piece after another, as a pipe does.
struct Pieces(Vec<String>, Log);

impl Read for Pieces {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Ok(0);
        }
        let piece = self.0.remove(0);
        self.1.borrow_mut().push(Did::Read(piece.len()));
        to[..piece.len()].copy_from_slice(piece.as_bytes());
        Ok(piece.len())
    }
}

struct Out(Log, Vec<u8>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().push(Did::Wrote(bytes.iter().filter(|b| **b == b'\n').count()));
        self.1.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().push(Did::Flushed);
        Ok(())
    }
}

fn run(input: impl Read, state: &mut State, repeats: bool) -> (Counts, String, String) {
    let (mut alerts, mut messages) = (Vec::new(), Vec::new());
    let writer = BufWriter::new(&mut alerts);
    let mut judge = Judge::new(engine(), state, writer, &mut messages, repeats);
    judge.read(input).unwrap();
    let counts = std::mem::take(&mut judge.counts);
    drop(judge);
    (counts, String::from_utf8(alerts).unwrap(), String::from_utf8(messages).unwrap())
}

fn memory() -> State {
    State::open(None, 1 << 20).unwrap()
}

#[test]
fn each_piece_is_answered_before_the_next_is_read() {
    let (log, mut state) = (Log::default(), memory());
    let lines = [event(1, "ann") + "\n", "{}\n".to_owned(), event(2, "bob")[..20].to_owned()];
    let rest = event(2, "bob")[20..].to_owned() + "\n";
    let lengths: Vec<_> = lines.iter().chain([&rest]).map(String::len).collect();
    let input = Pieces(lines.into_iter().chain([rest]).collect(), Rc::clone(&log));
    let out = BufWriter::new(Out(Rc::clone(&log), Vec::new()));
    Judge::new(engine(), &mut state, out, io::sink(), false).read(input).unwrap();
    let expected = [
        Did::Read(lengths[0]),
        Did::Wrote(1),
        Did::Flushed,
        Did::Read(lengths[1]),
        Did::Read(lengths[2]),
        Did::Read(lengths[3]),
        Did::Wrote(1),
        Did::Flushed,
    ];
    assert_eq!(*log.borrow(), expected);
}

#[test]
fn what_cannot_be_judged_is_named_by_its_line() {
    let broken = event(1, "ann").replace("\"user\"", "user");
    let input = format!("\n{}\nnot json\n{broken}\n{{\"Records\":[{}, 7]}}\n", event(1, "a"), "{}");
    let (counts, alerts, messages) = run(input.as_bytes(), &mut memory(), false);
    assert_eq!((counts.events, counts.alerts, counts.faults), (4, 1, 3), "{messages}");
    assert_eq!(alerts.lines().count(), 1);
    let lines: Vec<&str> = messages.lines().collect();
    assert!(lines[0].starts_with("firstseen: line 3: not_json: "), "{messages}");
    assert!(lines[1].starts_with("firstseen: line 4: bad_json: "), "{messages}");
    assert!(lines[2].starts_with("firstseen: line 5, record 1: bad_json: "), "{messages}");
    assert_eq!(
        lines[3],
        "firstseen: 4 events, 1 matched, 1 alerts, 1 documents without events, 3 not judged"
    );
}

#[test]
fn the_same_event_again_is_repeated_only_on_request() {
    let (input, mut state) = (event(1, "ann"), memory());
    let first = run(input.as_bytes(), &mut state, false).1;
    let (counts, alerts, _) = run(input.as_bytes(), &mut state, false);
    assert_eq!((counts.repeats, &*alerts), (1, ""));
    assert_eq!(run(input.as_bytes(), &mut state, true).1, first);
    let (counts, alerts, _) = run(event(2, "ann").as_bytes(), &mut state, true);
    assert_eq!((counts.seen, &*alerts), (1, ""));
}

#[test]
fn many_faults_are_counted_and_not_shown() {
    let (counts, _, messages) = run("x\n".repeat(1000).as_bytes(), &mut memory(), false);
    assert_eq!(counts.faults, 1000);
    assert_eq!(messages.lines().count() as u64, SHOWN + 2);
}

#[test]
fn a_closed_pipe_ends_it_and_packed_input_is_refused() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut state = memory();
    // One that is smaller than an alert hands it on at once.
    for capacity in [1, 1 << 20] {
        let out = BufWriter::with_capacity(capacity, Closed);
        let mut judge = Judge::new(engine(), &mut state, out, io::sink(), false);
        let error = judge.read(event(1, &format!("u{capacity}")).as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        // What could not be written is not tried again at the end.
        let _ = judge.alerts.into_parts();
    }
    for packed in [&b"\x1f\x8b\x08"[..], b"\x28\xb5\x2f\xfd\x04"] {
        let mut judge =
            Judge::new(engine(), &mut state, BufWriter::new(io::sink()), io::sink(), false);
        assert_eq!(judge.read(packed).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn a_folder_keeps_the_state_and_one_that_cannot_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().to_str().unwrap();
    let open = || State::open(Some(name), 1 << 20);
    let input = event(1, "ann") + "\n" + &event(2, "bob");
    assert_eq!(run(input.as_bytes(), &mut open().unwrap(), false).0.alerts, 2);
    let mut again = open().unwrap();
    assert!(again.describe().ends_with("2 terms known"), "{}", again.describe());
    let (counts, alerts, _) = run(input.as_bytes(), &mut again, false);
    assert_eq!((counts.repeats, &*alerts), (2, ""));
    let Err(error) = State::open(Some("no/such/folder"), 1 << 20) else { panic!("it is there") };
    assert!(error.to_string().contains("--dir"), "{error}");
    // Another one took the folder over: what is decided now would be lost.
    let mut late = open().unwrap();
    drop(open().unwrap());
    let mut judge = Judge::new(engine(), &mut late, BufWriter::new(Vec::new()), io::sink(), false);
    let error = judge.read(event(3, "eve").as_bytes()).unwrap_err();
    assert_ne!(error.kind(), ErrorKind::BrokenPipe, "{error}");
}
