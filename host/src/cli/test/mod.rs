//! `test`: rules against the events that their authors wrote down.
//!
//! In: test files (`x.test.toml`) and the rules beside them. Out: what failed, first; coverage; an
//! exit status. Rules are run as the artifacts that they become, through wasmtime. docs/testing.md
//! is the reference for authors.
//!
//! ```text
//! paths --find--> test files --file--> cases --play--> outcomes --judge--> failures --report-->
//!                 rules --subject--> artifact --'  '--explain--> coverage -----------'
//! ```

mod check;
mod coverage;
mod cross_check;
pub(super) mod event;
mod execute;
mod file;
mod find;
mod judge;
mod report;
mod run;
mod subject;
mod time;
mod watch;

pub use report::TestFormat;

use super::ExitStatus;
use super::cache::{CacheArgs, tell_unkept};
use super::signed::SignedArgs;
use crate::cli::warnings::WarningArgs;
use crate::sink::output::{Format, Output, OutputError};
use crate::terminal::screen::{self, TextForm};
use crate::terminal::style;
use anyhow::{anyhow, bail};
use coverage::RuleCoverage;
use find::{FoundTests, same};
use firstseen_runtime::Runtime;
use regex::Regex;
use report::TestReport;
use run::TestSelection;
use std::path::PathBuf;

/// The arguments of `test`.
#[derive(Debug, Clone, clap::Args)]
pub struct TestArgs {
    /// Test files (x.test.toml), rules that have one beside them, or folders
    #[arg(value_name = "PATH", default_value = ".")]
    pub paths: Vec<PathBuf>,
    /// Run only cases whose `file::case` matches this expression
    #[arg(long, value_name = "REGEX")]
    pub run: Option<Regex>,
    /// Run again whenever a test, a rule or an event file changes
    #[arg(long)]
    pub watch: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = TestFormat::Pretty)]
    pub format: TestFormat,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Count how often each clause of a query was true and false
    #[arg(long)]
    pub coverage: bool,
    /// Fail if a rule's coverage is lower than this; implies --coverage
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub coverage_min: Option<u8>,
    /// Accept test files that expect no alert at all, or an alert for every event
    #[arg(long)]
    pub allow_one_sided: bool,
    /// Fail if a rule has no test
    #[arg(long)]
    pub require_tests: bool,
    /// Who has to have signed the rules
    #[command(flatten)]
    pub signed: SignedArgs,
    /// Compiled code
    #[command(flatten)]
    pub cache: CacheArgs,
    /// Warnings.
    #[command(flatten)]
    pub warnings: WarningArgs,
}

/// Tests, and builds every rule that was found, also those that have no test.
///
/// # Errors
/// When a path, a test file or a rule cannot be used; what could be tested was reported before.
pub fn test(args: &TestArgs) -> anyhow::Result<ExitStatus> {
    let runtime = args.cache.runtime()?;
    if args.watch {
        return watch::watch(&runtime, args);
    }
    let (report, _) = once(&runtime, args)?;
    Ok(match tell(args, &report)? {
        ReportStatus::Ended(ending) => ending,
        ReportStatus::Closed => ExitStatus::Done,
    })
}

/// What became of a report.
enum ReportStatus {
    /// It was written; how the run ended.
    Ended(ExitStatus),
    /// Whoever read it went away.
    Closed,
}

/// One run over everything.
fn once(runtime: &Runtime, args: &TestArgs) -> anyhow::Result<(TestReport, Vec<PathBuf>)> {
    let FoundTests { tests, rules, folders } = find::find(&args.paths)?;
    let required = args.signed.keys()?;
    let wanted = TestSelection {
        run: args.run.as_ref(),
        coverage: args.coverage || args.coverage_min.is_some(),
        allow_one_sided: args.allow_one_sided,
        required: &required,
    };
    let done = run::all(runtime, &tests, &wanted);
    tell_unkept(runtime);
    let tested: Vec<PathBuf> = done.iter().filter_map(|d| d.rule.as_deref().map(same)).collect();
    let checked = check::all(&rules, &done, &tested, &args.warnings);
    let untested = rules.iter().filter(|rule| !tested.contains(&same(rule)));
    let mut report = TestReport {
        files: Vec::new(),
        untested: untested.map(|rule| rule.display().to_string()).collect(),
        require_tests: args.require_tests,
        coverage: Vec::new(),
        coverage_min: args.coverage_min,
    };
    let mut inputs = folders;
    inputs.extend(rules);
    for one in done {
        inputs.extend(one.inputs);
        report.files.push(one.report);
        if let Some(coverage) = one.coverage {
            RuleCoverage::merge(&mut report.coverage, coverage);
        }
    }
    report.files.extend(checked);
    if report.files.is_empty() && report.untested.is_empty() {
        bail!(
            "no test (x.test.toml) and no rule was found; docs/testing.md shows how to write one"
        );
    }
    Ok((report, inputs))
}

/// Writes the report.
fn tell(args: &TestArgs, report: &TestReport) -> anyhow::Result<ReportStatus> {
    let totals = report.totals();
    if let Some(run) = &args.run
        && totals.left_out > 0
        && totals.passed + totals.failed + totals.problems == 0
    {
        bail!("--run {run}: no case matches; names have the form file::case");
    }
    let colour = args.output.is_none() && style::on_stdout();
    let mut output = match &args.output {
        Some(path) => Output::file(path, Format::Ndjson)?,
        None => {
            let form = match args.format {
                TestFormat::Json => TextForm::Json,
                TestFormat::Pretty | TestFormat::Junit | TestFormat::Github => TextForm::Plain,
            };
            Output::new(screen::stdout(form), "standard output", Format::Ndjson)
        }
    };
    let text = report.write(args.format, colour)?;
    match output.line(&text).and_then(|()| output.flush()) {
        Ok(()) => {}
        Err(OutputError::Closed) => return Ok(ReportStatus::Closed),
        Err(error) => return Err(anyhow!(error)),
    }
    if totals.problems > 0 {
        bail!("some rules or tests could not be used; the report says why");
    }
    Ok(ReportStatus::Ended(if report.is_good() { ExitStatus::Done } else { ExitStatus::Unmet }))
}
