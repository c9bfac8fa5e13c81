//! Decides bodies in the order in which they arrive, several in one commit.
//!
//! In: sources, one after the other, each with its name. Out: alerts and a committed state, and a call when what was
//! handed out is in both. It knows no protocol: who sent a body and what is answered is the caller's.

use super::order::{Hold, Order};
use super::{OutputStatus, Pipeline};
use crate::observe::Counter;
use crate::source::Source;
use std::sync::Arc;

/// What arrived.
pub enum Arrival {
    /// A body, whole, and what to call it. Its matches have the number of bodies before it since the last commit as their input.
    Body(Box<dyn Source>, Arc<str>),
    /// Nothing now: what was handed out is to be committed.
    Nothing,
    /// Nothing more comes.
    End,
}

/// Hands out bodies.
pub trait Arrivals {
    /// The next body. It waits for one if none was handed out since the last commit; else it may answer
    /// [`Arrival::Nothing`] at once, and has to after a number of bodies, because all of them are answered together.
    fn next(&mut self) -> Arrival;

    /// Everything that was handed out is decided, its alerts are written, and the state is committed.
    ///
    /// # Errors
    /// Where what is kept beside it failed; the work ends.
    fn committed(&mut self) -> anyhow::Result<()>;
}

impl Pipeline<'_> {
    /// Decides what arrives until nothing more comes. A body that cannot be read to its end ends nothing.
    ///
    /// # Errors
    /// When the output, the state or the observer failed: what was not committed has to be sent again.
    pub fn serve(&mut self, arrivals: &mut dyn Arrivals) -> anyhow::Result<OutputStatus> {
        self.is_grouped = true;
        loop {
            let (mut source, name) = match arrivals.next() {
                Arrival::Body(source, name) => (source, name),
                end => {
                    if self.settle()? == OutputStatus::Closed {
                        return Ok(OutputStatus::Closed);
                    }
                    self.observer.settle()?;
                    arrivals.committed()?;
                    self.names.clear();
                    if matches!(end, Arrival::End) {
                        self.close()?;
                        return Ok(OutputStatus::Open);
                    }
                    continue;
                }
            };
            let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
            self.names.push(name);
            self.observer.count(Counter::Inputs, 1);
            let hold = Hold::new(self.options.hold_ms, self.options.order_budget);
            let mut order = Order::Held(hold);
            if self.read(&mut *source, (number, 0), false, &mut order)? == OutputStatus::Closed {
                return Ok(OutputStatus::Closed);
            }
            let Order::Held(mut hold) = order else { continue };
            while let Some(matched) = hold.pop() {
                if self.push(matched)? == OutputStatus::Closed {
                    return Ok(OutputStatus::Closed);
                }
            }
        }
    }
}
