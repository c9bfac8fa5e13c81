//! End to end: the real binary with the real module, as a person or a script calls it.
//!
//! In: the repository's samples and fixtures, and files made here. Out: verdicts on what comes out
//! of the process: alerts, summaries, messages, exit status, files, memory. Nothing here calls the
//! crates: what a user cannot see is not looked at.

mod annotate;
mod artifacts;
mod bad_input;
mod build;
mod cli;
mod exceptions;
mod explain;
mod fixtures;
#[cfg(feature = "targets")]
mod javascript;
mod many;
mod pages;
mod readme;
mod rules;
mod samples;
mod settings;
mod size;
mod snapshots;
mod state;
mod stranger;
mod stream;
mod support;
mod testing;
