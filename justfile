# `just` without a recipe lists the recipes.
default:
    @just --list

# Run everything that CI runs
ci:
    .ci/run

# Run all tests
test:
    cargo test --workspace --locked

# Kill a run two hundred times, and compare what it leaves with an undisturbed one
crash:
    cargo test --locked -p firstseen --test e2e two_hundred_times -- --ignored --nocapture

# Eight processes over one state at a real redis-server, and at a cluster of three; servers are killed, as they are
shared:
    cargo test --locked -p firstseen --features redis --test e2e eight_processes -- --ignored --nocapture

# Run firstseen; by default the flagship rule over the sample CloudTrail
run *arguments='run samples/cloudtrail':
    cargo run --release --locked -p firstseen -- {{ arguments }}

# Accept changed snapshots, docs/cli.md and test vectors; then read `git diff`
accept:
    INSTA_UPDATE=always cargo test --locked -p firstseen --features targets --test e2e snapshots
    UPDATE_PAGES=1 cargo test --locked -p firstseen --test e2e pages::
    UPDATE_COSTS=1 cargo test --locked -p firstseen --features targets --test abi guest_cost
    FIRSTSEEN_WRITE=1 cargo test --locked -p firstseen-tests --test vectors

# Measure firstseen beside DuckDB, chDB, grep, zcat and jaq
bench megabytes='400':
    benches/run {{ megabytes }}

# Run each fuzz target for some seconds; needs nightly Rust and cargo-fuzz
fuzz seconds='600':
    #!/usr/bin/env bash
    set -euo pipefail
    for target in $(cargo +nightly fuzz list); do
        mkdir -p "fuzz/corpus/$target"
        cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
            -max_total_time={{ seconds }} -rss_limit_mb=2048 -timeout=20
    done

# Generate the sample data and the fixtures again
generate:
    python3 samples/generate.py
    python3 tests/fixtures/generate.py
