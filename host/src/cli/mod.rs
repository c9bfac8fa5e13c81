//! The commands: what a person asks of the binary.
//!
//! In: parsed arguments. Out: an exit status; alerts on standard output, everything else on
//! standard error.
//!
//! | what | module |
//! | --- | --- |
//! | `run`: events to alerts | [`run`] |
//! | `serve`: events over HTTP to alerts | [`mod@serve`] |
//! | `learn`: past events to a state | [`learn`] |
//! | `explain`: why, event by event | [`explain`] |
//! | `test`: rules against what their authors expect | [`mod@test`] |
//! | `bench`: how fast, and where the time goes | [`mod@bench`] |
//! | `build`: rule.toml to an artifact | [`build`] |
//! | `fields`: an event as flat ECS with types | [`fields`] |
//! | `state`: what a state knows, seen and corrected | [`mod@state`] |
//! | `inspect`: what an artifact says of itself | [`inspect`] |
//! | `rebuild`: an artifact with the engine of today | [`rebuild`] |
//! | `keygen`: keys to sign with | [`keygen`] |
//! | `sign`: artifacts, signed | [`sign`] |
//! | `verify`: who signed an artifact | [`verify_signature`] |
//! | `push`, `pull`: artifacts in a registry | [`registry`] |
//! | `new`: a rule to start from | [`new`] |
//! | completions, man pages | [`pages`] |

pub mod args;
pub mod bench;
pub mod build;
pub mod cache;
pub mod common;
pub mod explain;
pub mod fields;
mod findings;
mod follow;
pub mod format;
pub mod inspect;
pub mod keygen;
pub mod learn;
mod message_limits;
pub mod new;
pub mod observer;
pub mod pages;
mod paths;
pub mod place;
pub mod rebuild;
pub mod registry;
mod resume;
pub mod rule_words;
pub mod run;
pub mod schedule;
pub mod serve;
mod served;
#[cfg(feature = "http")]
mod service;
pub mod setup;
pub mod sign;
pub mod signal;
pub mod signed;
mod size;
mod socket;
pub mod state;
mod teach;
pub mod test;
mod told;
mod verify;
pub mod verify_signature;
pub mod warnings;

/// How a command ended, where it returned no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Done; also where the reader of the output went away.
    Done,
    /// Done, and tests failed, or something is slower than it may be.
    Unmet,
    /// Done, with alerts, and the caller asked for a status of its own for that.
    Alerts,
    /// Ended by this signal, after what was read had been decided.
    Signal(u8),
    /// Not done, or not completely; the errors have been printed.
    Failed,
}
