# `just` without a name lists these.
default:
    @just --list

# Everything that CI runs
ci:
    .ci/run

# All tests
test:
    cargo test --workspace --locked

# The flagship rule over the sample CloudTrail, or firstseen with other arguments
run *arguments='run samples/cloudtrail':
    cargo run --release --locked -p firstseen -- {{ arguments }}

# firstseen against DuckDB, one table
bench megabytes='400':
    benches/run {{ megabytes }}

# Each fuzz target for so many seconds; needs nightly and cargo-fuzz
fuzz seconds='600':
    #!/usr/bin/env bash
    set -euo pipefail
    for target in $(cargo +nightly fuzz list); do
        mkdir -p "fuzz/corpus/$target"
        cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
            -max_total_time={{ seconds }} -rss_limit_mb=2048 -timeout=20
    done

# Sample data and fixtures, written again
generate:
    python3 samples/generate.py
    python3 tests/fixtures/generate.py
