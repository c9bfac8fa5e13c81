//! A real server for one test: started on a socket of its own, asked, killed.

use crate::support::Folder;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = "/usr/bin/redis-server";

/// Whether the server is installed; where it is not, this is said past the test's capture.
pub(super) fn is_installed() -> bool {
    let is_there = std::path::Path::new(PROGRAM).exists();
    if !is_there {
        let _ = writeln!(std::io::stderr(), "skipped: {PROGRAM} is not installed");
    }
    is_there
}

/// A server with its data.
pub(crate) struct Server {
    folder: Folder,
    args: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// One that keeps what it is told; `None` where none is installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// One with these options.
    pub(crate) fn start_with(args: &[&str]) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut server = Self { folder: Folder::new(), args, child: None };
        std::fs::create_dir(server.data()).unwrap();
        server.launch();
        Some(server)
    }

    fn data(&self) -> PathBuf {
        self.folder.path("data")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path("s")
    }

    pub(crate) fn address(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Starts it over the data that are there, and waits until it takes connections.
    pub(crate) fn launch(&mut self) {
        let mut command = Command::new(PROGRAM);
        command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(self.socket());
        command.arg("--dir").arg(self.data()).args(&self.args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap());
        let (mut text, mut seen) = (String::new(), String::new());
        while !text.contains("ready to accept connections at") {
            text.clear();
            assert!(log.read_line(&mut text).unwrap() > 0, "the server ended: {seen}");
            seen += &text;
        }
        // It would stop at a pipe that nobody reads.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        self.child = Some(child);
    }

    /// Kills it, as a crash does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Throws its data away.
    pub(crate) fn forget(&self) {
        std::fs::remove_dir_all(self.data()).unwrap();
        std::fs::create_dir(self.data()).unwrap();
    }

    /// Asks it one thing; the answer as it is sent, without the line ends behind it.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            write!(text, "${}\r\n{word}\r\n", word.len()).unwrap();
        }
        text += "*1\r\n$4\r\nQUIT\r\n";
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        answer.strip_suffix("+OK\r\n").unwrap_or(&answer).trim_end().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
