//! A corpus of hostile artifacts: each is refused, or its run is contained.
//!
//! In: artifacts that are made here, each with its name and what holds of it. Out: whether the binary survives them, gives no
//! alert that is wrong, says what is wrong, and loses no other rule. What they cost in time is not measured: most are
//! refused before they are compiled, and calls end by the deadlines that `endless` tests.

mod answers;
mod endless;
mod guest;
mod modules;

use crate::support::{Done, Folder, call, run};
use guest::{ALERT, EVENT, HostileGuest};
use std::io::Write;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An artifact whose `keys` traps at each event.
pub(crate) fn trapping() -> Vec<u8> {
    let mut guest = HostileGuest::default();
    guest.bodies.push(("keys", "unreachable".to_owned()));
    guest.wasm()
}

/// What holds of a run with an artifact.
#[derive(Clone, Copy)]
enum Held {
    /// It is refused, with this in the message, before an event is read.
    Refused(&'static str),
    /// It runs, does not judge its event, and the run says this.
    Contained(&'static str),
    /// It runs, gives the one alert that it may give, and the run says this.
    Told(&'static str),
    /// It runs and gives the one alert that it may give.
    Honest,
}

/// An artifact of the corpus.
struct Case {
    name: String,
    held: Held,
    wasm: Vec<u8>,
}

impl Case {
    fn new(name: &str, held: Held, wasm: Vec<u8>) -> Self {
        Self { name: name.to_owned(), held, wasm }
    }

    /// A guest that is honest but for a change.
    fn guest(name: &str, held: Held, change: impl FnOnce(&mut HostileGuest)) -> Self {
        let mut guest = HostileGuest::default();
        change(&mut guest);
        Self::new(name, held, guest.wasm())
    }

    /// What is wrong with the run.
    fn fault(&self, done: &Done) -> Option<String> {
        let alerts = done.stdout.lines().count();
        let is_right = |line: &str| line == ALERT;
        let says = |word: &str| words(&done.stderr).contains(word);
        let (status, count, word) = match self.held {
            Held::Refused(word) => (2, 0, word),
            Held::Contained(word) => (0, 0, word),
            Held::Told(word) => (0, 1, word),
            Held::Honest => (0, 1, ""),
        };
        let holds = done.status == Some(status)
            && alerts == count
            && done.stdout.lines().all(is_right)
            && says(word)
            && !done.stderr.contains('\x1b')
            && done.stderr.len() < 100_000;
        let Done { status, stdout, stderr, .. } = done;
        (!holds).then(|| format!("{}: {status:?}\n{stdout:.300}\n{stderr:.600}\n", self.name))
    }
}

/// A message without its line breaks.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The artifacts whose calls end.
fn corpus() -> Vec<Case> {
    let mut all = modules::too_much();
    all.extend(modules::forbidden());
    all.extend(modules::raw());
    all.extend(modules::costly());
    all.extend(modules::metadata());
    all.extend(answers::of_keys());
    all.extend(answers::of_decide());
    all.extend(answers::of_calls());
    all
}

#[test]
fn each_of_the_corpus_is_refused_or_contained() {
    let all = corpus();
    assert!(all.len() >= 150, "{}", all.len());
    let mut names: Vec<&str> = all.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all.len(), "each has a name of its own");
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let folder = Folder::new();
                while let Some(case) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let path = folder.write("hostile.wasm", &case.wasm);
                    let run = run().args(&["--cache", "none", "--threads", "1", "--rule"]);
                    let done = run.arg(path).arg("-").pipe(format!("{EVENT}\n")).end();
                    faults.lock().unwrap().extend(case.fault(&done));
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), all.len(), faults.join("\n"));
}

/// The binary compiles in a child, which is the binary itself.
#[test]
fn a_module_is_compiled_from_standard_input() {
    let compiled = |wasm: &[u8]| {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_firstseen"));
        child.arg("compile-a-module").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.spawn().unwrap();
        child.stdin.take().unwrap().write_all(wasm).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.success(), output.stdout)
    };
    let (is_done, code) = compiled(&HostileGuest::default().wasm());
    assert!(is_done && code.len() > 1000 && code[0] == 0, "{}", code.len());
    let (is_done, fault) = compiled(b"\0asm\x01\0\0\0\xff");
    assert!(is_done && fault[0] == 1, "{}", String::from_utf8_lossy(&fault));
    // It is no command for people.
    call("compile-a-module").arg("more").fails(&["unrecognized subcommand"]);
    assert!(!call("--help").end().stdout.contains("compile-a-module"));
}

/// What each takes, for a person. The artifacts are left in the folder that `HOSTILE_CORPUS` names.
#[test]
#[ignore = "it measures"]
fn what_each_of_the_corpus_takes() {
    let folder = Folder::new();
    let kept = std::env::var_os("HOSTILE_CORPUS").map(std::path::PathBuf::from);
    for case in corpus() {
        let path = folder.write("hostile.wasm", &case.wasm);
        if let Some(kept) = &kept {
            std::fs::write(kept.join(case.name.replace(' ', "-") + ".wasm"), &case.wasm).unwrap();
        }
        let began = std::time::Instant::now();
        let run = run().args(&["--cache", "none", "--rule"]).arg(path).arg("-");
        run.pipe(format!("{EVENT}\n")).end();
        println!("{:>6} ms {:>9} B {}", began.elapsed().as_millis(), case.wasm.len(), case.name);
    }
}
