//! A resumed run over a real output and a real state file whose n-th call fails: for every n, what is left in
//! the end is what an undisturbed run leaves.

use super::*;
use crate::pipeline::resume::BatchProgress;
use crate::sink::{Format, KnownOutput, Output, UnknownLines};
use crate::state::{BatchRecord, RecordedInput, Redb, RunChange};
use redb::StorageBackend;
use redb::backends::FileBackend;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts calls down; the last one fails, and all that follow.
#[derive(Debug, Clone)]
struct Script(Arc<AtomicUsize>);

impl Script {
    fn fails(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_err()
    }
}

#[derive(Debug)]
struct FailingFile {
    file: FileBackend,
    script: Script,
}

impl FailingFile {
    fn call(&self, kind: io::ErrorKind) -> io::Result<()> {
        if self.script.fails() { Err(kind.into()) } else { Ok(()) }
    }
}

impl StorageBackend for FailingFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.call(io::ErrorKind::Other)?;
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(io::ErrorKind::StorageFull)?;
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.call(io::ErrorKind::Other)?;
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.script.fails() {
            // A short write.
            self.file.write(offset, &data[..data.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

struct FailingOutput {
    output: Output,
    file: File,
    script: Script,
}

impl AlertSink for FailingOutput {
    fn alert(&mut self, _: &EventAt, json: &str) -> Result<(), OutputError> {
        self.output.alert(json)
    }
    fn flush(&mut self) -> Result<(), OutputError> {
        let fails = self.script.fails();
        self.output.flush()?;
        if fails {
            let length = self.file.metadata().unwrap().len();
            self.file.set_len(length.saturating_sub(3)).unwrap();
            return Err(OutputError::Failed("short".to_owned()));
        }
        Ok(())
    }
    fn sync(&mut self) -> Result<(), OutputError> {
        if self.script.fails() {
            return Err(OutputError::Failed("sync".to_owned()));
        }
        self.output.sync()
    }
    fn mark(&self) -> Option<crate::state::OutputMark> {
        self.output.mark()
    }
}

/// Resumes the run "r" over the input, as the command does; the calls of state and output are counted.
fn resume(folder: &Path, state: &Script, sink: &Script) -> anyhow::Result<()> {
    let path = |name: &str| folder.join(name);
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.open(path("state"))?;
    let backend = FailingFile { file: FileBackend::new(file)?, script: state.clone() };
    let mut store = Redb::on_backend(backend)?;
    let out = folder.canonicalize()?.join("out");
    let mark = store.marked(&out.to_string_lossy())?;
    let known = mark.as_ref().map(|mark| KnownOutput::look(&out, mark)).transpose()?;
    let output = Output::append(&out, Format::Ndjson, known, UnknownLines::Cut)?.with_digest()?;
    let is_other = |told: &str| told.contains("restore a copy of it");
    assert!(!output.mended().is_some_and(is_other), "{:?}", output.mended());
    store.mark(output.mark().unwrap());
    store.commit()?;
    let stored = store.stored_run("r")?;
    if stored.batch.is_none() && !stored.read.is_empty() {
        return Ok(());
    }
    let file = File::options().write(true).open(&out)?;
    let sink = FailingOutput { output, file, script: sink.clone() };
    let mut heard = Heard::default();
    let now = Rc::new(Cell::new(100));
    let (clock, stop) = (Ticking(now), StopAfter(AtomicUsize::new(usize::MAX)));
    let mut pipeline = Pipeline::new(Parts {
        rules: vec![Box::new(FirstSighting { calls: Calls::default() })],
        prefilter: Prefiltering::of(&[vec![vec![]]]),
        samples: RunSamples::new(1, 1, true),
        store: Box::new(store),
        sink: Box::new(sink),
        observer: &mut heard,
        clock: &clock,
        stop: &stop,
        learning: Learning::default(),
        schedule: None,
        threads: None,
        live_settings: None,
        options: pipeline_options(1 << 20),
    });
    let length = path("in").metadata()?.len();
    let batch = match stored.batch {
        Some(batch) => batch,
        None => {
            let batch = BatchRecord { now_ms: 101, ..BatchRecord::default() };
            let input = RecordedInput { length, ..RecordedInput::default() };
            pipeline.begin_batch("r", batch, vec![input])?
        }
    };
    // What `run_batch` does, over a source that needs no JSON.
    pipeline.decider.batch = Some(BatchProgress::new("r".to_owned(), batch.position));
    pipeline.names.push(Arc::from("scripted"));
    let blocks = vec![std::fs::read_to_string(path("in"))?];
    let (calls, clock) = (Calls::default(), Rc::default());
    let mut source = ScriptedSource { calls, blocks, offset: 0, line: 1, clock, limit: None };
    let mut order = Order::Sorted(Sorter::new(1 << 20));
    pipeline.read(&mut source, (0, 0), false, &mut order)?;
    pipeline.end(order)?;
    pipeline.decider.batch = None;
    pipeline.decider.change_run("r", RunChange::Finished(Vec::new()))?;
    pipeline.close()
}

/// Output and terms.
fn left(folder: &Path) -> (String, BTreeMap<Vec<u8>, Vec<u8>>) {
    use crate::state::StateHistory;
    let store = Redb::open(&folder.join("state")).unwrap();
    let mut rows = BTreeMap::new();
    let scanned = store.scan(b"", &[0xff], &mut |key, value| {
        rows.insert(key.to_vec(), value.to_vec());
        std::ops::ControlFlow::Continue(())
    });
    scanned.unwrap();
    (std::fs::read_to_string(folder.join("out")).unwrap(), rows)
}

#[test]
fn storage_that_fails_at_any_call_loses_and_doubles_nothing() {
    let never = || Script(Arc::new(AtomicUsize::new(usize::MAX)));
    // Over a thousand matches: more than one round, and alerts in each.
    let lines: String = (0..1500).map(|n| format!("{{{} k{}}}\n", n * 7 % 1500, n % 900)).collect();
    let fresh = || {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in"), &lines).unwrap();
        // A state is made under another name, so that what fails then leaves none.
        drop(Redb::open(&folder.path().join("state")).unwrap());
        folder
    };
    let whole = fresh();
    resume(whole.path(), &never(), &never()).unwrap();
    let expected = left(whole.path());
    assert_eq!((expected.0.lines().count(), expected.1.len()), (900, 900));
    for in_state in [true, false] {
        let mut failed = 0;
        for n in 0.. {
            let folder = fresh();
            let script = Script(Arc::new(AtomicUsize::new(n)));
            let (state, sink) = if in_state { (script, never()) } else { (never(), script) };
            if resume(folder.path(), &state, &sink).is_ok()
                && state.0.load(Ordering::SeqCst) > 0
                && sink.0.load(Ordering::SeqCst) > 0
            {
                break;
            }
            failed += 1;
            resume(folder.path(), &never(), &never()).unwrap();
            assert!(left(folder.path()) == expected, "call {n}, of the state: {in_state}");
        }
        eprintln!("{failed} calls failed, of the state: {in_state}");
        assert!(failed > 1);
    }
}
