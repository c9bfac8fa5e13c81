//! A real server for one test: started on a socket of its own, asked, killed.

use crate::support::Folder;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};

/// Names another server than the one of the system, of Valkey for example.
const VARIABLE: &str = "FIRSTSEEN_REDIS_SERVER";

fn program() -> PathBuf {
    std::env::var_os(VARIABLE).map_or_else(|| "/usr/bin/redis-server".into(), PathBuf::from)
}

/// Whether the server is installed; where it is not, this is said past the test's capture.
pub(super) fn is_installed() -> bool {
    let is_there = program().exists();
    if !is_there {
        let program = program();
        let _ = writeln!(std::io::stderr(), "skipped: {} is not installed", program.display());
    }
    is_there
}

/// What makes a server keep what it is told.
pub(super) const KEEPS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// A port that nobody listens at, and below those that the system gives to connections: a server that is
/// started again finds it free.
pub(super) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let from = u16::try_from(std::process::id() % 100).unwrap() * 100;
    loop {
        let port = 20_000 + (from + NEXT.fetch_add(1, Ordering::SeqCst)) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A server with its data.
pub(crate) struct Server {
    folder: Folder,
    args: Vec<String>,
    child: Option<Child>,
    /// What it says, line by line.
    log: Option<Receiver<String>>,
    /// Of a sentinel, which has no socket beside it.
    port: Option<u16>,
}

impl Server {
    /// One that keeps what it is told; `None` where none is installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&KEEPS)
    }

    /// One with these options.
    pub(crate) fn start_with(args: &[&str]) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let folder = Folder::new();
        let mut server = Self { folder, args, child: None, log: None, port: None };
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

    /// A sentinel, by this configuration.
    pub(super) fn sentinel(port: u16, config: &str) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let folder = Folder::new();
        let config = folder.write("sentinel.conf", config).display().to_string();
        let args = [&config, "--sentinel", "--bind", "127.0.0.1", "--port", &port.to_string()];
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut server = Self { folder, args, child: None, log: None, port: Some(port) };
        std::fs::create_dir(server.data()).unwrap();
        server.launch();
        Some(server)
    }

    /// Starts it over the data that are there, and waits until it takes connections.
    pub(crate) fn launch(&mut self) {
        let mut command = Command::new(program());
        if self.port.is_some() {
            command.args(&self.args);
        } else {
            command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(self.socket());
            command.args(&self.args);
        }
        command.arg("--dir").arg(self.data());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (send, log) = channel();
        // It would stop at a pipe that nobody reads.
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        (self.child, self.log) = (Some(child), Some(log));
        let is_sentinel = self.port.is_some();
        let ready = if is_sentinel { "Sentinel ID is" } else { "eady to accept connections" };
        self.wait_for(ready);
    }

    /// Waits until it has said this since it was started, or since this was asked last.
    pub(super) fn wait_for(&self, text: &str) {
        let log = self.log.as_ref().unwrap();
        let mut seen = String::new();
        loop {
            let Ok(line) = log.recv() else { panic!("the server ended: {seen}") };
            if line.contains(text) {
                return;
            }
            seen = seen + &line + "\n";
        }
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

    /// Throws its terms away, and leaves what it knows of its cluster.
    pub(super) fn forget_terms(&self) {
        std::fs::remove_dir_all(self.data().join("appendonlydir")).unwrap();
    }

    /// Asks it one thing; the answer as it is sent, without the line ends behind it.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            write!(text, "${}\r\n{word}\r\n", word.len()).unwrap();
        }
        let mut answer = Vec::new();
        if let Some(port) = self.port {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            // A sentinel knows no QUIT.
            stream.shutdown(Shutdown::Write).unwrap();
            stream.read_to_end(&mut answer).unwrap();
        } else {
            let mut stream = UnixStream::connect(self.socket()).unwrap();
            text += "*1\r\n$4\r\nQUIT\r\n";
            stream.write_all(text.as_bytes()).unwrap();
            stream.read_to_end(&mut answer).unwrap();
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let answer = if self.port.is_some() {
            &answer
        } else {
            answer.strip_suffix("+OK\r\n").unwrap_or(&answer)
        };
        answer.trim_end().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
