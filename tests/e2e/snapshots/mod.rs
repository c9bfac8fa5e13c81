//! Snapshots: what every command prints, and what every input gives.
//!
//! In: the repository's samples, fixtures and vectors, and files made here. Out: `tests/snapshots`,
//! one file for each theme: commands with their exit status, standard output and standard error at
//! 80 columns, and tables of digests. Only what must vary is replaced: see [`scene`].
//!
//! A change that is intended is accepted with
//!
//! ```sh
//! INSTA_UPDATE=always cargo test -p firstseen --features targets --test e2e snapshots
//! ```
//!
//! and reviewed as a diff of `tests/snapshots`. In tables of outputs (`outputs_*.snap`) no digest may
//! change unless alerts are meant to. Without the feature `targets` the snapshots `build_targets` and
//! `inspect_targets` are left out; `build_core_alone` is made without it alone.

mod bench;
mod build;
mod events;
mod explain;
mod faults;
mod inspect;
mod outputs;
mod pages;
mod rule_faults;
mod run;
mod run_input;
mod run_state;
mod scene;
mod test_command;
