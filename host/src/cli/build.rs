//! `build`: rule.toml to an artifact.
//!
//! In: paths of rules and of folders with rules. Out: an artifact for each rule, or one of all of
//! them, each written whole or not at all; what is wrong with a rule, at its place. A rule that
//! fails does not keep the others from being built. It needs no Rust toolchain: the engines are
//! inside this binary.

mod args;
mod jobs;
mod js;
mod result;

pub use args::BuildArgs;

use super::ExitStatus;
use crate::escape::escaped;
use crate::files::{read_text, shown, write_whole};
use crate::terminal::diagnostic;
use crate::terminal::formats::{bytes, count, time};
use crate::terminal::message::{self, Level};
use crate::terminal::progress::Progress;
use crate::work;
use firstseen_compiler::{self as compile, EngineModule, RuleText, Target};
use firstseen_rule::Settings;
use firstseen_rule::source::{self, Diagnostic, ReadOptions, Rule, Severity};
use jobs::Job;
use result::{BuildCounts, JobOutcome, JobResult};
use std::ffi::OsStr;
use std::path::Path;
use std::time::Instant;

/// A rule's file, read.
struct ReadRule {
    name: String,
    text: String,
    rule: Rule,
}

impl ReadRule {
    fn source(&self) -> RuleText<'_> {
        RuleText { name: &self.name, text: &self.text }
    }
}

/// Builds.
///
/// # Errors
/// What cannot be built at all: a path that is not there, two rules with one artifact. What is wrong
/// with a rule is printed, and the status is [`ExitStatus::Failed`].
pub fn build(args: &BuildArgs) -> anyhow::Result<ExitStatus> {
    let began = Instant::now();
    let output = args.output.as_deref().filter(|_| !args.pack);
    let choices = args.chosen.choices()?;
    let options = args.target.options(&choices).map_err(anyhow::Error::msg)?;
    let options = options.to_bytes();
    let engine = args.engine()?;
    // A package for JavaScript carries its settings beside the plan.
    let options = if args.target == Target::Js { &[][..] } else { &options };
    let engine = EngineModule { options, ..engine };
    let settings = choices.settings.as_deref().unwrap_or_default();
    let writer = ArtifactWriter { engine, settings };
    let mut jobs = jobs::find(&args.rules, output, args.ending())?;
    if let (Target::Js, [job], Some(output)) = (args.target, jobs.as_mut_slice(), output)
        && !job.found
    {
        // The folder is the package, also where it is there already.
        job.to = output.to_path_buf();
    }
    let progress = Progress::rules(jobs.len());
    let mut counts = BuildCounts::default();
    if args.pack {
        build_pack(args, &writer, &jobs, &progress, &mut counts)?;
    } else {
        if !args.check {
            jobs::refuse_collisions(&jobs)?;
        }
        build_each(args, &writer, &jobs, &progress, &mut counts);
    }
    progress.clear();
    if jobs.len() > 1 || counts.other_type > 0 {
        message::info(&counts.line(args, began.elapsed()));
    }
    if counts.done + counts.failed == 0 && counts.other_type > 0 {
        anyhow::bail!("there is no rule of type new_terms among them");
    }
    Ok(if counts.failed > 0 { ExitStatus::Failed } else { ExitStatus::Done })
}

/// An artifact for each rule.
fn build_each(
    args: &BuildArgs,
    writer: &ArtifactWriter<'_>,
    jobs: &[Job],
    progress: &Progress,
    counts: &mut BuildCounts,
) {
    let work = |job: &Job| {
        let began = Instant::now();
        let built = read(args, job).and_then(|read| make(args, writer, job, &read));
        (built, began.elapsed())
    };
    let told = args.verbose || jobs.len() == 1;
    work::in_order(jobs, work, |job, (built, took)| {
        if let Some(size) = counts.take(built, progress) {
            counts.bytes += size;
            let line = match args.check {
                true => format!("{}: ok", shown(&job.rule)),
                false => format!("{}: {}, {}", shown(&job.to), bytes(size as u64), time(took)),
            };
            if told {
                progress.suspend(|| message::info(&line));
            }
        }
        progress.step();
    });
}

/// The artifact of one rule; its size.
fn make(
    args: &BuildArgs,
    writer: &ArtifactWriter<'_>,
    job: &Job,
    read: &ReadRule,
) -> Result<usize, String> {
    let rules = vec![(read.source(), read.rule.clone())];
    let wasm = compile::artifact(&writer.engine, rules, &args.origin())?;
    if args.check {
        return Ok(wasm.len());
    }
    let made = job.to.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.map_err(|e| format!("{}: {e}", shown(&job.to)))?;
    let stem = job.rule.file_stem().unwrap_or_default();
    writer.put(args.target, &job.to, stem, &wasm, &[read]).map_err(|e| format!("{e:#}"))
}

/// What artifacts are made with.
struct ArtifactWriter<'a> {
    engine: EngineModule<'a>,
    /// Of `--settings`; an engine has them among its options.
    settings: &'a str,
}

impl ArtifactWriter<'_> {
    /// Writes an artifact, or the package around it; its size.
    fn put(
        &self,
        target: Target,
        to: &Path,
        stem: &OsStr,
        wasm: &[u8],
        rules: &[&ReadRule],
    ) -> anyhow::Result<usize> {
        if target != Target::Js {
            write_whole(to, wasm)?;
            return Ok(wasm.len());
        }
        // They are beside the artifact, so that it was made without them.
        let settings = Settings::read(if self.settings.is_empty() { "{}" } else { self.settings });
        let plans = rules.iter().map(|read| (read.source().name, &read.rule.plan));
        settings
            .and_then(|settings| compile::check_learning(target.name(), &settings, plans))
            .map_err(anyhow::Error::msg)?;
        let mut licenses: Vec<&str> = rules
            .iter()
            .map(|read| read.rule.facts.license.as_deref().unwrap_or_default())
            .collect();
        licenses.sort_unstable();
        licenses.dedup();
        js::write(to, &stem.to_string_lossy(), wasm, &licenses.join(" AND "), self.settings)
    }
}

/// One artifact of all rules: all of them, or none.
fn build_pack(
    args: &BuildArgs,
    writer: &ArtifactWriter<'_>,
    jobs: &[Job],
    progress: &Progress,
    counts: &mut BuildCounts,
) -> anyhow::Result<()> {
    let Some(to) = &args.output else { return Ok(()) };
    if to.is_dir() && args.target != Target::Js {
        anyhow::bail!("{}: a folder; give the pack a file's name", shown(to));
    }
    jobs::refuse_sources(jobs, std::iter::once(to.as_path()))?;
    let mut rules = Vec::new();
    let work = |job: &Job| read(args, job);
    work::in_order(jobs, work, |_, read| {
        rules.extend(counts.take(read, progress));
        progress.step();
    });
    let name = shown(to);
    if counts.failed > 0 {
        progress.suspend(|| {
            message::error(&format!("{name}: not written, because not all rules can be built"))
        });
        return Ok(());
    }
    let sources = rules.iter().map(|read| (read.source(), read.rule.clone())).collect();
    let wasm = compile::artifact(&writer.engine, sources, &args.origin());
    let wasm = wasm.map_err(anyhow::Error::msg)?;
    let stem = to.file_stem().unwrap_or_default();
    let rules: Vec<&ReadRule> = rules.iter().collect();
    counts.bytes = writer.put(args.target, to, stem, &wasm, &rules)?;
    Ok(())
}

/// Reads a rule.
fn read(args: &BuildArgs, job: &Job) -> JobResult<ReadRule> {
    let name = shown(&job.rule);
    let text = match read_text(&job.rule) {
        Ok(text) => text,
        Err(error) => return JobResult::failed(error.to_string()),
    };
    // A folder holds other TOML too; what was asked for by name is a rule or a fault.
    if job.found && toml::from_str::<toml::Table>(&text).is_ok_and(|t| !t.contains_key("rule")) {
        return JobResult {
            outcome: JobOutcome::Skipped,
            messages: vec![(Level::Warning, format!("{name}: skipped: it has no [rule]"))],
        };
    }
    let options = ReadOptions { event_time: args.event_time.into(), ..ReadOptions::default() };
    let (rule, diagnostics) = match source::read(&text, &options) {
        Ok(mut rule) => {
            let warnings = std::mem::take(&mut rule.warnings);
            (Some(rule), warnings)
        }
        Err(faults) => (None, faults),
    };
    if let Some(kind) = other_type(&diagnostics) {
        return match args.only {
            Some(_) => JobResult { outcome: JobOutcome::OtherType, messages: Vec::new() },
            None => JobResult {
                outcome: JobOutcome::Failed,
                messages: vec![(
                    Level::Error,
                    format!(
                        "{name}: not built: {}; only `new_terms` rules can be built",
                        escaped(kind)
                    ),
                )],
            },
        };
    }
    let diagnostics = args.warnings.judge(diagnostics);
    let source = RuleText { name: &name, text: &text };
    let mut messages: Vec<_> = diagnostics
        .iter()
        .map(|one| (diagnostic::level(one), diagnostic::shown(&source, one) + "\n"))
        .collect();
    let outcome = match rule {
        Some(rule) if diagnostics.iter().all(|one| one.severity == Severity::Warning) => {
            JobOutcome::Out(ReadRule { name, text, rule })
        }
        _ => {
            messages.push((Level::Error, format!("{name}: not built: {}", faults(&diagnostics))));
            JobOutcome::Failed
        }
    };
    JobResult { outcome, messages }
}

/// What is said of a rule of another type, which is no rule for this program. A misspelled type is
/// shown at its place.
fn other_type(diagnostics: &[Diagnostic]) -> Option<&str> {
    match diagnostics {
        [one] if one.code == "not_new_terms" && one.help.is_none() => Some(&one.message),
        _ => None,
    }
}

/// `1 error, 2 warnings`.
fn faults(diagnostics: &[Diagnostic]) -> String {
    let of = |severity, what| {
        let found = diagnostics.iter().filter(|one| one.severity == severity).count();
        (found > 0).then(|| count(found, what))
    };
    let parts = [of(Severity::Error, "error"), of(Severity::Warning, "warning")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
