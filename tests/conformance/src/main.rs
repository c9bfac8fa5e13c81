//! `firstseen-conformance` runs the vectors of `tests/vectors` in several WebAssembly engines.
//!
//! In: the `firstseen` binary with the engines of all targets. Out: a table of engines, a line
//! for each failing vector, and exit status 0 if none fails. docs/conformance.md describes what is
//! compared; `.ci/conformance` calls this program.

mod artifact;
mod engine;
mod host;
mod speed;
mod store;
mod vector;

use anyhow::{Context as _, Result, bail, ensure};
use artifact::Artifacts;
use engine::{Engine, Module};
use host::{WAYS, Way};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vector::{Recipe, Vector};

const USAGE: &str = "usage: firstseen-conformance FIRSTSEEN [--speed]";

/// The results of the first engine, by vector and way; the others must return the same.
type Answers = BTreeMap<(String, &'static str), Vec<Vec<u8>>>;

/// The results of one engine.
#[derive(Default)]
struct Tally {
    runs: u32,
    failed: Vec<String>,
}

fn main() -> ExitCode {
    match conform() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("conformance: {fault:#}");
            ExitCode::from(2)
        }
    }
}

fn engines() -> Result<Vec<Box<dyn Engine>>> {
    Ok(vec![
        Box::new(engine::wasmtime::Engine::with_simd()),
        Box::new(engine::wasmtime::Engine::without_simd()?),
        Box::new(engine::wasmi::Engine::default()),
        Box::new(engine::wasmer::Engine::default()),
        Box::new(engine::wamr::Engine::new()?),
    ])
}

fn conform() -> Result<bool> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let measure = arguments.last().is_some_and(|last| last == "--speed");
    if measure {
        arguments.pop();
    }
    let [firstseen] = &arguments[..] else { bail!(USAGE) };
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let vectors = vector::read(&root.join("tests/vectors"))?;
    let mut artifacts = BTreeMap::new();
    for recipe in vectors.keys() {
        let built = artifact::build(Path::new(firstseen), &root, recipe)?;
        artifacts.insert(recipe.clone(), built);
    }
    let total: usize = vectors.values().map(Vec::len).sum();
    println!("{total} vectors, {} artifacts, {} ways", artifacts.len(), WAYS.len());
    println!("{:<20} {:<6} {:<14} {:>6} {:>6}", "engine", "SIMD", "way", "passed", "failed");
    let (mut first, mut right) = (Answers::new(), true);
    for engine in engines()? {
        for way in WAYS {
            let tally = run_all(engine.as_ref(), way, &vectors, &artifacts, &mut first)?;
            let (simd, failed) = (if engine.has_simd() { "yes" } else { "no" }, tally.failed.len());
            let passed = tally.runs as usize - failed;
            println!("{:<20} {simd:<6} {:<14} {passed:>6} {failed:>6}", engine.name(), way.name());
            tally.failed.iter().for_each(|line| println!("  {line}"));
            right &= tally.failed.is_empty();
        }
    }
    if measure && right {
        speed::table(&engines()?, &artifacts)?;
    }
    Ok(right)
}

/// Runs all vectors in one engine, in one way.
fn run_all(
    engine: &dyn Engine,
    way: Way,
    vectors: &BTreeMap<Recipe, Vec<Vector>>,
    artifacts: &BTreeMap<Recipe, Artifacts>,
    first: &mut Answers,
) -> Result<Tally> {
    let mut tally = Tally::default();
    for (recipe, vectors) in vectors {
        let built = artifacts.get(recipe).context("an artifact that was not built")?;
        let module = engine.load(built.for_engine(engine))?;
        for vector in vectors {
            tally.runs += 1;
            if let Err(fault) = check(module.as_ref(), &built.prefixes, vector, way, first) {
                tally.failed.push(format!("{}: {fault:#}", vector.name));
            }
        }
    }
    Ok(tally)
}

/// Compares one vector: outcomes, state, and the bytes of every result.
fn check(
    module: &dyn Module,
    prefixes: &[String],
    vector: &Vector,
    way: Way,
    first: &mut Answers,
) -> Result<()> {
    let run = host::run(module, prefixes, vector, way)?;
    ensure!(run.outcomes.len() == vector.steps.len(), "{} outcomes", run.outcomes.len());
    for (index, (outcome, step)) in run.outcomes.iter().zip(&vector.steps).enumerate() {
        let expected = &step.outcome;
        ensure!(outcome == expected, "step {index}: {outcome:?}\n  expected {expected:?}");
    }
    let after = vector.after.iter();
    let after = after.map(|(key, value)| Ok((key.clone().into_bytes(), vector::unhex(value)?)));
    ensure!(run.after == after.collect::<Result<_>>()?, "the state at the end differs");
    let known =
        first.entry((vector.name.clone(), way.name())).or_insert_with(|| run.answers.clone());
    ensure!(*known == run.answers, "a result differs from the first engine's");
    Ok(())
}
