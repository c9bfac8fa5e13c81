//! What the `firstseen` binary is made of; a library so that its parts can be tested alone.
//!
//! In: command lines, files, rules as WebAssembly. Out: alerts, a summary, an exit status.
//! It knows no rules: what matches, what is new and what an alert says is the module's business.

// The macros panic where nobody reads; `message` and `Output` do not.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod cli;
pub mod escape;
pub mod files;
pub mod listening;
pub mod numbers;
pub mod observe;
pub mod pipeline;
pub mod registry;
pub mod rules;
pub mod serve;
pub mod sink;
pub mod source;
pub mod state;
pub mod terminal;
mod waiting;
mod walk;
mod work;
