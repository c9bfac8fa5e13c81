//! Standard input: alerts without delay, sorting within the hold, and together with files.
//!
//! In: events written to a pipe that stays open. Out: whether an alert is written before the next
//! event is sent, and in which order.

use crate::support::{Call, Folder, create_stack, event_id, repository, run, stack_lines};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// The limit for a test that hangs. No result depends on it.
const PATIENCE: Duration = Duration::from_secs(600);

/// A run with standard input and output open.
pub(crate) struct Live {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Standard error, once the process has ended.
    errors: JoinHandle<String>,
    /// The folder of the summary.
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
        let mut stderr = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).map(|_| text).unwrap()
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
        self.lines.recv_timeout(PATIENCE).expect("a line while the input is open")
    }

    /// The id of the next alert's event.
    pub(crate) fn next_id(&self) -> String {
        let line = self.next_line();
        event_id(&serde_json::from_str(&line).expect(&line))
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process, like a crash.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal, and returns the remaining lines, the exit status and standard error. The input
    /// stays open until the process has ended.
    pub(crate) fn signal(mut self, signal: Signal) -> (Vec<String>, Option<i32>, String) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, signal).unwrap();
        let rest = self.lines.iter().collect();
        let status = self.child.wait().unwrap().code();
        drop(self.stdin.take());
        (rest, status, self.errors.join().unwrap())
    }

    /// Closes the input and returns the remaining lines and the exit status.
    pub(crate) fn end(self) -> (Vec<String>, Option<i32>) {
        let (rest, status, _) = self.end_with_errors();
        (rest, status)
    }

    /// The same with standard error.
    pub(crate) fn end_with_errors(mut self) -> (Vec<String>, Option<i32>, String) {
        self.stdin = None;
        let rest = self.lines.iter().collect();
        (rest, self.child.wait().unwrap().code(), self.errors.join().unwrap())
    }
}

#[test]
fn alert_is_written_before_the_next_event_is_read() {
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

/// Without arguments, standard input is the input.
#[test]
fn last_event_needs_no_newline() {
    let event = create_stack("a", "2025-04-01T08:00:00Z", "alice").to_string();
    assert_eq!(run().pipe(event).ok().alert_ids(), ["a"]);
}

/// Events that are late by less than the hold are sorted. Without a hold they are decided on
/// arrival.
#[test]
fn hold_sorts_a_stream() {
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
fn held_event_is_released_by_a_later_event() {
    let mut live = Live::start(run().args(&["--hold", "15m", "-"]));
    live.write(stack_lines(&[
        ("b", "2025-04-01T08:01:00Z", "bob"),
        ("a", "2025-04-01T08:00:00Z", "alice"),
        ("c", "2025-04-01T08:16:00Z", "carol"),
    ]));
    assert_eq!([live.next_id(), live.next_id()], ["a", "b"]);
    let (rest, status) = live.end();
    assert_eq!((rest.len(), status), (1, Some(0)), "the rest is written at the end");
}

/// Files are read before the stream, whatever the position of `-`.
#[test]
fn files_are_read_before_standard_input() {
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
fn error_in_a_stream_is_reported_and_the_stream_continues() {
    let mut live = Live::start(run().arg("-"));
    live.write("no event\n");
    live.write(stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]));
    assert_eq!(live.next_id(), "a");
    assert_eq!(live.end(), (vec![], Some(0)));
    let text = "no event\n".to_owned() + &stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]);
    let failed = run().args(&["--on-error", "fail", "-"]).pipe(text);
    failed.fails(&["standard input: line 1, byte 0"]);
}

/// A stream may never end, so a bad event is written before the next read.
#[test]
fn dead_letter_is_written_while_the_stream_is_open() {
    let folder = Folder::new();
    let path = folder.path("dead");
    let mut live = Live::start(run().arg("-").arg("--dead-letter").arg(&path));
    live.write("no event\n");
    live.write(stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]));
    assert_eq!(live.next_id(), "a");
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    assert_eq!(live.end(), (vec![], Some(0)));
}

/// A restart with `--append` keeps what was skipped before; `--output` is not needed for that.
#[test]
fn dead_letters_are_kept_with_append_and_emptied_without() {
    let folder = Folder::new();
    let path = folder.path("dead");
    for (append, lines) in [(false, 1), (true, 2), (true, 3), (false, 1)] {
        let call = run().arg("-").arg("--dead-letter").arg(&path);
        let call = if append { call.arg("--append") } else { call };
        call.pipe("no event\n").ok();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), lines);
    }
    run().args(&["--append", "-"]).fails(&["--output", "--dead-letter"]);
}

/// How a process ends by itself: its status and its standard error.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let (send, status) = channel();
    let mut stderr = child.stderr.take().unwrap();
    std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        send.send((child.wait().unwrap().code(), text))
    });
    status.recv_timeout(PATIENCE).expect("the end while the input is open")
}

/// The next event may come much later, and until then nobody else could use the state.
#[test]
fn closed_output_ends_a_stream_without_another_event() {
    for annotate in [false, true] {
        let folder = Folder::new();
        let state = folder.path("state");
        let call = run().arg("-").arg("--state").arg(&state);
        let mut call = if annotate { call.arg("--annotate") } else { call };
        call.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = call.command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]).as_bytes()).unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut String::new()).unwrap();
        drop(out);
        let (status, errors) = ended(child);
        assert_eq!(status, Some(0), "{annotate} {errors}");
        drop(stdin);
        let again = stack_lines(&[("b", "2025-04-01T09:00:00Z", "alice")]);
        let again = run().arg("--state").arg(&state).arg("-").pipe(again).ok();
        assert_eq!(again.count("seen"), 1, "the state was committed");
    }
}

#[test]
fn full_output_ends_a_stream_without_another_event() {
    for format in [&["--format", "ndjson"][..], &["--format", "pretty"], &["--annotate"]] {
        let mut call = run().arg("-").args(format);
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        call.command.stdin(Stdio::piped()).stdout(full).stderr(Stdio::piped());
        let mut child = call.command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]).as_bytes()).unwrap();
        let (status, errors) = ended(child);
        assert_eq!(status, Some(2), "{format:?} {errors}");
        assert!(errors.contains("standard output: the disk is full"), "{errors}");
    }
}

/// A sender that writes no newline behind an event, and one whose writes end in the middle of one.
#[test]
fn line_without_an_end_is_judged_when_its_brackets_close() {
    let [a, b, c] = ["a", "b", "c"]
        .map(|id| create_stack(id, "2025-04-01T08:00:00Z", &format!("user-{id}")).to_string());
    let mut live = Live::start(run().arg("-"));
    live.write(&a);
    assert_eq!(live.next_id(), "a");
    let half = b.len() / 2;
    // Cut behind a bracket it looks whole; the next event of its line says that it was read.
    let inner = b.find('}').unwrap() + 1;
    assert!(inner < b.len());
    live.write(format!("\n{}", &b[..inner.min(half)]));
    live.write(format!("{}\n", &b[inner.min(half)..]));
    assert_eq!(live.next_id(), "b");
    live.write(&c[..c.find('}').unwrap() + 1]);
    let (rest, status, errors) = live.end_with_errors();
    assert_eq!((rest, status), (vec![], Some(0)));
    assert!(errors.contains("line 3"), "{errors}");
    assert!(errors.contains("the input ends before this document does"), "{errors}");
}

/// A pipe given by its path is read to the end and sorted like a file, although it can be read only
/// once.
#[test]
fn named_pipe_is_read_like_a_file() {
    for name in ["lines-newest-first.ndjson.gz", "records.json.zst", "lookup-events.json"] {
        let path = repository("tests/fixtures/envelopes").join(name);
        let file = run().arg(&path).ok();
        let pipe = run().arg("/dev/stdin").pipe(std::fs::read(&path).unwrap()).ok();
        assert_eq!(pipe.stdout, file.stdout, "{name}");
        assert_eq!(pipe.count("alerts"), 3, "{name}");
    }
}

#[test]
fn compressed_stream_is_decompressed() {
    for name in ["lines.ndjson.gz", "records.json.zst"] {
        let path = repository("tests/fixtures/envelopes").join(name);
        assert_eq!(run().arg("-").stdin(&path).ok().count("alerts"), 3, "{name}");
    }
}

/// Ctrl-C and SIGTERM end a stream that is open: events that wait are decided, the state is committed,
/// the summary is written.
#[test]
fn signal_ends_a_run_cleanly() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let folder = Folder::new();
        let state = folder.path("state");
        let call = run().args(&["--hold", "1h", "--state"]).arg(&state);
        let mut live = Live::start(call.arg("-"));
        live.write(stack_lines(&[
            ("x", "2025-04-01T06:00:00Z", "xenia"),
            ("a", "2025-04-01T08:00:00Z", "alice"),
        ]));
        // The first is due when the second has been read, which waits itself.
        assert_eq!(live.next_id(), "x");
        let (rest, ended, errors) = live.signal(signal);
        assert_eq!(ended, Some(status), "{errors}");
        let ids: Vec<String> =
            rest.iter().map(|line| event_id(&serde_json::from_str(line).unwrap())).collect();
        assert_eq!(ids, ["a"]);
        assert!(errors.contains("  alerts    2"), "{errors}");
        let again = stack_lines(&[("b", "2025-04-01T09:00:00Z", "alice")]);
        let again = run().arg("--state").arg(&state).arg("-").pipe(again).ok();
        assert_eq!(again.count("seen"), 1, "the state was committed");
    }
}

/// A file of an option may be a FIFO whose other end nobody opens: the first signal ends that wait.
#[test]
fn signal_ends_a_run_that_waits_for_a_file() {
    for option in ["--exceptions", "--settings", "--output", "--dead-letter"] {
        let folder = Folder::new();
        let path = folder.path("fifo");
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        let call = run().arg(option).arg(&path);
        let live = Live::start(call.arg("-"));
        // Before it listens, the system itself would end it.
        let status = format!("/proc/{}/status", live.id());
        while !catches_terminate(&std::fs::read_to_string(&status).unwrap()) {
            std::thread::yield_now();
        }
        let (_, ended, errors) = live.signal(Signal::TERM);
        assert_eq!(ended, Some(143), "{option}: {errors}");
    }
}

/// Whether the status of a process says that it handles SIGTERM itself.
fn catches_terminate(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() >> (Signal::TERM.as_raw() - 1) & 1 == 1
}

#[test]
fn messages_are_json_objects_where_they_are_asked_for() {
    let input = format!("{{\"broken\n{}", stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]));
    let done = run().args(&["--log-format", "json", "-"]).pipe(input).ok();
    let lines: Vec<serde_json::Value> =
        done.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(["info", "warn"].contains(&line["level"].as_str().unwrap()), "{line}");
        assert!(!line["message"].as_str().unwrap().is_empty(), "{line}");
    }
    let said =
        |word: &str| lines.iter().any(|line| line["message"].as_str().unwrap().contains(word));
    assert!(said("reading standard input") && said("truncated"), "{}", done.stderr);
    assert_eq!(lines.last().unwrap()["summary"]["alerts"], 1);
    // What the level leaves out is left out.
    let quiet = run().args(&["--log-format", "json", "--quiet", "-"]).pipe("").ok();
    assert!(!quiet.stderr.contains("summary"), "{}", quiet.stderr);
    run().args(&["--log-format", "json", "nothing"]).fails(&["\"level\":\"error\"", "nothing"]);
}
