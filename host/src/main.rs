//! The `firstseen` binary: arguments in, an exit status out.
//!
//! 0: done. 1: alerts, and `--fail-on-alert`; tests that failed; slower than a baseline. 2: an error, printed on standard
//! error. A closed pipe is no error.

// The macros panic where nobody reads; `message` and `Output` do not.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

use clap::{CommandFactory, Parser};
use firstseen::cli::args::{Cli, Command, set_widths};
use firstseen::cli::{
    ExitStatus, bench, build, cache, explain, fields, inspect, keygen, learn, new, pages, rebuild,
    registry, rule_words, run, serve, sign, state, test, verify_signature,
};
use firstseen::escape::escaped;
use firstseen::terminal::message::{self, Level};
use firstseen::terminal::wrap;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(compiled) = cache::compile_in_child(std::env::args_os()) {
        // Who waits for the answer says what is wrong.
        return if compiled.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    let cli = match Cli::try_parse_from(rule_words::expanded(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => return wrong_arguments(error),
    };
    cli.global.apply();
    let status = match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Serve(args) => serve::serve(args),
        Command::Learn(args) => learn::learn(args),
        Command::Explain(args) => explain::explain(args),
        Command::Build(args) => build::build(args),
        Command::State(args) => state::state(args),
        Command::Test(args) => test::test(args),
        Command::Bench(args) => bench::bench(args),
        Command::Fields(args) => fields::fields(args),
        Command::Inspect(args) => inspect::inspect(args),
        Command::Rebuild(args) => rebuild::rebuild(args),
        Command::Keygen(args) => keygen::keygen(args),
        Command::Sign(args) => sign::sign(args),
        Command::Verify(args) => verify_signature::verify(args),
        Command::Push(args) => registry::push_artifact(args),
        Command::Pull(args) => registry::pull_artifact(args),
        Command::New(args) => new::new(args),
        Command::Completions(args) => pages::completions(args, Cli::command()),
        Command::Man(args) => pages::man(args, Cli::command()),
    };
    match status {
        Ok(ExitStatus::Done) => ExitCode::SUCCESS,
        Ok(ExitStatus::Alerts | ExitStatus::Unmet) => ExitCode::from(1),
        Ok(ExitStatus::Failed) => ExitCode::from(2),
        // As a shell reports a program that a signal ended.
        Ok(ExitStatus::Signal(signal)) => ExitCode::from(128 + signal),
        Err(error) => {
            message::error(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Prints what clap says of the arguments: help, a version, or what is wrong with them. Its errors
/// repeat an argument as it was given, so they are made once more of arguments that are escaped.
fn wrong_arguments(error: clap::Error) -> ExitCode {
    if !error.use_stderr() {
        error.exit();
    }
    let safe = std::env::args_os().map(|arg| escaped(&arg.to_string_lossy()).into_owned().into());
    match Cli::try_parse_from(rule_words::expanded(safe)) {
        Err(safe) if safe.kind() == error.kind() => {
            set_widths();
            let text = safe.to_string();
            let folded = wrap::message(text.trim_end());
            // As it is, it has clap's colours.
            if folded == text.trim_end() {
                safe.exit();
            }
            message::page(Level::Error, &folded);
        }
        _ => message::page(Level::Error, error.to_string().trim_end()),
    }
    ExitCode::from(2)
}
