#!/usr/bin/env bash
# Whether every rule can be built.
#
# In: RULES, a folder or a rule; WARNINGS, allow or deny; firstseen on the PATH. Out: firstseen's messages and its exit status; it
# writes no file.
set -euo pipefail

command -v firstseen >/dev/null || {
    printf '::error title=firstseen::firstseen is not on the PATH: set \x60version\x60 to a release, or install it first\n'
    exit 2
}
firstseen build --check --warnings "$WARNINGS" -- "$RULES"
