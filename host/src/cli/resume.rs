//! `run --resume`: which inputs make the next batch, and what was begun is finished first.
//!
//! In: the inputs as they are found, a run as the state has it. Out: batches for the pipeline, each of exact
//! pieces of files. It reads the edges of files alone, and decides nothing.

use super::common::{Common, ResumeName};
use super::paths;
use super::place::is_at_server;
use super::run::{Repeats, RunArgs};
use super::setup::Setup;
use crate::files::{WriteTarget, shown, write_target};
use crate::observe::place::input_name;
use crate::pipeline::stream_progress::StreamProgress;
use crate::pipeline::{Pipeline, Stop};
use crate::sink::last_piece;
use crate::source::{Input, InputKind};
use crate::state::{BatchRecord, OutputMark, RecordedInput, StoredRun, digest_text};
use crate::terminal::formats::{counted, number};
use crate::terminal::message;
use anyhow::{Context, bail};
use serde::de::IgnoredAny;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

/// How much at each end of a file its digest covers.
const EDGE: u64 = 64 << 10;

/// A run that goes on where it was.
pub(super) struct ResumedRun {
    /// Its name in the state.
    pub name: String,
    /// What it has there.
    pub stored: StoredRun,
    /// Digests of what decides now, by its name.
    pub decides: BTreeMap<String, String>,
    /// The output's path, without links.
    pub output: String,
    /// Gives up a batch that was begun.
    pub restart: bool,
    /// The inputs of the batch that is gone on with.
    begun: Vec<Input>,
}

/// The options of a run; one that is resumed appends.
///
/// # Errors
/// What cannot be resumed, and what to give.
pub(super) fn common(args: &RunArgs) -> anyhow::Result<Common> {
    let mut common = args.common.clone();
    let Some(output) = common.output.as_deref().filter(|_| args.resume) else { return Ok(common) };
    if common.state.as_os_str() == "memory:" {
        bail!("--resume: --state memory: keeps nothing to go on from; give a file");
    }
    if is_at_server(&common.state) {
        bail!(
            "--resume: a shared state keeps no position in inputs, because its terms are written before \
             their alerts are; without --resume the same input read again gives them again, with the same ids"
        );
    }
    if !matches!(write_target(output), Ok(WriteTarget::File(_, meta)) if meta.as_ref().is_none_or(|m| m.is_file()))
    {
        bail!("--resume: --output {}: it has to be a regular file", shown(output));
    }
    let name = args.name.clone();
    let name = name.unwrap_or_else(|| paths::whole(output).to_string_lossy().into_owned());
    common.append = true;
    common.resume = Some(ResumeName { name, restart: args.restart_batch });
    Ok(common)
}

/// The run that is resumed, as the state has it.
///
/// # Errors
/// An input that cannot be read twice; what changed since a batch was begun.
pub(super) fn of(
    args: &RunArgs,
    common: &Common,
    setup: &Setup,
) -> anyhow::Result<Option<ResumedRun>> {
    let Some(ResumeName { name, restart }) = common.resume.clone() else { return Ok(None) };
    let is_file = |input: &&Input| !input.is_stream() && input.bytes.is_some();
    let inputs = &setup.found.inputs;
    if inputs.len() > 1
        && let Some(input) = inputs.iter().find(|input| !is_file(input))
    {
        bail!(
            "--resume: {}: a stream stands alone; give it a run of its own, with another --output",
            input_name(&input.name)
        );
    }
    if args.max_terms.is_some() && inputs.iter().any(|input| !is_file(&input)) {
        bail!(
            "--max-terms over a stream that is resumed: which terms go depends on how its bytes come, so a \
             restart would give other alerts; give files, or leave out one of the two"
        );
    }
    let digest = |text: &str| digest_text(&blake3::hash(text.as_bytes()));
    let artifacts: Vec<&str> = setup.artifacts.iter().map(|a| a.digest.as_str()).collect();
    let settings = setup.exceptions.settings()?.unwrap_or_default();
    let RunArgs { format, compact, repeats, .. } = args;
    let repeats = repeats.unwrap_or(Repeats::Drop);
    let options =
        format!("{} {format:?} {compact} {repeats:?} {:?}", common.max_event, args.max_terms);
    let decides = [
        ("the rules", digest(&artifacts.join(" "))),
        ("settings or exceptions", digest(&settings)),
        ("--max-event, --format, --compact, --repeats or --max-terms", digest(&options)),
    ];
    let output = common.output.as_deref().map(paths::whole).unwrap_or_default();
    let mut resumed = ResumedRun {
        stored: setup.store.stored_run(&name)?,
        name,
        decides: decides.map(|(name, digest)| (name.to_owned(), digest)).into(),
        output: output.to_string_lossy().into_owned(),
        restart,
        begun: Vec::new(),
    };
    let is_stream = inputs.iter().any(|input| !is_file(&input));
    resumed.check(is_stream)?;
    if !is_stream && resumed.is_midway() {
        // Before the output is cut back: what is cut comes again from these inputs alone.
        resumed.begun = resumed.same_inputs(inputs)?;
    }
    Ok(Some(resumed))
}

impl ResumedRun {
    /// Dead letters as they were when the batch was begun: those that follow come again.
    pub(super) fn dead_letters_before(&self) -> Option<&OutputMark> {
        self.midway()?.dead_letter.as_ref()
    }

    /// Whether it goes on in the middle of a batch or of a stream.
    pub(super) fn is_midway(&self) -> bool {
        self.midway().is_some()
    }

    fn midway(&self) -> Option<&BatchRecord> {
        let is_over = |batch: &BatchRecord| batch.stream.as_ref().is_some_and(|s| s.ended);
        self.stored.batch.as_ref().filter(|batch| !self.restart && !is_over(batch))
    }

    /// Refuses what cannot be resumed: other rules or settings than a batch was begun with.
    ///
    /// # Errors
    /// What has changed.
    pub(super) fn check(&self, is_stream: bool) -> anyhow::Result<()> {
        let Some(batch) = self.midway() else { return Ok(()) };
        if batch.stream.is_some() != is_stream {
            let before = if is_stream { "files" } else { "a stream" };
            bail!(
                "the run was ended in the middle of {before}: give that again, --restart-batch to give it up, or \
                 another --name"
            );
        }
        let differs = |(name, digest): (&String, &String)| batch.decides.get(name) != Some(digest);
        let changed: Vec<_> =
            self.decides.iter().filter(|d| differs(*d)).map(|(name, _)| name.as_str()).collect();
        if !changed.is_empty() {
            bail!(
                "the run was ended in the middle of a batch, and {} changed since: go back to what it was \
                 begun with, or give --restart-batch to decide the rest of its inputs anew",
                changed.join(" and ")
            );
        }
        if batch.output != self.output {
            bail!(
                "the run was ended in the middle of a batch, with --output {}: give that, or --restart-batch",
                shown(&PathBuf::from(&batch.output))
            );
        }
        Ok(())
    }

    /// Finishes what was begun, then decides what is new.
    ///
    /// # Errors
    /// An input that is missing or changed; as for the pipeline.
    pub(super) fn run(
        mut self,
        pipeline: &mut Pipeline<'_>,
        found: &[Input],
        now_ms: i64,
        stop: &dyn Stop,
    ) -> anyhow::Result<()> {
        if let [stream] = found
            && stream.is_stream()
        {
            return self.run_stream(pipeline, stream, now_ms);
        }
        self.stored.batch.take_if(|batch| batch.stream.is_some());
        if let Some(batch) = self.stored.batch.take().filter(|_| !self.restart) {
            if !pipeline.run_batch(&self.name, &batch, &self.begun)? {
                return Ok(());
            }
            let done = std::mem::take(&mut self.stored.inputs);
            let files: HashSet<_> = done.iter().map(file_of).collect();
            self.stored.read.retain(|old| !files.contains(&file_of(old)));
            self.stored.read.extend(done);
        }
        let next = self.next_inputs(found)?;
        pipeline.already_read(found.len().saturating_sub(next.len()) as u64);
        let given_up = self.restart && !self.stored.inputs.is_empty();
        if (!next.is_empty() || given_up) && !stop.is_requested() {
            let batch = BatchRecord {
                now_ms,
                decides: self.decides,
                output: self.output,
                ..BatchRecord::default()
            };
            let inputs: Vec<_> = next.iter().map(as_input).collect();
            let batch = pipeline.begin_batch(&self.name, batch, next)?;
            if !pipeline.run_batch(&self.name, &batch, &inputs)? {
                return Ok(());
            }
        }
        pipeline.close()
    }

    /// Reads a stream on. One that ended under other rules or settings is read from its beginning.
    fn run_stream(
        self,
        pipeline: &mut Pipeline<'_>,
        stream: &Input,
        now_ms: i64,
    ) -> anyhow::Result<()> {
        let batch = self.stored.batch.filter(|_| !self.restart);
        let batch = batch.filter(|batch| batch.decides == self.decides);
        let before = batch.and_then(|batch| batch.stream);
        let (decides, output) = (self.decides, self.output);
        let record = BatchRecord { now_ms, decides, output, ..BatchRecord::default() };
        pipeline.run_stream(StreamProgress::new(self.name, record, before), stream)?;
        Ok(())
    }

    /// The inputs of the batch that was begun, as far as it reads them.
    fn same_inputs(&self, found: &[Input]) -> anyhow::Result<Vec<Input>> {
        let mut by_file: Option<HashMap<(u64, u64), PathBuf>> = None;
        let mut inputs = Vec::new();
        for record in &self.stored.inputs {
            if is_same(record, &PathBuf::from(&record.path)) {
                inputs.push(as_input(record));
                continue;
            }
            // It may have been renamed.
            let by_file = by_file.get_or_insert_with(|| files(found));
            let path = by_file.get(&(record.device, record.inode));
            let Some(path) = path.filter(|path| is_same(record, path)) else {
                bail!(
                    "{}: it is missing or changed, and a batch that was begun needs its first {} bytes as \
                     they were: restore it, or give --restart-batch to start over with the inputs as they are",
                    shown(&PathBuf::from(&record.name)),
                    number(record.length)
                );
            };
            let path = path.to_string_lossy().into_owned();
            inputs.push(as_input(&RecordedInput { path, ..record.clone() }));
        }
        Ok(inputs)
    }

    /// What no batch has read: new files, and what was added to others.
    fn next_inputs(&self, found: &[Input]) -> anyhow::Result<Vec<RecordedInput>> {
        let read = &self.stored.read;
        let mut by_path: HashMap<_, Vec<_>> = HashMap::new();
        read.iter().for_each(|r| by_path.entry(r.path.as_str()).or_default().push(r));
        let by_file: HashMap<_, _> = read.iter().map(|r| (file_of(r), r)).collect();
        let mut next: Vec<RecordedInput> = Vec::new();
        for input in found {
            let InputKind::File(path) = input.kind() else { continue };
            // What cannot be read is said when it is.
            let Ok(file) = File::open(path) else {
                bail!("{}: it cannot be opened, so no batch was begun", shown(path));
            };
            let meta = file.metadata().with_context(|| shown(path))?;
            let path = path.canonicalize().with_context(|| shown(path))?;
            let path = path.to_string_lossy().into_owned();
            let is_plain = input.readable_again().is_some();
            let known = by_file.get(&(meta.dev(), meta.ino()));
            let is_cut = known.is_some();
            // Renamed, copied or restored: what is in it tells.
            let candidates =
                known.into_iter().chain(by_path.get(path.as_str()).into_iter().flatten());
            let known = candidates.copied().find(|record| begins_so(record, &file, meta.len()));
            let start = match known {
                Some(record) if record.length == meta.len() => continue,
                Some(record) if is_plain => record.length,
                _ => 0,
            };
            if start == 0 && is_cut {
                message::warning(&format!(
                    "{}: it is not what was read before, and is read from its beginning",
                    shown(&PathBuf::from(&path))
                ));
            }
            let length =
                if is_plain { whole_length(&file, start, meta.len())? } else { meta.len() };
            if length < meta.len() {
                message::warning(&format!(
                    "{}: its last line is not whole; its {} left for the next run",
                    shown(&PathBuf::from(&path)),
                    counted(meta.len() - length, "byte is", "bytes are")
                ));
            }
            // An empty file is no input of a batch twice.
            if length <= start && meta.len() > 0 {
                continue;
            }
            next.push(RecordedInput {
                edges: edges(&file, length).with_context(|| path.clone())?,
                path,
                name: input.name.to_string(),
                device: meta.dev(),
                inode: meta.ino(),
                start,
                length,
                in_folder: input.is_in_folder(),
            });
        }
        Ok(next)
    }
}

fn file_of(record: &RecordedInput) -> (u64, u64) {
    (record.device, record.inode)
}

fn as_input(record: &RecordedInput) -> Input {
    let RecordedInput { path, name, start, length, in_folder, .. } = record;
    Input::piece(PathBuf::from(path), name, *start, *length, *in_folder)
}

/// The files that are found, by device and number.
fn files(found: &[Input]) -> HashMap<(u64, u64), PathBuf> {
    let file = |input: &Input| match input.kind() {
        InputKind::File(path) => {
            let meta = path.metadata().ok()?;
            Some(((meta.dev(), meta.ino()), path.canonicalize().ok()?))
        }
        InputKind::Stdin => None,
    };
    found.iter().filter_map(file).collect()
}

/// Whether a file begins with what was recorded.
fn is_same(record: &RecordedInput, path: &PathBuf) -> bool {
    let Ok(file) = File::open(path) else { return false };
    file.metadata().is_ok_and(|meta| meta.is_file() && begins_so(record, &file, meta.len()))
}

/// The same of an open file of this length.
fn begins_so(record: &RecordedInput, file: &File, length: u64) -> bool {
    length >= record.length && edges(file, record.length).is_ok_and(|edges| edges == record.edges)
}

/// A digest of the first and the last block up to a length.
fn edges(file: &File, length: u64) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut block = vec![0; length.min(EDGE) as usize];
    file.read_exact_at(&mut block, 0)?;
    hasher.update(&block);
    let last = length - block.len() as u64;
    file.read_exact_at(&mut block, last)?;
    hasher.update(&block);
    Ok(digest_text(&hasher.finalize()))
}

/// Up to where a plain file has whole lines: whoever writes it may be in the middle of one. What does not
/// begin as an event does is a document over several lines, and is taken as it is.
fn whole_length(file: &File, start: u64, length: u64) -> anyhow::Result<u64> {
    let mut last = [0];
    if length <= start || file.read_at(&mut last, length - 1)? == 0 || last == *b"\n" {
        return Ok(length);
    }
    let piece = last_piece(file, length)?;
    let begin = (length - piece.len() as u64).max(start);
    let piece = piece.get(piece.len() - (length - begin) as usize..).unwrap_or_default();
    let is_cut = piece.trim_ascii_start().first() == Some(&b'{')
        && serde_json::from_slice::<IgnoredAny>(piece).is_err();
    Ok(if is_cut { begin } else { length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_being_written_is_left_for_the_next_batch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for (text, whole) in [
            ("{}\n{}\n", 6),
            ("{}\n{}", 5),
            ("{}\n{\"a\":", 3),
            ("{\"a\":", 0),
            ("[\n{}\n]", 6),
            ("{\n\"a\":1}", 8),
            ("", 0),
        ] {
            std::fs::write(&path, text).unwrap();
            let file = File::open(&path).unwrap();
            assert_eq!(whole_length(&file, 0, text.len() as u64).unwrap(), whole, "{text}");
        }
    }

    #[test]
    fn a_digest_of_the_edges_sees_the_beginning_and_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut bytes = vec![b'x'; 3 * EDGE as usize];
        let length = bytes.len() as u64;
        let of = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            edges(&File::open(&path).unwrap(), length).unwrap()
        };
        let before = of(&bytes);
        bytes.push(b'y');
        assert_eq!(of(&bytes), before, "what was added is behind it");
        for at in [0, EDGE as usize - 1, 2 * EDGE as usize, length as usize - 1] {
            let mut other = bytes.clone();
            other[at] = b'y';
            assert_ne!(of(&other), before, "{at}");
        }
    }
}
