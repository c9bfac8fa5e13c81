#!/usr/bin/env bash
# Tests the rules, with the coverage of their queries.
#
# In: RULES, WARNINGS, REQUIRE_TESTS (true or false), COVERAGE_MIN (a percentage or nothing), JUNIT, a file. Out:
# annotations and a report on standard output, the JUnit file, firstseen's exit status: 1 where a test failed.
set -euo pipefail

options=(--warnings "$WARNINGS")
case "$REQUIRE_TESTS" in
    true) options+=(--require-tests) ;;
    false) ;;
    *)
        printf '::error title=firstseen::require-tests: %s is neither true nor false\n' "$REQUIRE_TESTS"
        exit 2
        ;;
esac
if [[ -n "$COVERAGE_MIN" ]]; then
    options+=(--coverage-min "$COVERAGE_MIN")
else
    options+=(--coverage)
fi

# The same tests twice, as a run has one format; the file is there too where a test failed.
mkdir -p "$(dirname "$JUNIT")"
status=0
firstseen --quiet test "${options[@]}" --format junit --output "$JUNIT" -- "$RULES" >/dev/null 2>&1 || status=$?
again=0
firstseen test "${options[@]}" --format github -- "$RULES" || again=$?
((again)) || exit "$status"
exit "$again"
