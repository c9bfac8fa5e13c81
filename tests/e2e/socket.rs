//! `run tcp://...` and `run unix:...`: lines over a socket.
//!
//! In: several senders at once. Out: one alert for each of their events, a state that is kept, and a clean end.

use crate::support::{Call, Folder, event_id, json_lines, printed_behind, run, stack_lines};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};

struct Listening {
    child: Child,
    errors: BufReader<ChildStderr>,
    printed: String,
    address: String,
    _summary: Folder,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Listening {
    fn start(folder: &Folder, input: &str) -> Self {
        let call = run().arg(input).arg("--state").arg(folder.path("state")).arg("--append");
        let Call { mut command, folder: summary, .. } =
            call.arg("--output").arg(folder.path("alerts"));
        let mut child = command.stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut printed = String::new();
        let Some(rest) = printed_behind(&mut errors, &mut printed, "listening at ") else {
            child.wait().unwrap();
            panic!("it does not listen: {printed}");
        };
        let address = rest.split(" with").next().unwrap().to_owned();
        Self { child, errors, printed, address, _summary: summary }
    }

    fn end(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let status = self.child.wait().unwrap().code();
        self.errors.read_to_string(&mut self.printed).unwrap();
        assert_eq!(status, Some(143), "{}", self.printed);
        std::mem::take(&mut self.printed)
    }
}

fn ids(folder: &Folder) -> Vec<String> {
    let text = std::fs::read_to_string(folder.path("alerts")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let mut ids: Vec<_> = json_lines(whole).iter().map(event_id).collect();
    ids.sort();
    ids
}

fn wait_for(folder: &Folder, count: usize) {
    while ids(folder).len() < count {
        std::thread::yield_now();
    }
}

fn events(sender: usize) -> String {
    (0..50)
        .map(|n| {
            let id = format!("{sender}-{n:02}");
            stack_lines(&[(&id, "2025-04-01T08:00:00Z", &format!("user-{id}"))])
        })
        .collect()
}

#[test]
fn lines_of_several_senders_are_judged_and_the_state_is_kept() {
    let folder = Folder::new();
    let unix = folder.path("sock");
    for (round, input) in
        ["tcp://127.0.0.1:0", &format!("unix:{}", unix.display())].iter().enumerate()
    {
        let listening = Listening::start(&folder, input);
        let address = listening.address.clone();
        std::thread::scope(|scope| {
            for sender in 0..4 {
                let (address, unix) = (&address, &unix);
                scope.spawn(move || {
                    let text = events(round * 4 + sender);
                    let mut to: Box<dyn Write> = match address.strip_prefix("tcp://") {
                        Some(address) => Box::new(TcpStream::connect(address).unwrap()),
                        None => Box::new(UnixStream::connect(unix).unwrap()),
                    };
                    // In pieces that end anywhere; the last line has no end.
                    for piece in text.trim_end().as_bytes().chunks(777) {
                        to.write_all(piece).unwrap();
                        to.flush().unwrap();
                    }
                });
            }
        });
        wait_for(&folder, (round + 1) * 200);
        // A line is judged while its connection stays open.
        let mut open: Box<dyn Write> = match address.strip_prefix("tcp://") {
            Some(address) => Box::new(TcpStream::connect(address).unwrap()),
            None => Box::new(UnixStream::connect(&unix).unwrap()),
        };
        open.write_all(stack_lines(&[("0-00", "2025-04-01T08:00:00Z", "user-0-00")]).as_bytes())
            .unwrap();
        open.write_all(b"half a li").unwrap();
        let errors = listening.end();
        assert!(errors.contains(&format!("alerts    {}", 200)), "{errors}");
        assert_eq!(ids(&folder).len(), (round + 1) * 200);
    }
    let mut all: Vec<String> =
        (0..8).flat_map(|s| (0..50).map(move |n| format!("{s}-{n:02}"))).collect();
    all.sort();
    assert_eq!(ids(&folder), all);
    assert!(!unix.exists(), "the socket goes with the run");
}

#[test]
fn a_socket_that_a_killed_run_left_is_taken_and_one_in_use_is_not() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let path = folder.path("sock");
    let input = format!("unix:{}", path.display());
    drop(Listening::start(&folder, &input));
    assert!(path.exists());
    let listening = Listening::start(&folder, &input);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let refuse = |args: &[&str], words: &[&str]| {
        run().args(args).fails(words);
    };
    refuse(&[&input], &["unix:", "in use"]);
    listening.end();
    refuse(&["tcp://127.0.0.1:0", "-"], &["alone"]);
    refuse(&["tcp://nowhere"], &["tcp://nowhere", "HOST:PORT"]);
    refuse(&["tcp://127.0.0.1:0", "--hold", "5s"], &["--hold"]);
    let file = folder.write("file", "a");
    refuse(&[&format!("unix:{}", file.display())], &["in use"]);
    assert!(Path::new(&file).exists());
}
