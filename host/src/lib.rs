//! What the `firstseen` binary is made of; a library so that its parts can be tested alone.
//!
//! In: command lines, files, rules as WebAssembly. Out: alerts, a summary, an exit status.
//! It knows no rules: what matches, what is new and what an alert says is the module's business.

// The macros panic where nobody reads; `say` and `Output` do not.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod cli;
pub mod commands;
pub mod compile;
pub mod deadletter;
pub mod diagnostic;
pub mod exceptions;
pub mod files;
pub mod guest;
pub mod guide;
pub mod input;
pub mod order;
pub mod output;
pub mod place;
pub mod progress;
pub mod say;
pub mod state;
pub mod summary;
pub mod target;
mod work;
