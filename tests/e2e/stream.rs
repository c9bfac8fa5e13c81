//! Standard input: soon, in order within the hold, and beside files.
//!
//! In: events written to a pipe that stays open. Out: whether an alert comes out before the next
//! event goes in, and in which order.

use crate::support::{Call, Folder, create_stack, event_id, repository, run, stack_lines};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// A test that hangs says nothing; no verdict depends on how long this is.
const PATIENCE: Duration = Duration::from_secs(600);

/// A run with standard input and output open.
pub(crate) struct Live {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What is said on standard error, once it has ended.
    errors: JoinHandle<String>,
    /// Where the summary goes.
    _folder: Folder,
}

impl Live {
    pub(crate) fn start(call: Call) -> Self {
        let Call { mut command, folder, .. } = call;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (send, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines() {
                if line.map(|line| send.send(line)).is_err() {
                    break;
                }
            }
        });
        let mut said = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            said.read_to_string(&mut text).map(|_| text).unwrap()
        });
        let stdin = child.stdin.take();
        Self { child, stdin, lines, errors, _folder: folder }
    }

    pub(crate) fn write(&mut self, text: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(text.as_ref()).and_then(|()| stdin.flush()).unwrap();
    }

    /// The next line of standard output.
    pub(crate) fn next_line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line, with the input still open")
    }

    /// The id of the next alert's event.
    pub(crate) fn next_id(&self) -> String {
        let line = self.next_line();
        event_id(&serde_json::from_str(&line).expect(&line))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Closes the input; what still comes, and the status.
    pub(crate) fn end(self) -> (Vec<String>, Option<i32>) {
        let (rest, status, _) = self.end_with_errors();
        (rest, status)
    }

    /// The same, and all that was said on standard error.
    pub(crate) fn end_with_errors(mut self) -> (Vec<String>, Option<i32>, String) {
        self.stdin = None;
        let rest = self.lines.iter().collect();
        (rest, self.child.wait().unwrap().code(), self.errors.join().unwrap())
    }
}

#[test]
fn an_alert_comes_out_before_the_next_event_goes_in() {
    let folder = Folder::new();
    for state in [String::from("memory:"), folder.path("state").to_str().unwrap().to_owned()] {
        let mut live = Live::start(run().args(&["--state", &state, "-"]));
        for (id, user) in [("a", "alice"), ("b", "bob"), ("c", "carol")] {
            live.write(stack_lines(&[(id, "2025-04-01T08:00:00Z", user)]));
            assert_eq!(live.next_id(), id);
        }
        assert_eq!(live.end(), (vec![], Some(0)));
    }
}

/// Without arguments a pipe is the input.
#[test]
fn an_event_without_a_newline_counts_when_the_input_ends() {
    let event = create_stack("a", "2025-04-01T08:00:00Z", "alice").to_string();
    assert_eq!(run().pipe(event).ok().alert_ids(), ["a"]);
}

/// Out of order by less than the hold: in order. Without a hold: as they come.
#[test]
fn a_hold_puts_a_stream_in_order() {
    let late = stack_lines(&[
        ("second", "2025-04-01T08:10:00Z", "alice"),
        ("first", "2025-04-01T08:00:00Z", "alice"),
        ("other", "2025-04-01T08:05:00Z", "bob"),
    ]);
    let held = run().args(&["--hold", "15m", "-"]).pipe(late.clone()).ok();
    assert_eq!(held.alert_ids(), ["first", "other"]);
    assert_eq!(run().arg("-").pipe(late).ok().alert_ids(), ["second", "other"]);
}

#[test]
fn a_held_event_goes_when_an_event_is_the_hold_later() {
    let mut live = Live::start(run().args(&["--hold", "15m", "-"]));
    live.write(stack_lines(&[
        ("b", "2025-04-01T08:01:00Z", "bob"),
        ("a", "2025-04-01T08:00:00Z", "alice"),
        ("c", "2025-04-01T08:16:00Z", "carol"),
    ]));
    assert_eq!([live.next_id(), live.next_id()], ["a", "b"]);
    let (rest, status) = live.end();
    assert_eq!((rest.len(), status), (1, Some(0)), "the rest comes at the end");
}

/// Files are history for the stream that follows, wherever `-` stands.
#[test]
fn files_come_before_standard_input() {
    let folder = Folder::new();
    let file = folder.write("file", stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]));
    let stream = stack_lines(&[
        ("seen", "2025-04-01T09:00:00Z", "alice"),
        ("b", "2025-04-01T10:00:00Z", "bob"),
    ]);
    let done = run().arg("-").arg(file).pipe(stream).ok();
    assert_eq!(done.alert_ids(), ["a", "b"]);
    assert_eq!((done.count("seen"), done.count("files")), (1, 2));
}

#[test]
fn a_fault_in_a_stream_is_named_and_the_stream_goes_on() {
    let mut live = Live::start(run().arg("-"));
    live.write("no event\n");
    live.write(stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]));
    assert_eq!(live.next_id(), "a");
    assert_eq!(live.end(), (vec![], Some(0)));
    let text = "no event\n".to_owned() + &stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]);
    let failed = run().args(&["--on-error", "fail", "-"]).pipe(text);
    failed.fails(&["standard input: line 1, byte 0"]);
}

/// A stream may never end: what was bad in it is kept before more is waited for.
#[test]
fn a_dead_letter_is_written_while_the_stream_is_open() {
    let folder = Folder::new();
    let path = folder.path("dead");
    let mut live = Live::start(run().arg("-").arg("--dead-letter").arg(&path));
    live.write("no event\n");
    live.write(stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]));
    assert_eq!(live.next_id(), "a");
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    assert_eq!(live.end(), (vec![], Some(0)));
}

/// Named, a pipe is read to its end and put in order as a file is, though it can be read only once.
#[test]
fn a_pipe_that_is_named_is_a_file() {
    for name in ["lines-newest-first.ndjson.gz", "records.json.zst", "lookup-events.json"] {
        let path = repository("tests/fixtures/envelopes").join(name);
        let file = run().arg(&path).ok();
        let pipe = run().arg("/dev/stdin").pipe(std::fs::read(&path).unwrap()).ok();
        assert_eq!(pipe.stdout, file.stdout, "{name}");
        assert_eq!(pipe.count("alerts"), 3, "{name}");
    }
}

#[test]
fn a_compressed_stream_is_a_stream() {
    for name in ["lines.ndjson.gz", "records.json.zst"] {
        let path = repository("tests/fixtures/envelopes").join(name);
        assert_eq!(run().arg("-").stdin(&path).ok().count("alerts"), 3, "{name}");
    }
}
