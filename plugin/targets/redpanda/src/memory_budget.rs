//! How the memory is divided, and how much of it an event needs.
//!
//! In: the free memory, found by trying to allocate it. Out: the parts, and whether an event fits its part. It
//! never takes more than it can use: where a broker allows more than 2 MiB, longer records and
//! events fit.

/// The longest record that is read: Redpanda's and Kafka's default for a message, and its frame.
const INPUT: usize = (1 << 20) + (64 << 10);
/// The shortest that is worth running for.
const LEAST_INPUT: usize = 128 << 10;
/// The most that is kept for judging one event.
const WORK: usize = 8 << 20;
/// The least: ordinary events need a tenth of it.
const LEAST_WORK: usize = 256 << 10;
/// What another rule needs where one event matches several.
const RULE: usize = 32 << 10;
const STEP: usize = 64 << 10;

/// The parts of the memory.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    /// The longest record, in bytes, with what is added to it.
    pub(crate) input: usize,
    /// What judging one event may need.
    work: usize,
}

impl MemoryBudget {
    /// The most bytes of values that the terms of an event may hold.
    pub(crate) const TERM_BYTES: usize = 16 << 10;

    /// Divides the free memory.
    ///
    /// # Errors
    /// A sentence: the parts do not fit.
    pub(crate) fn deal(state: usize, rules: usize) -> Result<Self, String> {
        let rules = rules.saturating_sub(1).saturating_mul(RULE);
        let most = state.saturating_add(rules).saturating_add(INPUT).saturating_add(WORK);
        let there = available(most);
        let least = state.saturating_add(rules).saturating_add(LEAST_INPUT + LEAST_WORK);
        let rest = there.checked_sub(state.saturating_add(rules)).filter(|_| there >= least);
        let rest = rest.ok_or_else(|| {
            format!(
                "{there} bytes of memory are free, and {least} are needed: build the rule with a smaller --state-limit, or raise Redpanda's data_transforms_per_function_memory_limit"
            )
        })?;
        let input = (rest / 2).clamp(LEAST_INPUT, INPUT);
        Ok(Self { input, work: rest.saturating_sub(input) })
    }

    /// Whether there is memory to judge an event.
    ///
    /// # Errors
    /// `code: reason` where there may not be.
    pub(crate) fn check(&self, event: &[u8]) -> Result<(), String> {
        let needed = needs(event);
        if needed <= self.work {
            return Ok(());
        }
        Err(format!(
            "too_large: judging an event of {} bytes may take {needed} bytes of memory, and there are {}",
            event.len(),
            self.work
        ))
    }
}

/// What judging an event takes at the most: it is read into a tree for its alerts, with a node for
/// each member and element, and each alert holds its text several times.
fn needs(event: &[u8]) -> usize {
    let nodes = event.iter().filter(|b| matches!(b, b',' | b':' | b'{' | b'[')).count();
    event.len().saturating_mul(8).saturating_add(nodes.saturating_mul(64))
}

/// How many bytes can be had in one piece, up to `most`; they are given back. From above: what was
/// had once is not made longer later, because the rule follows the memory's first part.
fn available(most: usize) -> usize {
    let fits = |bytes: &usize| Vec::<u8>::new().try_reserve_exact(*bytes).is_ok();
    (0..=most).rev().step_by(STEP).find(fits).unwrap_or(0)
}
