//! Runs of random cases. In: their number and a property. Out: nothing, or a panic with the
//! smallest failing case. The cases are the same in every run, unless `FIRSTSEEN_SEED` sets another
//! seed. Nothing is written to disk.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseResult, TestRunner};

/// The default seed.
const SEED: u64 = 0x0f15_75ee;

/// Checks a property on this many cases.
///
/// # Panics
/// If a case fails: with the smallest failing case and the seed.
pub fn check<S: Strategy>(count: u32, strategy: S, property: impl Fn(S::Value) -> TestCaseResult) {
    let seed = std::env::var("FIRSTSEEN_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or(SEED);
    // The test harness shows this if the test fails.
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
