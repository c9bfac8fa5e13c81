//! `run --resume`: which inputs make the next batch, and what was begun is finished first.
//!
//! In: the inputs as they are found, a run as the state has it. Out: batches for the pipeline, each of exact
//! pieces of files (`inputs`). It decides nothing.

mod edges;
#[cfg(test)]
mod following;
mod inputs;
mod lost;

use super::common::{Common, ResumeName};
use super::follow::FollowedInputs;
use super::paths;
use super::place::{in_memory, is_at_server};
use super::run::{Repeats, RunArgs};
use super::setup::Setup;
use crate::escape::escaped;
use crate::files::{WriteTarget, shown, write_target};
use crate::observe::place::input_name;
use crate::pipeline::stream_progress::StreamProgress;
use crate::pipeline::{BatchUnread, Pipeline, Stop};
use crate::source::Input;
use crate::state::{
    BatchRecord, OutputMark, RecordedInput, RunChange, RunUse, StoredRun, digest_text,
};
use crate::terminal::formats::counted;
use crate::terminal::message;
use anyhow::bail;
pub(super) use edges::{begins_so, edges};
use firstseen_rule::state::time_to_live_ms;
use firstseen_rule::window::DAY_MS;
pub(super) use inputs::{FileNumber, FoundFiles, InputGone};
use inputs::{
    KeptPositions, NextInputs, as_input, file_of, kept_positions, next_inputs, same_inputs,
};
use lost::{LostFiles, lost_files};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

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
    /// The path of the dead letters, without links.
    pub dead_letter: Option<String>,
    /// Gives up a batch that was begun.
    pub restart: bool,
    /// For how long a position is kept whose input is gone: as long as a term that is not seen any more.
    memory_ms: i64,
    /// The inputs of the batch that is gone on with.
    begun: Vec<Input>,
    /// Whether batch follows batch in this process.
    follows: bool,
    /// Files that are gone, and may be in packed ones that are not read yet.
    waiting: Vec<RecordedInput>,
    /// What was said of files that are nowhere.
    told: HashSet<String>,
}

/// The options of a run; one that is resumed appends.
///
/// # Errors
/// What cannot be resumed, and what to give.
pub(super) fn common(args: &RunArgs) -> anyhow::Result<Common> {
    let mut common = args.common.clone();
    let Some(output) = common.output.as_deref().filter(|_| args.resume || args.follow) else {
        return Ok(common);
    };
    if in_memory(&common.state) {
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
    common.resume = Some(ResumeName { name, restart: args.restart_batch, follows: args.follow });
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
    let Some(ResumeName { name, restart, .. }) = common.resume.clone() else { return Ok(None) };
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
        format!("{} {format:?} {compact} {repeats:?} {:?}", common.judge.max_event, args.max_terms);
    let decides = [
        ("the rules", digest(&artifacts.join(" "))),
        ("settings or exceptions", digest(&settings)),
        ("--max-event, --format, --compact, --repeats or --max-terms", digest(&options)),
    ];
    let whole = |path: &Path| paths::whole(path).to_string_lossy().into_owned();
    let windows = setup.artifacts.iter().flat_map(|artifact| &artifact.meta.rules);
    let mut resumed = ResumedRun {
        stored: setup.store.stored_run(&name)?,
        name,
        decides: decides.map(|(name, digest)| (name.to_owned(), digest)).into(),
        output: common.output.as_deref().map(whole).unwrap_or_default(),
        dead_letter: args.dead_letter.as_deref().map(whole),
        restart,
        memory_ms: windows.map(|rule| time_to_live_ms(rule.window_ms)).max().unwrap_or(i64::MAX),
        begun: Vec::new(),
        follows: args.follow,
        waiting: Vec::new(),
        told: HashSet::new(),
    };
    let is_stream = inputs.iter().any(|input| !is_file(&input));
    resumed.check(is_stream)?;
    let letters = resumed.midway().and_then(|batch| batch.dead_letter_path.as_ref());
    if let Some(before) = letters.filter(|_| resumed.dead_letter.is_none()) {
        message::warning(&format!(
            "the batch was begun with --dead-letter {}, and is ended without: not all that it cannot read is there",
            shown(&PathBuf::from(before))
        ));
    }
    if !is_stream && resumed.is_midway() {
        // Before the output is cut back: what is cut comes again from these inputs alone.
        match same_inputs(&resumed.stored.inputs, inputs, args.follow) {
            Ok(begun) => resumed.begun = begun,
            // A service has nobody to decide it: what is there is judged.
            Err(error) if args.follow && error.is::<InputGone>() => resumed.give_up(&error),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(resumed))
}

impl ResumedRun {
    /// Dead letters as they were when the batch was begun: those that follow come again.
    pub(super) fn dead_letters_before(&self) -> Option<&OutputMark> {
        self.midway()?.dead_letter.as_ref().filter(|_| self.keeps_dead_letter())
    }

    /// Whether dead letters go where those of the batch went so far.
    fn keeps_dead_letter(&self) -> bool {
        let before = self.midway().map(|batch| (&batch.dead_letter, &batch.dead_letter_path));
        match before {
            // The path was not kept once.
            Some((Some(_), None)) | None => true,
            Some((_, before)) => self.dead_letter.is_none() || *before == self.dead_letter,
        }
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

    /// Gives up the batch that was begun, because of an input, and says what happened to that.
    pub(super) fn give_up(&mut self, error: &anyhow::Error) {
        const ANEW: &str = "the batch begins anew with what is there";
        let (gone, unread) = (error.downcast_ref::<InputGone>(), error.downcast_ref());
        let changed = gone.and_then(|gone| gone.changed.as_deref());
        let changed = changed.or_else(|| unread.and_then(BatchUnread::changed));
        let in_folder = |name| self.stored.inputs.iter().any(|i| i.name == name && i.in_folder);
        match changed {
            // What of it is nowhere is said then.
            Some(name) if !in_folder(name) => message::info(&format!(
                "{} was rotated while it was read: {ANEW}",
                input_name(name)
            )),
            Some(name) => message::warning(&format!(
                "{}: it was moved, cut or removed while it was read: {ANEW}; events that are gone were not judged",
                input_name(name)
            )),
            None => {
                let text = unread.map_or_else(|| error.to_string(), |unread| unread.text.clone());
                message::warning(&format!("{}; {ANEW}", escaped(&text)));
            }
        }
        self.restart = true;
    }

    /// Says which files of logs are nowhere; gives those that may be found yet.
    fn tell_lost(&mut self, found: FoundFiles<'_>, next: &NextInputs) -> Vec<FileNumber> {
        // Where it is given up.
        let begun = if self.restart { self.stored.inputs.as_slice() } else { &[] };
        let waited = std::mem::take(&mut self.waiting);
        let LostFiles { sentences, waiting } =
            lost_files(&self.stored.read, begun, waited, found, next);
        for sentence in sentences {
            if !self.told.contains(&sentence) {
                message::warning(&sentence);
                self.told.insert(sentence);
            }
        }
        self.waiting = waiting;
        self.waiting.iter().map(file_of).collect()
    }

    /// The inputs that were read, with how far, and those of a batch that was begun.
    pub(super) fn known(&self) -> Vec<&RecordedInput> {
        self.stored.read.iter().chain(&self.stored.inputs).collect()
    }

    /// Finishes what was begun, then decides what is new; a stream is read on.
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
        self.keep_runs(pipeline, now_ms);
        if let [stream] = found
            && stream.is_stream()
        {
            return self.run_stream(pipeline, stream, now_ms);
        }
        let none = FollowedInputs::default();
        let found = FoundFiles { inputs: found, ..none.files() };
        if self.run_files(pipeline, found, now_ms, stop)? {
            pipeline.close()?;
        }
        Ok(())
    }

    /// Finishes what was begun, then decides what is new of these files. Whether it came to its end.
    ///
    /// # Errors
    /// As [`Self::run`]; [`InputGone`] where nothing was decided because of an input.
    pub(super) fn run_files(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        found: FoundFiles<'_>,
        now_ms: i64,
        stop: &dyn Stop,
    ) -> anyhow::Result<bool> {
        self.stored.batch.take_if(|batch| batch.stream.is_some());
        let other_letters = !self.keeps_dead_letter();
        if let Some(mut batch) = self.stored.batch.take().filter(|_| !self.restart) {
            if other_letters {
                // All that cannot be read of the batch is read once more.
                pipeline.keep_dead_letters(&self.name, &mut batch)?;
            }
            let Some(lines) = pipeline.run_batch(&self.name, &batch, &self.begun)? else {
                return Ok(false);
            };
            let done = std::mem::take(&mut self.stored.inputs);
            self.has_read(done, lines);
        }
        let tells = !self.follows;
        let looked = next_inputs(&self.stored.read, found, tells);
        // Nothing but inputs is read there, and they may go or be cut at any moment.
        let looked = looked.map_err(|error| match self.follows && !error.is::<InputGone>() {
            true => InputGone::of(&error).into(),
            false => error,
        });
        let looked = looked?;
        let waiting = self.tell_lost(found, &looked);
        let NextInputs { next, found: mut with_position, passed, .. } = looked;
        if !self.follows {
            pipeline.already_read(found.inputs.len().saturating_sub(next.len()) as u64);
        }
        with_position.extend(found.present);
        with_position.extend(waiting);
        self.keep_positions(pipeline, &with_position, passed, now_ms)?;
        let given_up = self.restart && !self.stored.inputs.is_empty();
        if (!next.is_empty() || given_up) && !stop.is_requested() {
            let batch = BatchRecord {
                now_ms,
                decides: self.decides.clone(),
                output: self.output.clone(),
                ..BatchRecord::default()
            };
            let inputs: Vec<_> = next.iter().map(as_input).collect();
            let batch = pipeline.begin_batch(&self.name, batch, next.clone())?;
            // Where it is given up, these are its inputs.
            self.stored.inputs = next;
            let Some(lines) = pipeline.run_batch(&self.name, &batch, &inputs)? else {
                return Ok(false);
            };
            let done = std::mem::take(&mut self.stored.inputs);
            self.has_read(done, lines);
        }
        self.restart = false;
        Ok(true)
    }

    /// Takes the inputs of a batch that is over.
    fn has_read(&mut self, mut done: Vec<RecordedInput>, lines: Vec<Option<u64>>) {
        for (input, lines) in done.iter_mut().zip(lines) {
            input.has_lines(lines);
        }
        let files: HashSet<_> = done.iter().map(file_of).collect();
        self.stored.read.retain(|old| !files.contains(&file_of(old)));
        self.stored.read.extend(done);
    }

    /// Keeps which inputs are gone, and those that were `passed` over; positions of those that are gone for too long go,
    /// and this is said.
    fn keep_positions(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        found: &HashSet<FileNumber>,
        passed: Vec<RecordedInput>,
        now_ms: i64,
    ) -> anyhow::Result<()> {
        let KeptPositions { mut changed, gone } =
            kept_positions(&self.stored.read, found, now_ms, self.memory_ms);
        changed.retain(|record| passed.iter().all(|passed| file_of(passed) != file_of(record)));
        changed.extend(passed);
        if let count @ 1.. = gone.len() as u64 {
            let inputs = counted(count, "input that is", "inputs that are");
            let days = counted((self.memory_ms / DAY_MS).unsigned_abs(), "day", "days");
            message::info(&format!(
                "the positions of {inputs} gone for over {days} are removed from the state; one that comes back \
                 is read from its beginning"
            ));
        }
        if self.follows {
            // What the state has from now on.
            let numbers: HashSet<_> = changed.iter().chain(&gone).map(file_of).collect();
            self.stored.read.retain(|old| !numbers.contains(&file_of(old)));
            self.stored.read.extend(changed.iter().cloned());
        }
        pipeline.keep_positions(&self.name, changed, gone)
    }

    /// Keeps that this run is used; those that are not for too long go, and this is said.
    pub(super) fn keep_runs(&self, pipeline: &mut Pipeline<'_>, now_ms: i64) {
        let used = RunChange::Used(RunUse { used_ms: now_ms, memory_ms: self.memory_ms });
        let mut gone = Vec::new();
        for (name, last) in &self.stored.others {
            match last {
                // An earlier version kept no time.
                None => pipeline.keep_run(name, used.clone()),
                Some(last) if last.is_over(now_ms) => gone.push(name),
                Some(_) => {}
            }
        }
        for name in &gone {
            pipeline.keep_run(name, RunChange::Forgotten);
        }
        if let Some(first) = gone.first() {
            message::info(&format!(
                "what the state kept of {} that was not used for longer than its terms are kept is removed: {}{}",
                counted(gone.len() as u64, "run", "runs"),
                escaped(first),
                if gone.len() > 1 { " and others" } else { "" }
            ));
        }
        pipeline.keep_run(&self.name, used);
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
}
