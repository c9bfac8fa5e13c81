//! A service under test, and a sender that speaks HTTP/1.1 as little as it must.
//!
//! In: options of `serve`, requests. Out: answers. It waits for what it asked for, never for a time.

use crate::support::{Folder, call, printed_behind};
use base64::Engine as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread::JoinHandle;

/// A service, and the files that it writes.
pub(super) struct Server {
    child: Child,
    address: String,
    output: PathBuf,
    errors: Option<JoinHandle<String>>,
}

/// A test that fails leaves none behind.
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

impl Server {
    /// Starts a service with a state and an output in this folder, and waits until it listens.
    pub(super) fn start(folder: &Folder, args: &[&str]) -> Self {
        let server = Self::try_start(folder, args);
        server.unwrap_or_else(|errors| panic!("it does not listen: {errors}"))
    }

    /// The same; what it printed where it does not listen.
    pub(super) fn try_start(folder: &Folder, args: &[&str]) -> Result<Self, String> {
        let output = folder.path("alerts");
        let mut command = call("serve").command;
        command.args(["--listen", "127.0.0.1:0", "--append"]).args(args);
        command.arg("--state").arg(folder.path("state")).arg("--output").arg(&output);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut printed = String::new();
        let Some(rest) = printed_behind(&mut lines, &mut printed, "listening at http") else {
            child.wait().unwrap();
            return Err(printed);
        };
        let address = rest.split_once("://").and_then(|(_, rest)| rest.split(' ').next());
        let address = address.expect("an address").to_owned();
        let errors = std::thread::spawn(move || {
            lines.read_to_string(&mut printed).unwrap();
            printed
        });
        Ok(Self { child, address, output, errors: Some(errors) })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.request("POST", path, body, &[])
    }

    pub(super) fn post_with(&self, path: &str, body: &[u8], headers: &[(&str, &str)]) -> Answer {
        self.request("POST", path, body, headers)
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, b"", &[])
    }

    pub(super) fn request(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        headers: &[(&str, &str)],
    ) -> Answer {
        request(&self.address, method, path, body, headers).unwrap()
    }

    pub(super) fn metrics(&self) -> String {
        self.get("/metrics").text()
    }

    /// What is in the output now; whole lines are there when a request is answered.
    pub(super) fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap()
    }

    /// Asks it to reload, and waits until its metrics have this line.
    pub(super) fn hang_up(&self, line: &str) {
        self.send_hang_up();
        while !self.metrics().contains(line) {
            std::thread::yield_now();
        }
    }

    /// Asks it to reload.
    pub(super) fn send_hang_up(&self) {
        self.send(Signal::HUP);
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it by a signal: its exit status and what it printed.
    pub(super) fn signal(mut self, signal: Signal) -> (Option<i32>, String) {
        self.send(signal);
        let status = self.child.wait().unwrap().code();
        (status, self.errors.take().unwrap().join().unwrap())
    }

    /// Kills it as a crash does.
    pub(super) fn kill(self) {
        drop(self);
    }
}

/// One request over a connection of its own.
pub(super) fn request(
    address: &str,
    method: &str,
    path: &str,
    body: &[u8],
    headers: &[(&str, &str)],
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    // Who is refused may be answered before all of it is sent.
    let _ = stream.write_all(body);
    answer(&mut BufReader::new(stream))
}

/// Reads an answer.
pub(super) fn answer(from: &mut impl BufRead) -> std::io::Result<Answer> {
    let cut = || std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the answer ends early");
    let mut line = String::new();
    from.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(cut)?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        if from.read_line(&mut line)? == 0 {
            return Err(cut());
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let find =
        |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let mut body = Vec::new();
    if find("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        loop {
            line.clear();
            from.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim_end(), 16).map_err(|_| cut())?;
            let mut chunk = vec![0; size + 2];
            from.read_exact(&mut chunk)?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    } else if let Some(length) = find("content-length") {
        body.resize(length.parse().map_err(|_| cut())?, 0);
        from.read_exact(&mut body)?;
    }
    Ok(Answer { status, headers, body })
}

pub(super) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
