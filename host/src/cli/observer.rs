//! What `run` does with what the pipeline reports: it counts, prints, keeps dead letters, and ends the
//! run where the user asked for that.
//!
//! In: counts and notices. Out: the summary, lines on standard error, dead letters. It never changes
//! what is judged.

use super::message_limits::{
    MAX_CODES, MILESTONES, NAMED, NAMED_OF_CODE, OTHER_KINDS, OtherKind, is_milestone, nth,
};
use crate::escape::escaped;
use crate::observe::learned::LearnedDays;
use crate::observe::place::input_name;
use crate::observe::rule_counts::RuleTally;
use crate::observe::summary::Summary;
use crate::observe::{Counter, Notice, NoticeSeverity, Observer, RuleCounter, SkipKind};
use crate::pipeline::workers::MISSING_EVENTS;
use crate::sink::dead_letter::DeadLetter;
use crate::source::{EMPTY_INPUTS, NO_LOG, is_whole_input};
use crate::state::OutputMark;
use crate::terminal::formats::counted;
use crate::terminal::message;
use crate::terminal::missing::MissingCauses;
use crate::terminal::progress::Progress;
use anyhow::{Context, anyhow};
use firstseen_envelope::code;
use firstseen_session::RuleRef;
use std::collections::{HashMap, HashSet};

/// What to do with an event that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OnError {
    /// Leave it out: it is counted, named, and kept with --dead-letter.
    Skip,
    /// End with an error; what was read before it is decided all the same.
    Fail,
}

/// Dead letters that are kept, at most. A small packed input can hold any number.
const MAX_DEAD: u64 = 1_000_000;
/// Their bytes, as they are written: so many, or so many for each byte that was read of the inputs.
const MAX_DEAD_BYTES: u64 = 64 << 20;
const MAX_DEAD_FACTOR: u64 = 10;

/// Bytes of a reason that are shown.
const MAX_REASON: usize = 2_000;

/// Matches without a new-terms field whose cause is looked for.
const CAUSES: u64 = MISSING_EVENTS;
/// Names of exceptions that are remembered: more than there can be, unless a guest makes them up.
const MAX_USED: usize = 20_000;

/// The beginning of a text that a guest chose: a reason of ours is shorter.
fn short(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_REASON)).unwrap_or_default()
}

/// How many bytes of dead letters inputs of so many bytes may give.
fn most_dead_bytes(read: u64) -> u64 {
    read.saturating_mul(MAX_DEAD_FACTOR).max(MAX_DEAD_BYTES)
}

/// The sums of a service as of its last commit.
struct CommittedSums {
    summary: Summary,
    tally: RuleTally,
}

/// The observer of `run`.
pub struct RunObserver {
    /// The sums so far.
    pub summary: Summary,
    /// The sums of each rule.
    pub tally: RuleTally,
    /// The exceptions that took something out.
    pub used: HashSet<String>,
    /// What each rule learned.
    pub learned: HashMap<RuleRef, LearnedDays>,
    /// Whether batch follows batch.
    pub follows: bool,
    causes: MissingCauses,
    on_error: OnError,
    dead_letter: Option<DeadLetter>,
    progress: Progress,
    /// The sizes of the inputs that the bar is over; what is read behind them has no bar.
    sizes: Vec<Option<u64>>,
    present: u32,
    named: u64,
    /// Whether it was said that more are counted.
    told_more: bool,
    /// Of each code how many events there were.
    count_of: HashMap<String, u64>,
    /// How many messages there were of each kind.
    others: [u64; OTHER_KINDS],
    /// Bytes of dead letters.
    dead_bytes: u64,
    /// Where it may go on for months: what was committed of the sums.
    service: Option<CommittedSums>,
    /// Bytes that were read of the inputs before the present one, its number, and its own.
    read: (u64, u32, u64),
}

impl RunObserver {
    /// An observer of a run over files of these sizes, and of streams behind them. `dataset` is what
    /// all rules are about.
    #[must_use]
    pub fn new(
        on_error: OnError,
        dead_letter: Option<DeadLetter>,
        sizes: Vec<Option<u64>>,
        tally: RuleTally,
        dataset: Option<String>,
    ) -> Self {
        Self {
            summary: Summary { dataset, ..Summary::default() },
            tally,
            used: HashSet::new(),
            learned: HashMap::new(),
            follows: false,
            causes: MissingCauses::default(),
            on_error,
            dead_letter,
            progress: Progress::new(&sizes),
            sizes,
            present: 0,
            named: 0,
            told_more: false,
            count_of: HashMap::new(),
            others: [0; OTHER_KINDS],
            dead_bytes: 0,
            service: None,
            read: (0, 0, 0),
        }
    }

    /// Of a service: what was counted up to now is committed. If it ends with a fault, its sums are those of the last
    /// time: what was not committed is sent again. Messages never cease either.
    pub fn commit_sums(&mut self) {
        match &mut self.service {
            Some(sums) => {
                sums.summary.clone_from(&self.summary);
                sums.tally.copy_sums(&self.tally);
            }
            None => {
                let (summary, tally) = (self.summary.clone(), self.tally.clone());
                self.service = Some(CommittedSums { summary, tally });
            }
        }
    }

    /// Ends the run: the progress bar is removed, and dead letters are written.
    ///
    /// # Errors
    /// When they could not be written.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        self.progress.clear();
        if let Some(CommittedSums { summary, tally }) = self.service.take() {
            (self.summary, self.tally) = (summary, tally);
        }
        for (kind, what, one, many) in OtherKind::ALL {
            let count = self.others.get(kind as usize).copied().unwrap_or_default();
            if let more @ 1.. = count.saturating_sub(NAMED) {
                message::warning(&format!("{what}: {}", counted(more, one, many)));
            }
        }
        self.settle()
    }

    fn say(&self, text: &str) {
        self.progress.suspend(|| message::warning(text));
    }

    /// Says it, up to a limit for its kind; how many more there were is said at the end.
    fn say_some(&mut self, kind: OtherKind, text: &str) {
        let Some(count) = self.others.get_mut(kind as usize) else { return };
        *count += 1;
        let count = *count;
        if count <= NAMED {
            return self.say(text);
        }
        let what = || text.split_once(": ").map_or(text, |(what, _)| what);
        if self.service.is_some() {
            if is_milestone(count) {
                self.say(&format!("{text} ({})", nth(count)));
            } else if count == NAMED + 1 {
                self.say(&format!("{}: of more only the {}", what(), MILESTONES));
            }
        } else if count == NAMED + 1 {
            self.say(&format!("{}: more are counted at the end", what()));
        }
    }

    /// Whether an event of this code is named, and how many there were of it, 0 where that is not known.
    fn is_named(&mut self, code: &str) -> (bool, u64) {
        let has_room = self.count_of.len() < MAX_CODES;
        let of_code = match self.count_of.get_mut(code) {
            Some(count) => {
                *count += 1;
                *count
            }
            None if has_room => {
                self.count_of.insert(code.to_owned(), 1);
                1
            }
            None => 0,
        };
        let is_named = (1..=NAMED_OF_CODE).contains(&of_code) || self.named < NAMED;
        self.named += u64::from(is_named);
        (is_named, of_code)
    }

    fn skipped(
        &mut self,
        at: &crate::observe::EventLocation,
        code: &str,
        reason: &str,
        raw: &[u8],
    ) -> anyhow::Result<()> {
        if let Some(dead) = &mut self.dead_letter {
            let (before, _, present) = self.read;
            let room = most_dead_bytes(before + present).saturating_sub(self.dead_bytes);
            let is_kept = self.summary.dead_letters < MAX_DEAD && room > 0;
            // Kept nowhere is lost: no skipping without the place that was asked for.
            let written = if is_kept { dead.write(at, code, reason, raw, room) } else { Ok(0) };
            let written = written.context("--dead-letter")?;
            if written > 0 {
                self.summary.dead_letters += 1;
                self.dead_bytes += written;
            } else {
                self.summary.dead_letters_cut += 1;
            }
        }
        let reason = escaped(short(reason));
        if self.on_error == OnError::Fail {
            return Err(anyhow!("{at}: {code}: {reason}"));
        }
        if code == code::EXPANDS_TOO_FAR {
            // The last of many lines as a rule: it is not to be lost behind them.
            self.summary.records_cut += 1;
            self.say_some(OtherKind::Cut, &format!("cut: {at}: {code}: {reason}"));
            return Ok(());
        }
        let (is_named, of_code) = self.is_named(code);
        if is_named {
            self.say(&format!("skipped: {at}: {code}: {reason}"));
        } else if self.service.is_some() && is_milestone(of_code) {
            self.say(&format!("skipped: {at}: {code}: {reason} ({} {code})", nth(of_code)));
        } else if !std::mem::replace(&mut self.told_more, true) {
            let keeps = self.dead_letter.is_some();
            let hint = if keeps { "" } else { "; --dead-letter FILE keeps them all" };
            match self.service {
                Some(_) => self.say(&format!("skipped: of more only the {MILESTONES}{hint}")),
                None => self.say(&format!("skipped: more are counted in the summary{hint}")),
            }
        }
        Ok(())
    }
}

impl Observer for RunObserver {
    fn count(&mut self, counter: Counter, n: u64) {
        let summary = &mut self.summary;
        let sum = match counter {
            Counter::Inputs => &mut summary.files,
            Counter::Bytes => &mut summary.bytes,
            Counter::Events => &mut summary.events,
            Counter::Matched => &mut summary.matched,
            Counter::Alerts => &mut summary.alerts,
            Counter::Repeats => &mut summary.repeats,
            Counter::Seen => &mut summary.seen,
            Counter::Learned => &mut summary.learned,
            Counter::OlderThanState => &mut summary.older_than_state,
            Counter::BeforeMemory => &mut summary.before_memory,
            Counter::AlreadyRead => &mut summary.already_read,
            Counter::DecidedBefore => &mut summary.decided_before,
            Counter::LostTexts => &mut summary.lost_texts,
            Counter::AfterLostText => &mut summary.after_lost_text,
            Counter::ReleasedEarly => &mut summary.released_early,
        };
        *sum += n;
    }

    fn count_of(&mut self, rule: RuleRef, counter: RuleCounter, n: u64) {
        self.tally.count(rule, counter, n);
    }

    fn notice(&mut self, notice: &Notice<'_>) -> anyhow::Result<()> {
        match *notice {
            Notice::Skipped { kind, at, code, reason, raw } => {
                match kind {
                    SkipKind::Bad => self.summary.bad(code),
                    SkipKind::Future => self.summary.future += 1,
                    SkipKind::TooManyTerms => self.summary.too_many_terms += 1,
                }
                return self.skipped(at, code, reason, raw);
            }
            Notice::NotDecided { at, text } => {
                // Lost texts have a count of their own.
                match text.split_once(": ").map_or("not_decided", |(code, _)| code) {
                    "text_lost" => {}
                    code => self.summary.bad(code),
                }
                self.say_some(
                    OtherKind::NotDecided,
                    &format!("not decided: {at}: {}", escaped(short(text))),
                );
            }
            Notice::Missing { field, event } => {
                self.summary.missing_terms += 1;
                self.summary.missing_by_field.add(field);
                if self.summary.missing_terms <= CAUSES {
                    let dataset = self.summary.dataset.as_deref();
                    if let Some(cause) = self.causes.cause(dataset, field, event) {
                        let causes = self.summary.missing_causes.entry(field.to_owned());
                        causes.or_default().add(&cause);
                    }
                }
            }
            Notice::Excepted { name } => {
                if self.used.len() < MAX_USED && !self.used.contains(name) {
                    self.used.insert(name.to_owned());
                }
                self.summary.suppress(name);
            }
            Notice::OtherIndex { name } => self.summary.other_index(name),
            // A log may be empty until something is written to it.
            Notice::NoEvents { what, .. } if self.follows && EMPTY_INPUTS.contains(&what) => {}
            Notice::NoEvents { what, input } => {
                self.summary.no_events(what);
                // A pipe that gave nothing is one; there is no other to look for.
                if is_whole_input(what) && (what == NO_LOG || input != "-") {
                    let text = format!("skipped: {}: {what}", input_name(input));
                    self.say_some(OtherKind::NoLogs, &text);
                }
            }
            // Who follows says what comes of it, and reads it again.
            Notice::BatchUnread { .. } if self.follows => {}
            Notice::InputFailed { text } | Notice::BatchUnread { text } => {
                self.summary.failed_inputs += 1;
                if self.on_error == OnError::Fail {
                    return Err(anyhow!("{text}"));
                }
                self.say_some(OtherKind::Inputs, &format!("skipped: {text}"));
            }
            Notice::RuleLog { line } => {
                self.say_some(OtherKind::Rules, &format!("a rule says: {}", escaped(line)));
            }
            Notice::Message { severity, text } => {
                let word = if severity == NoticeSeverity::Warning { "warning: " } else { "" };
                self.say_some(OtherKind::Messages, &format!("{word}{}", escaped(text)));
            }
        }
        Ok(())
    }

    fn dated(&mut self, time_ms: i64, matched: bool) {
        self.summary.date(time_ms, matched);
    }

    fn learned(&mut self, rule: RuleRef, time_ms: i64) {
        self.learned.entry(rule).or_default().learned(time_ms);
    }

    fn reading(&mut self, input: u32, stored_bytes: u64) {
        let (before, last, present) = self.read;
        self.read = if input == last {
            (before, last, stored_bytes)
        } else {
            (before + present, input, stored_bytes)
        };
        while self.present < input {
            if let Some(done) = self.sizes.get(self.present as usize) {
                self.progress.next(*done);
            }
            self.present += 1;
            if self.present as usize == self.sizes.len() {
                self.progress.clear();
            }
        }
        if (input as usize) < self.sizes.len() {
            self.progress.read(stored_bytes);
        }
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        match &mut self.dead_letter {
            Some(dead) => dead.flush().context("--dead-letter"),
            None => Ok(()),
        }
    }

    fn mark(&self) -> Option<OutputMark> {
        self.dead_letter.as_ref().and_then(DeadLetter::mark)
    }

    fn sync(&mut self) -> anyhow::Result<()> {
        match &mut self.dead_letter {
            Some(dead) => dead.sync().context("--dead-letter"),
            None => Ok(()),
        }
    }
}
