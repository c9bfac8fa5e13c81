//! A folder, commands that run in it, and a transcript of what they print.
//!
//! In: files and command lines. Out: a snapshot in `tests/snapshots`. The environment is empty but
//! for what is set here, and paths are relative to the folder, so that nothing depends on the
//! machine, the terminal or the clock. What must vary is replaced by a word in brackets: times, the
//! size and digest of an artifact (they change with every engine), new ids, temporary paths.

use crate::support::{Folder, repository};
use regex::Regex;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::SystemTime;

/// What must vary, and what stands in its place.
static VARIES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let uuid = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}";
    [
        (r"[\d.]+ s, [\d,]+ events/s", "[time] s, [rate] events/s"),
        (r#""elapsed_ms":\d+"#, r#""elapsed_ms":[time]"#),
        (r#""events_per_second":\d+"#, r#""events_per_second":[rate]"#),
        // Of `bench`.
        (r#"("(\w+_)?(seconds|per_second|us|memory_bytes)": )[\d.]+"#, "${1}[measured]"),
        (r#"("(read|inflate|scan|keys|order|decide|output|other)": )[\d.]+"#, "${1}[measured]"),
        // Of `build`.
        (r"(?m)\b[\d.]+ [kM]?B, ([\d.]+ m?s)$", "[size], ${1}"),
        (r"(?m)(size\]|ok|read|built|failed|skipped), [\d.]+ m?s$", "${1}, [time]"),
        // Of `inspect`: what the engine makes of an artifact's size.
        (r"[\d,]+ bytes, [\d,]+ beside its text", "[size] bytes, [size] beside its text"),
        (r"\d+ pages of 64 KiB", "[size] pages of 64 KiB"),
        (r"(?m)^ +\d+  (\S)", "      [size]  ${1}"),
        (r#""bytes":\d+,"bytes_beside_text":\d+"#, r#""bytes":[size],"bytes_beside_text":[size]"#),
        (r#""bytes":\d+,"custom""#, r#""bytes":[size],"custom""#),
        (r#""memory_pages":\d+"#, r#""memory_pages":[size]"#),
        ("sha256:[0-9a-f]{64}", "sha256:[digest]"),
        // A file that was to take another's place.
        (r"\.firstseen-\w{6}", ".firstseen-[new]"),
        (&format!(r#"rule_id = "{uuid}""#), r#"rule_id = "[new id]""#),
    ]
    .map(|(varies, word)| (Regex::new(varies).unwrap(), word))
    .into()
});

/// A folder and what was run in it.
pub(super) struct Scene {
    pub(super) folder: Folder,
    transcript: String,
    /// Whether long lines are cut.
    brief: bool,
}

/// Where a command's output goes, if not to the transcript.
pub(super) enum Out {
    /// To the transcript.
    Shown,
    /// To a disk that is full.
    Full,
    /// To a pipe that nobody reads.
    Closed,
}

impl Scene {
    /// An empty folder with links to two devices, `full` and `null`: what replaces a file replaces
    /// a link here and no device.
    pub(super) fn new() -> Self {
        let scene = Self { folder: Folder::new(), transcript: String::new(), brief: false };
        for device in ["full", "null"] {
            scene.link(device, &Path::new("/dev").join(device));
        }
        scene
    }

    /// A scene with links to these files or folders of the repository: name, path.
    pub(super) fn with(links: &[(&str, &str)]) -> Self {
        let scene = Self::new();
        for (name, path) in links {
            scene.link(name, &repository(path).canonicalize().unwrap());
        }
        scene
    }

    /// Makes a link to something.
    pub(super) fn link(&self, name: &str, to: &Path) {
        std::os::unix::fs::symlink(to, self.folder.path(name)).unwrap();
    }

    /// From here on a long line is cut, and has its length and digest instead of the rest: where
    /// alerts are not what the scene shows.
    pub(super) const fn cut_long_lines(&mut self) {
        self.brief = true;
    }

    /// Writes a file; folders on the way are made.
    pub(super) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.folder.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A headline in the transcript.
    pub(super) fn title(&mut self, text: &str) {
        let gap = if self.transcript.is_empty() { "" } else { "\n" };
        writeln!(self.transcript, "{gap}## {text}").unwrap();
    }

    /// Runs `firstseen` with these words, and nothing on standard input.
    pub(super) fn run(&mut self, words: &str) {
        self.run_with(words, b"", Out::Shown);
    }

    /// Runs `firstseen` with these words over these bytes.
    pub(super) fn pipe(&mut self, words: &str, input: impl AsRef<[u8]>) {
        self.run_with(words, input.as_ref(), Out::Shown);
    }

    /// The binary, in the scene's folder and environment.
    pub(super) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firstseen"));
        command.current_dir(self.folder.path("")).env_clear().args(words.split_whitespace());
        command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb"), ("LANG", "C"), ("TZ", "UTC")] {
            command.env(name, value);
        }
        command
    }

    /// Runs `firstseen`, with its standard output wherever that goes.
    pub(super) fn run_with(&mut self, words: &str, input: &[u8], out: Out) {
        let mut command = self.command(words);
        let (stdout, aside) = match out {
            Out::Shown => (Stdio::piped(), ""),
            Out::Full => {
                let full = fs::File::options().write(true).open("/dev/full").unwrap();
                (full.into(), " > /dev/full")
            }
            Out::Closed => {
                let (reader, writer) = std::io::pipe().unwrap();
                drop(reader);
                (writer.into(), " | (closed)")
            }
        };
        command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The parent's end of a pipe that nobody reads must go too.
        drop(command);
        let mut stdin = child.stdin.take().unwrap();
        let bytes = input.to_vec();
        // A child that reads no more is no fault of the test's.
        let writer = std::thread::spawn(move || stdin.write_all(&bytes).ok());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        let status = output.status.code().map_or("a signal".to_owned(), |code| code.to_string());
        let aside = if input.is_empty() { aside.to_owned() } else { format!(" < input{aside}") };
        writeln!(self.transcript, "\n$ firstseen {words}{aside}\nstatus {status}").unwrap();
        self.block("standard output", &output.stdout);
        self.block("standard error", &output.stderr);
    }

    /// Puts a file that was written into the transcript.
    pub(super) fn show(&mut self, name: &str) {
        let bytes = fs::read(self.folder.path(name)).unwrap();
        self.block(name, &bytes);
    }

    /// Lists the files under a folder, by name.
    pub(super) fn list(&mut self, name: &str) {
        let root = self.folder.path(name);
        let files = files(&root).into_iter().map(|path| {
            let path = path.strip_prefix(&root).unwrap();
            format!("{}\n", path.display())
        });
        self.block(&format!("files in {name}"), files.collect::<String>().as_bytes());
    }

    /// Puts a table that was made here into the transcript.
    pub(super) fn table(&mut self, name: &str, text: &str) {
        writeln!(self.transcript, "--- {name}\n{}", text.trim_end()).unwrap();
    }

    fn block(&mut self, name: &str, bytes: &[u8]) {
        if !bytes.is_empty() {
            let mut text = self.redacted(&shown(bytes));
            if self.brief {
                text = text.lines().map(|line| cut(line) + "\n").collect();
            }
            write!(self.transcript, "--- {name}\n{text}").unwrap();
        }
    }

    fn redacted(&self, text: &str) -> String {
        let folder = self.folder.path("");
        let real = folder.canonicalize().unwrap();
        let mut text = text.to_owned();
        for (path, word) in [
            (real, "[folder]"),
            (folder, "[folder]"),
            (repository(".").canonicalize().unwrap(), "[project]"),
        ] {
            let path = path.to_str().unwrap().trim_end_matches('/').to_owned();
            text = text.replace(&path, word);
        }
        text = without_now(&text);
        for (varies, word) in VARIES.iter() {
            text = varies.replace_all(&text, *word).into_owned();
        }
        text
    }

    /// The transcript so far.
    pub(super) fn text(&self) -> &str {
        &self.transcript
    }

    /// Compares the transcript with the snapshot of that name.
    #[track_caller]
    pub(super) fn end(self, name: &str) {
        compare(name, &self.transcript);
    }
}

/// Compares a text with the snapshot of that name.
#[track_caller]
pub(super) fn compare(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(repository("tests/snapshots").canonicalize().unwrap());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The files under a folder, by path; devices are none.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// A text without the times of the present day, or of the one before if midnight was just now.
pub(super) fn without_now(text: &str) -> String {
    let now = chrono::DateTime::<chrono::Utc>::from(SystemTime::now());
    let mut text = text.to_owned();
    for day in [now, now - chrono::TimeDelta::days(1)] {
        let time = format!(r"{}T\d\d:\d\d:\d\d\.\d\d\dZ", day.format("%Y-%m-%d"));
        text = Regex::new(&time).unwrap().replace_all(&text, "[now]").into_owned();
    }
    text
}

/// The beginning of a line, and what is known of the rest.
fn cut(line: &str) -> String {
    const WHOLE: usize = 600;
    const KEPT: usize = 200;
    let length = line.chars().count();
    if length <= WHOLE {
        return line.to_owned();
    }
    let start: String = line.chars().take(KEPT).collect();
    let digest = blake3::hash(line.as_bytes()).to_hex();
    format!("{start} [{length} characters, digest {}]", &digest[..16])
}

/// Bytes as text of which every one can be seen, with an end to its last line.
fn shown(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => out.push('\n'),
                c if c.is_control() => out.extend(c.escape_default()),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}").unwrap();
        }
    }
    if !out.ends_with('\n') {
        out.push_str("\n\\ no newline at the end\n");
    }
    out
}
