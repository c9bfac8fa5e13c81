//! How far a run over files has come, a build over rules, or the compiling of artifacts.
//!
//! In: bytes of the files as they are stored, or rules that are done. Out: a bar on standard error,
//! if that is a terminal, the log level is `info` or below, and the size of all inputs is known. It is
//! never what an alert waits for.
use crate::terminal::message::{Level, prints};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};

/// A bar, or nothing to be seen.
#[derive(Clone)]
pub struct Progress {
    bar: ProgressBar,
    /// Bytes of the inputs that are done.
    done: u64,
}

const TEMPLATE: &str =
    "  {bar:30} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left";
const COUNT_TEMPLATE: &str = "  {bar:30} {pos} of {len} rules, {eta} left";
const COMPILE_TEMPLATE: &str = "  {bar:30} {pos} of {len} artifacts compiled";

impl Progress {
    /// A bar over inputs of these sizes; `None` is the size of a pipe.
    #[must_use]
    pub fn new(sizes: &[Option<u64>]) -> Self {
        Self::drawn(sizes, is_drawn() && !super::message::is_json())
    }

    fn drawn(sizes: &[Option<u64>], on_terminal: bool) -> Self {
        // One pipe among them, and nobody knows how much there is.
        let total: Option<u64> = sizes.iter().copied().sum();
        match total.filter(|total| *total > 0 && on_terminal) {
            Some(total) => Self::shown(total, TEMPLATE),
            None => Self { bar: ProgressBar::hidden(), done: 0 },
        }
    }

    /// A bar over so many rules. For a single one there is nothing to see.
    #[must_use]
    pub fn rules(count: usize) -> Self {
        if count > 1 && is_drawn() {
            Self::shown(count as u64, COUNT_TEMPLATE)
        } else {
            Self { bar: ProgressBar::hidden(), done: 0 }
        }
    }

    /// A bar over so many artifacts, while they are compiled or loaded.
    #[must_use]
    pub fn artifacts(count: usize) -> Self {
        if count > 1 && is_drawn() {
            Self::shown(count as u64, COMPILE_TEMPLATE)
        } else {
            Self { bar: ProgressBar::hidden(), done: 0 }
        }
    }

    fn shown(total: u64, template: &str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        // The template is a constant, and a wrong one only costs the looks.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, done: 0 }
    }

    /// One more rule is done.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    /// So many bytes of the present input were read.
    pub fn read(&self, bytes: u64) {
        self.bar.set_position(self.done.saturating_add(bytes));
    }

    /// The present input is done, whether it was read to its end or not.
    pub fn next(&mut self, size: Option<u64>) {
        self.done = self.done.saturating_add(size.unwrap_or_default());
        self.bar.set_position(self.done);
    }

    /// Does something that writes to the terminal: the bar makes room and comes back.
    pub fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        self.bar.suspend(write)
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// Whether somebody watches, and wants to.
fn is_drawn() -> bool {
    prints(Level::Info) && io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_over_the_bytes_of_all_inputs() {
        let sizes = [Some(100), Some(50)];
        let mut progress = Progress::drawn(&sizes, true);
        assert_eq!(progress.bar.length(), Some(150));
        progress.read(40);
        assert_eq!(progress.bar.position(), 40);
        // Cut short by an error: the next one begins where it would have.
        progress.next(sizes[0]);
        assert_eq!(progress.bar.position(), 100);
        progress.read(20);
        assert_eq!(progress.bar.position(), 120);
        assert_eq!(progress.suspend(|| 7), 7);
        progress.clear();
    }

    #[test]
    fn without_a_terminal_or_a_size_there_is_nothing_to_see() {
        for (sizes, terminal) in [(&[Some(9)][..], false), (&[Some(9), None], true), (&[], true)] {
            assert!(Progress::drawn(sizes, terminal).bar.is_hidden());
        }
    }
}
