//! The time of each engine for one event.
//!
//! In: the flagship's short form, an event with a known term. Out: a table of ratios, measured in
//! turns in one run. On a busy machine only the ratios are meaningful.

use crate::artifact::Artifacts;
use crate::engine::{Engine, Guest, Number};
use crate::store::{Shared, Store};
use crate::vector::Recipe;
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const RULE: &str = "tests/vectors/stacks.toml";
const EVENT: &str = r#"{"@timestamp":"2025-04-01T08:00:00Z","event":{"id":"e1","dataset":"aws.cloudtrail","provider":"cloudformation.amazonaws.com","action":"CreateStack","outcome":"success"},"cloud":{"account":{"id":"111122223333"}},"user":{"name":"ann"}}"#;
/// The same user an hour later, so that no alert is written.
const LATER: &str = r#"{"@timestamp":"2025-04-01T09:00:00Z","event":{"id":"e2","dataset":"aws.cloudtrail","provider":"cloudformation.amazonaws.com","action":"CreateStack","outcome":"success"},"cloud":{"account":{"id":"111122223333"}},"user":{"name":"ann"}}"#;
const ROUNDS: usize = 9;
const CALLS: u32 = 500;

/// Prints the table.
pub(crate) fn table(
    engines: &[Box<dyn Engine>],
    artifacts: &BTreeMap<Recipe, Artifacts>,
) -> Result<()> {
    let recipe = Recipe { rules: vec![RULE.to_owned()], event_time: None };
    let built = artifacts.get(&recipe).context("no vector is about the short form")?;
    let mut guests = Vec::new();
    for engine in engines {
        let prefixes = built.prefixes.iter().map(|own| format!("default:{own}")).collect();
        let store: Shared = Arc::new(Mutex::new(Store { prefixes, ..Store::default() }));
        let module = engine.load(built.for_engine(engine.as_ref()))?;
        let mut guest = module.guest(store)?;
        evaluate(guest.as_mut(), EVENT)?;
        let answer = evaluate(guest.as_mut(), LATER)?;
        ensure!(answer.contains("\"seen\":1"), "{}: {answer}", engine.name());
        guests.push((engine.name(), guest, Duration::MAX));
    }
    for _ in 0..ROUNDS {
        for (_, guest, best) in &mut guests {
            let start = Instant::now();
            for _ in 0..CALLS {
                evaluate(guest.as_mut(), LATER)?;
            }
            *best = (*best).min(start.elapsed() / CALLS);
        }
    }
    println!("\n`evaluate` of an event whose term was seen, the best of {ROUNDS} rounds in turns");
    println!("{:<20} {:>12} {:>8}", "engine", "us an event", "ratio");
    let base = guests.first().map_or(1.0, |(_, _, best)| best.as_secs_f64());
    for (name, _, best) in &guests {
        let seconds = best.as_secs_f64();
        println!("{name:<20} {:>12.1} {:>8.1}", seconds * 1e6, seconds / base);
    }
    Ok(())
}

fn evaluate(guest: &mut dyn Guest, event: &str) -> Result<String> {
    let len = u32::try_from(event.len())?;
    let at = u32::try_from(guest.call("alloc", &[Number::I32(len)])?)?;
    guest.write(at, event.as_bytes())?;
    let packed = guest.call("evaluate", &[Number::I32(at), Number::I32(len), Number::I64(0)])?;
    let (at, len) = firstseen_abi::unpack(packed.cast_signed());
    let answer = guest.read(at, len)?;
    guest.call("reset", &[])?;
    Ok(String::from_utf8(answer)?)
}
