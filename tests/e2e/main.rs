//! End-to-end tests: they call the binary as a person or a script does.
//!
//! In: the repository's samples and fixtures, and generated files. Out: whether alerts, summaries,
//! messages, exit status, files and memory are right. These tests do not call the crates; they
//! check only what a user can see.

mod action;
mod annotate;
mod artifacts;
mod bad_input;
mod bench;
mod build;
mod cache;
mod cli;
mod crash;
mod exceptions;
mod explain;
mod explain_and_run;
mod fields;
mod fixtures;
mod follow;
mod foreign_host;
mod formats;
mod hostile;
mod indices;
#[cfg(feature = "targets")]
mod javascript;
mod learn_events;
mod learning;
mod lenient;
mod many;
mod pages;
mod readme;
#[cfg(feature = "registry")]
mod registry;
mod release;
mod resume;
mod resume_edges;
mod rule_counts;
mod rule_paths;
mod rules;
mod samples;
mod schedule;
#[cfg(feature = "http")]
mod serve;
mod settings;
#[cfg(feature = "redis")]
mod shared;
mod sharing_page;
mod signed;
mod size;
mod snapshots;
mod socket;
mod state;
mod state_commands;
mod state_page;
mod stream;
mod support;
mod terminal;
mod testing;
mod threads;
mod trust;
mod warnings;
mod words;
