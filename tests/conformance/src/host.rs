//! A host as in docs/abi.md, for any engine and both ways of the contract.
//!
//! In: a guest, a vector. Out: the result of each event, and the guest's unchanged results for
//! comparison between engines. It does not depend on rules.

use crate::engine::{Guest, Module, Number};
use crate::store::{Shared, Store};
use crate::vector::{Counts, Outcome, Step, Vector, unhex};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use firstseen_abi::{
    DecideRequest, Decision, Item, ItemKind, Keys, OutcomeKind, RequestWriter, unpack,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// A way of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// One call for each event; the guest accesses the store.
    Evaluate,
    /// Many events at once; the host accesses the store between the calls.
    KeysDecide,
}

impl Way {
    /// The names of its calls.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Evaluate => "evaluate",
            Self::KeysDecide => "keys + decide",
        }
    }
}

/// Both.
pub(crate) const WAYS: [Way; 2] = [Way::Evaluate, Way::KeysDecide];

/// The output of a guest and the results.
pub(crate) struct Run {
    /// The result of each step.
    pub(crate) outcomes: Vec<Outcome>,
    /// The results of all calls, byte for byte.
    pub(crate) answers: Vec<Vec<u8>>,
    /// The state at the end.
    pub(crate) after: BTreeMap<Vec<u8>, Vec<u8>>,
}

struct Host {
    guest: Box<dyn Guest>,
    store: Shared,
    answers: Vec<Vec<u8>>,
}

/// Runs a vector in a new instance.
pub(crate) fn run(
    module: &dyn Module,
    prefixes: &[String],
    vector: &Vector,
    way: Way,
) -> Result<Run> {
    let prefixes = prefixes.iter().map(|own| format!("{}:{own}", vector.tenant())).collect();
    let before = vector.before.iter();
    let rows = before.map(|(key, value)| Ok((key.clone().into_bytes(), unhex(value)?)));
    let store = Store { prefixes, rows: rows.collect::<Result<_>>()? };
    let store = Arc::new(Mutex::new(store));
    let mut guest = module.guest(store.clone())?;
    let version = guest.call("abi_version", &[])?;
    ensure!(version == 1, "the guest speaks version {version} of the contract");
    let mut host = Host { guest, store, answers: Vec::new() };
    if let Some(settings) = &vector.settings {
        let answer = host.call("configure", settings.to_string().as_bytes(), &[])?;
        ensure!(answer == b"{}", "configure: {}", String::from_utf8_lossy(&answer));
    }
    let outcomes = match way {
        Way::Evaluate => {
            vector.steps.iter().map(|step| host.evaluate(step)).collect::<Result<Vec<_>>>()?
        }
        // One call has one clock.
        Way::KeysDecide => {
            let batches = vector.steps.chunk_by(|a, b| a.now_ms == b.now_ms);
            batches.map(|batch| host.batch(batch)).collect::<Result<Vec<_>>>()?.concat()
        }
    };
    let after = host.store.lock().map_err(|_| anyhow!("an import panicked"))?.rows.clone();
    Ok(Run { outcomes, answers: host.answers, after })
}

/// The result of `evaluate`; other members are ignored.
#[derive(Deserialize)]
struct Evaluated<'a> {
    #[serde(borrow)]
    alerts: Vec<&'a RawValue>,
    #[serde(borrow)]
    repeats: Vec<&'a RawValue>,
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    code: String,
}

impl Host {
    /// Passes a buffer to a call and copies the result.
    fn call(&mut self, export: &str, input: &[u8], more: &[Number]) -> Result<Vec<u8>> {
        let (at, len) = (self.place(input)?, u32::try_from(input.len())?);
        let parameters = [&[Number::I32(at), Number::I32(len)], more].concat();
        self.result(export, &parameters)
    }

    /// Copies a buffer into the guest. The address is valid until the next result.
    fn place(&mut self, input: &[u8]) -> Result<u32> {
        let len = u32::try_from(input.len())?;
        let at = u32::try_from(self.guest.call("alloc", &[Number::I32(len)])?)?;
        ensure!(at != 0, "the guest has no room for {len} bytes");
        self.guest.write(at, input)?;
        Ok(at)
    }

    /// Calls and copies the packed result.
    fn result(&mut self, export: &str, parameters: &[Number]) -> Result<Vec<u8>> {
        let packed = self.guest.call(export, parameters)?;
        ensure!(packed != 0, "{export}: no room for the result");
        let (at, len) = unpack(packed.cast_signed());
        let answer = self.guest.read(at, len)?;
        self.guest.call("reset", &[])?;
        self.answers.push(answer.clone());
        Ok(answer)
    }

    fn evaluate(&mut self, step: &Step) -> Result<Outcome> {
        let answer = self.call("evaluate", &step.event()?, &[Number::I64(step.now_ms)])?;
        let text = std::str::from_utf8(&answer)?;
        // Parsed separately, because serde's flatten does not support borrowed texts.
        let counts: Counts = serde_json::from_str(text).with_context(|| text.to_owned())?;
        let read: Evaluated<'_> = serde_json::from_str(text).with_context(|| text.to_owned())?;
        let texts = |list: Vec<&RawValue>| list.iter().map(|raw| raw.get().to_owned()).collect();
        Ok(Outcome {
            alerts: texts(read.alerts),
            repeats: texts(read.repeats),
            error: read.error.map(|fault| fault.code),
            counts,
        })
    }

    /// `keys` for all events with a table, then `decide`, first without event texts.
    fn batch(&mut self, steps: &[Step]) -> Result<Vec<Outcome>> {
        let events: Vec<Vec<u8>> = steps.iter().map(Step::event).collect::<Result<_>>()?;
        let buffer = events.concat();
        let mut table = Vec::new();
        let mut places = Vec::new();
        for event in &events {
            let at = places.last().map_or(0, |(at, len)| at + len);
            places.push((at, u32::try_from(event.len())?));
            table.extend([at, u32::try_from(event.len())?].map(u32::to_le_bytes).concat());
        }
        let keys = self.keys(&buffer, &table, steps)?;
        let keys = Keys::read(&keys).map_err(|fault| anyhow!("keys: {fault:?}"))?;
        let mut outcomes = vec![Outcome::default(); steps.len()];
        let mut items = Vec::new();
        for item in keys.items() {
            let item = item?;
            let step = places.iter().position(|place| *place == (item.offset, item.len));
            let step = step.context("an item of no event")?;
            let is_rest = item.kind == ItemKind::TooManyTerms
                && items.last().is_some_and(|(at, last): &(usize, Item<'_>)| {
                    (*at, last.rule) == (step, item.rule)
                });
            note(&item, &mut outcomes[step]);
            if is_rest {
                // The match was counted with the terms that are judged.
                outcomes[step].counts.matched -= 1;
            }
            if item.kind == ItemKind::Matched {
                items.push((step, item));
            }
        }
        if !items.is_empty() {
            self.decide(&items, &events, &mut outcomes)?;
        }
        Ok(outcomes)
    }

    fn keys(&mut self, buffer: &[u8], table: &[u8], steps: &[Step]) -> Result<Vec<u8>> {
        let at = self.place(&[buffer, table].concat())?;
        let len = u32::try_from(buffer.len())?;
        let numbers = [at, len, at + len, u32::try_from(steps.len())?].map(Number::I32);
        let clock = Number::I64(steps.first().map_or(0, |step| step.now_ms));
        self.result("keys", &[&numbers[..], &[clock]].concat())
    }

    fn decide(
        &mut self,
        items: &[(usize, Item<'_>)],
        events: &[Vec<u8>],
        outcomes: &mut [Outcome],
    ) -> Result<()> {
        let mut asked = BTreeSet::new();
        // The result without texts names the items whose texts are needed.
        for _ in 0..2 {
            let request = self.request(items, events, &asked)?;
            let answer = self.call("decide", &request, &[])?;
            let decision = Decision::read(&answer).map_err(|fault| anyhow!("decide: {fault:?}"))?;
            let needs = |kind| kind == OutcomeKind::NeedsEvent;
            asked = decision.outcomes.iter().filter(|o| needs(o.kind)).map(|o| o.item).collect();
            if asked.is_empty() {
                return self.settle(items, &request, &decision, outcomes);
            }
        }
        bail!("decide asks for events that it was given")
    }

    fn request(
        &self,
        items: &[(usize, Item<'_>)],
        events: &[Vec<u8>],
        with_text: &BTreeSet<u32>,
    ) -> Result<Vec<u8>> {
        let store = self.store.lock().map_err(|_| anyhow!("an import panicked"))?;
        let (mut request, mut known) = (RequestWriter::default(), BTreeSet::new());
        for (index, (step, item)) in items.iter().enumerate() {
            for term in item.terms() {
                ensure!(store.owns(term.key), "a key that is not the artifact's own");
                if known.insert(term.key) {
                    request.key(term.key, store.rows.get(term.key).map(Vec::as_slice));
                }
            }
            if with_text.contains(&u32::try_from(index)?) {
                request.item(item.raw, &events[*step]);
            } else {
                request.item_alone(item.raw);
            }
        }
        let (head, keys, items) = request.parts();
        Ok([&head[..], keys, items].concat())
    }

    /// Applies the writes and uses the outcomes; nothing else writes to this store.
    fn settle(
        &mut self,
        items: &[(usize, Item<'_>)],
        request: &[u8],
        decision: &Decision<'_>,
        outcomes: &mut [Outcome],
    ) -> Result<()> {
        let request = DecideRequest::read(request)?;
        let mut store = self.store.lock().map_err(|_| anyhow!("an import panicked"))?;
        for write in &decision.writes {
            let key = request.keys.get(write.key as usize).context("a write for no key")?.key;
            ensure!(
                write.value.len() <= firstseen_abi::MAX_VALUE && write.ttl_ms > 0,
                "a bad write"
            );
            store.rows.insert(key.to_vec(), write.value.to_vec());
        }
        for (step, item) in items {
            outcomes[*step].counts.seen += u32::try_from(item.terms().count())?;
        }
        for decided in &decision.outcomes {
            let (step, _) = items.get(decided.item as usize).context("an outcome of no item")?;
            let outcome = &mut outcomes[*step];
            // A term without an outcome was seen before.
            outcome.counts.seen -= 1;
            match decided.kind {
                OutcomeKind::Alert => outcome.alerts.push(decided.text.to_owned()),
                OutcomeKind::Repeat => outcome.repeats.push(decided.text.to_owned()),
                OutcomeKind::Learned => outcome.counts.learned += 1,
                OutcomeKind::LateBeyondMemory => outcome.counts.late += 1,
                OutcomeKind::Error => fault(outcome, decided.text),
                OutcomeKind::NeedsEvent => bail!("decide asks for an event and decides"),
            }
        }
        Ok(())
    }
}

fn fault(outcome: &mut Outcome, text: &str) {
    let code = text.split_once(": ").map_or(text, |(code, _)| code);
    outcome.error.get_or_insert_with(|| code.to_owned());
}

/// The result of an item without terms.
fn note(item: &Item<'_>, outcome: &mut Outcome) {
    let counts = &mut outcome.counts;
    match item.kind {
        ItemKind::Matched => counts.matched += 1,
        ItemKind::Missing => {
            counts.matched += 1;
            counts.missing.push(item.text.to_owned());
        }
        ItemKind::Excepted => {
            counts.matched += 1;
            counts.excepted += 1;
        }
        ItemKind::OtherIndex => {
            counts.matched += 1;
            counts.other_index += 1;
        }
        ItemKind::NoEvents => counts.no_events = Some(item.text.to_owned()),
        ItemKind::Bad => fault(outcome, item.text),
        ItemKind::Future | ItemKind::TooManyTerms => {
            counts.matched += 1;
            fault(outcome, item.text);
        }
    }
}
