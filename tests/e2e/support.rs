//! Calls the binary and collects the result.
//!
//! In: arguments, standard input, events for files. Out: exit status, alerts, summary and messages.
//! Compiled code is cached in the build's own folder, never in the user's cache.

use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A path in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A JSON file in the repository.
pub(crate) fn read_json(path: &str) -> Value {
    json_file(&repository(path))
}

/// A JSON file.
pub(crate) fn json_file(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The text, packed as gzip.
pub(crate) fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_ref()).unwrap();
    packed.finish().unwrap()
}

/// Reads what a process prints until a line has this word: what follows it there; nothing where the process ends before.
pub(crate) fn printed_behind(
    from: &mut impl BufRead,
    printed: &mut String,
    word: &str,
) -> Option<String> {
    loop {
        let start = printed.len();
        if from.read_line(printed).unwrap() == 0 {
            return None;
        }
        if let Some((_, rest)) = printed[start..].split_once(word) {
            return Some(rest.to_owned());
        }
    }
}

/// Numbers by chance, the same for a seed (SplitMix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A folder that is removed when the test ends.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// A call of the binary.
pub(crate) struct Call {
    pub(crate) command: Command,
    pub(crate) input: Stdio,
    output: Stdio,
    bytes: Vec<u8>,
    /// The folder to which `run` writes its summary.
    pub(crate) folder: Folder,
}

/// `firstseen run` with a summary.
pub(crate) fn run() -> Call {
    let call = call("run");
    let path = call.folder.path("summary.json");
    call.arg("--summary").arg(path)
}

/// Another command of firstseen.
pub(crate) fn call(name: &str) -> Call {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firstseen"));
    command
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .arg(name);
    Call {
        command,
        input: Stdio::null(),
        output: Stdio::piped(),
        bytes: Vec::new(),
        folder: Folder::new(),
    }
}

impl Call {
    /// A command that was made elsewhere.
    pub(crate) fn of(command: Command, folder: Folder) -> Self {
        Self { command, input: Stdio::null(), output: Stdio::piped(), bytes: Vec::new(), folder }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// Standard input from a pipe. A thread writes it, so that a child that stops reading does not
    /// block the test.
    pub(crate) fn pipe(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Stdio::piped();
        self.bytes = bytes.into();
        self
    }

    /// Standard input from a file.
    pub(crate) fn stdin(mut self, path: &Path) -> Self {
        self.input = File::open(path).unwrap().into();
        self
    }

    /// Standard output to something else than a pipe.
    pub(crate) fn to(mut self, output: Stdio) -> Self {
        self.output = output;
        self
    }

    /// Runs to the end.
    pub(crate) fn end(mut self) -> Done {
        self.command.stdin(self.input).stdout(self.output).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        // What the command holds is the child's alone: a terminal ends when nobody has it open.
        self.command = Command::new("");
        let writer = child.stdin.take().map(|mut stdin| {
            let bytes = std::mem::take(&mut self.bytes);
            std::thread::spawn(move || stdin.write_all(&bytes).ok())
        });
        let output = child.wait_with_output().unwrap();
        if let Some(writer) = writer {
            writer.join().unwrap();
        }
        let summary = std::fs::read(self.folder.path("summary.json")).ok();
        Done {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            summary: summary.map_or(Value::Null, |s| serde_json::from_slice(&s).unwrap()),
        }
    }

    /// Runs to the end and expects exit status 0.
    #[track_caller]
    pub(crate) fn ok(self) -> Done {
        let done = self.end();
        assert_eq!(done.status, Some(0), "{}", done.stderr);
        done
    }

    /// Runs to the end and expects exit status 2 and a message with all these words.
    #[track_caller]
    pub(crate) fn fails(self, words: &[&str]) -> Done {
        let done = self.end();
        assert_eq!(done.status, Some(2), "{}{}", done.stdout, done.stderr);
        for word in words {
            assert!(done.stderr.contains(word), "`{word}` is not in: {}", done.stderr);
        }
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        done
    }
}

/// The result of a call.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The summary of `run`; null if there is none.
    pub(crate) summary: Value,
}

impl Done {
    /// Standard output as NDJSON.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        json_lines(&self.stdout)
    }

    /// The event ids of the alerts, in order.
    #[track_caller]
    pub(crate) fn alert_ids(&self) -> Vec<String> {
        self.lines().iter().map(event_id).collect()
    }

    /// A count of the summary; for `no_events` the sum over its kinds.
    #[track_caller]
    pub(crate) fn count(&self, name: &str) -> u64 {
        match &self.summary[name] {
            Value::Object(kinds) => kinds.values().map(|n| n.as_u64().unwrap()).sum(),
            count => count.as_u64().unwrap_or_else(|| panic!("{name}: {count}")),
        }
    }
}

/// Documents, one per line.
#[track_caller]
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// The event id of an alert.
#[track_caller]
pub(crate) fn event_id(alert: &Value) -> String {
    alert["event"]["id"].as_str().expect("an alert has its event's id").to_owned()
}

/// A CloudTrail event that matches the flagship: this user creates a stack. The id can be any text.
pub(crate) fn create_stack(id: &str, time: &str, user: &str) -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLE",
            "arn": format!("arn:aws:iam::111122223333:user/{user}"),
            "accountId": "111122223333",
            "userName": user,
        },
        "eventTime": time,
        "eventSource": "cloudformation.amazonaws.com",
        "eventName": "CreateStack",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.24",
        "userAgent": "aws-cli/2.24.14",
        "requestParameters": { "stackName": "network-base" },
        "responseElements": null,
        "requestID": "d0f6994a-2833-4e7d-a301-41384d3dbbe8",
        "eventID": id,
        "eventType": "AwsApiCall",
        "recipientAccountId": "111122223333",
    })
}

/// Events of [`create_stack`] as NDJSON, from id, time and user.
pub(crate) fn stack_lines(events: &[(&str, &str, &str)]) -> String {
    events.iter().map(|(id, time, user)| format!("{}\n", create_stack(id, time, user))).collect()
}
