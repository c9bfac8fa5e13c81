//! A rule as a Redpanda data transform: records in, alerts out, within 2 MiB of memory.
//!
//! In: batches of records, each value an event. Out: for each alert a record with the key of the
//! event's; what could not be judged as it came, with a header that says why. It never traps on a
//! record: a trap loses the state. It asks no clock (the broker's is the record's time).
//!
//! Memory is dealt out once, at the start, because a module that runs out of it traps:
//!
//! ```text
//! | data, stack, rule | input: one record, fixed | state, up to its limit | work: one event |
//! ```
//! What does not fit its part is refused, and said: a record by the broker itself, an event by what
//! it would need at the most.
#![cfg_attr(not(target_family = "wasm"), allow(dead_code))]

#[cfg(target_family = "wasm")]
mod border;
#[cfg(target_family = "wasm")]
mod memory_budget;
mod record;

#[cfg(target_family = "wasm")]
mod transform {
    use crate::border::{self, BAD_BUFFER, RecordBatch, Refused};
    use crate::memory_budget::MemoryBudget;
    use crate::record::{self, ERROR_BYTES, RecordParts};
    use firstseen_rule::Engine;
    use firstseen_rule::evaluate::{Alert, error_json};
    use firstseen_target_support::memory::BoundedMemory;
    use std::io::{self, Write};

    /// The longest reason that a header gives.
    const REASON: usize = 300;

    /// Writes a line into the broker's log. In one call: it ends a line with each.
    pub(crate) fn log(text: &str) {
        io::stderr().write_all(format!("firstseen: {text}\n").as_bytes()).ok();
    }

    /// The transform between two records.
    pub(crate) struct Transform {
        engine: Engine,
        state: BoundedMemory,
        budget: MemoryBudget,
        input: Vec<u8>,
        output: Vec<u8>,
        told_forgotten: bool,
    }

    impl Transform {
        /// # Errors
        /// A sentence: the module was tampered with, or there is too little memory.
        pub(crate) fn new() -> Result<Self, String> {
            let options = firstseen_target_support::options()?;
            let engine = firstseen_target_support::engine()?;
            let budget = MemoryBudget::deal(options.state_limit, engine.plan().rules.len())?;
            let engine = engine.with_max_term_bytes(MemoryBudget::TERM_BYTES);
            let state = BoundedMemory::new(options.state_limit);
            let (input, output) = (vec![0; budget.input], Vec::new());
            Ok(Self { engine, state, budget, input, output, told_forgotten: false })
        }

        /// Judges batches until the broker has no more use for this transform.
        pub(crate) fn run(mut self) -> Refused {
            border::check_abi();
            loop {
                match border::next_batch() {
                    Ok(batch) => self.batch(batch),
                    Err(refused) => return refused,
                }
            }
        }

        fn batch(&mut self, batch: RecordBatch) {
            for number in 0..batch.records {
                // Room for an error's header behind the record.
                let room = self.input.len().saturating_sub(ERROR_BYTES);
                let (record, _) = self.input.split_at_mut(room);
                match border::next_record(record) {
                    Ok((offset, length)) => self.record(offset, length),
                    Err(refused) => {
                        self.cut_off(batch, number, refused);
                        return;
                    }
                }
            }
        }

        /// The broker keeps a record that does not fit as the next one: nothing behind it in the
        /// same batch can be reached.
        fn cut_off(&mut self, batch: RecordBatch, number: i32, refused: Refused) {
            let left = batch.records.saturating_sub(number);
            let from = batch.base_offset;
            let why = match refused {
                BAD_BUFFER => format!(
                    "too_large: {left} records of the batch from offset {from} were not judged: one of them has up to {} bytes, and there is room for {}",
                    batch.longest, self.budget.input
                ),
                Refused(code) => format!(
                    "broker: {left} records of the batch from offset {from} were not judged: reading one gave {code}"
                ),
            };
            log(&why);
            let error = error_json(&why);
            let value = format!("{{\"firstseen_error\":{error}}}");
            record::put(&mut self.output, None, value.as_bytes(), Some(&error));
            self.write("an error", batch.base_offset);
        }

        fn record(&mut self, offset: i64, length: usize) {
            let record = self.input.get(..length).unwrap_or_default();
            let Some(parts) = record::parts(record) else {
                log(&format!("the record at offset {offset} is not one that this ABI describes"));
                return;
            };
            // A null is how a topic forgets a key: no event.
            let Some(event) = parts.value.clone().and_then(|range| record.get(range)) else {
                return;
            };
            if !self.engine.may_match(event) {
                return;
            }
            if let Err(fault) = self.budget.check(event) {
                return self.fault(offset, length, &parts, &fault);
            }
            let key = parts.key.clone().and_then(|range| record.get(range));
            let Self { engine, state, output, .. } = self;
            let outcome = engine.judge_each(event, 0, state, &mut |alert| {
                // The state knows an alert before it is out, and the broker may have lost it.
                let (Alert::New(text) | Alert::Repeat(text)) = alert;
                record::put(output, key, text.as_bytes(), None);
                drop(text);
                write(output, "an alert", offset);
            });
            if let Some(fault) = &outcome.error {
                self.fault(offset, length, &parts, fault);
            }
            self.tell_forgotten();
        }

        /// The event goes on as it came, and says why it was not judged.
        fn fault(&mut self, offset: i64, length: usize, parts: &RecordParts, fault: &str) {
            let fault: String = fault.chars().take(REASON).collect();
            match record::add_error(&mut self.input, length, parts, &error_json(&fault)) {
                Some(length) => {
                    write(self.input.get(..length).unwrap_or_default(), "a faulty event", offset);
                }
                None => log(&format!("the record at offset {offset} was not judged: {fault}")),
            }
        }

        fn write(&self, what: &str, offset: i64) {
            write(&self.output, what, offset);
        }

        fn tell_forgotten(&mut self) {
            if self.state.forgotten() > 0 && !self.told_forgotten {
                self.told_forgotten = true;
                log(&format!(
                    "the state is full at {} terms: from now on those that were written longest ago are forgotten, and are new when they come again (--state-limit)",
                    self.state.len()
                ));
            }
        }
    }

    /// A refused write cannot be undone here; the broker's log names what is not out.
    fn write(record: &[u8], what: &str, offset: i64) {
        if let Err(Refused(code)) = border::write(record) {
            log(&format!("{what} for the record at offset {offset} was not written: {code}"));
        }
    }
}

#[cfg(target_family = "wasm")]
fn main() {
    match transform::Transform::new() {
        Ok(transform) => {
            let border::Refused(code) = transform.run();
            transform::log(&format!("no further batch: {code}"));
        }
        Err(fault) => transform::log(&fault),
    }
    std::process::exit(1);
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    eprintln!("This program runs as a data transform inside Redpanda.");
}
