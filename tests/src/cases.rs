//! Runs of cases. In: how many, and what each must satisfy. Out: nothing, or a panic with the
//! smallest failing case. The cases are the same on every run, unless a seed is given in
//! `FIRSTSEEN_SEED`; nothing is written to disk.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseResult, TestRunner};

/// The seed of every run that is not told another one.
const SEED: u64 = 0x0f15_75ee;

/// Checks a property on so many cases.
///
/// # Panics
/// When a case fails, with the smallest one found and the seed.
pub fn check<S: Strategy>(count: u32, strategy: S, property: impl Fn(S::Value) -> TestCaseResult) {
    let seed = std::env::var("FIRSTSEEN_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or(SEED);
    // Shown by the test harness where the test fails.
    println!("FIRSTSEEN_SEED={seed}");
    let config = Config {
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::with_cases(count)
    };
    if let Err(fault) = TestRunner::new(config).run(&strategy, property) {
        panic!("{fault}\n(FIRSTSEEN_SEED={seed})");
    }
}
