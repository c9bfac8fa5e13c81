//! A corpus of hostile artifacts: each is refused, or its run is contained.
//!
//! In: artifacts that are made here, each with its name and what holds of it. Out: whether the binary survives them, gives no
//! alert that is wrong, says what is wrong, and loses no other rule. What they cost in time is not measured: most are
//! refused before they are compiled, and calls end by the deadlines that `endless` tests.

mod answers;
mod endless;
mod guest;
mod modules;

use crate::support::{Done, Folder, run};
use guest::{ALERT, EVENT, HostileGuest};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// What each takes, for a person.
#[test]
#[ignore = "it measures"]
fn what_each_of_the_corpus_takes() {
    let folder = Folder::new();
    for case in corpus() {
        let path = folder.write("hostile.wasm", &case.wasm);
        let began = std::time::Instant::now();
        let run = run().args(&["--cache", "none", "--rule"]).arg(path).arg("-");
        run.pipe(format!("{EVENT}\n")).end();
        println!("{:>6} ms {:>9} B {}", began.elapsed().as_millis(), case.wasm.len(), case.name);
    }
}
