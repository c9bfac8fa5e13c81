#!/usr/bin/env bash
# Builds the artifacts, and signs them.
#
# In: RULES, WARNINGS; ARTIFACTS, the folder they go to; KEY, the text of a secret key in PEM, or nothing. Out: an artifact for
# each rule, signed if there is a key. The key is in a file that only this user can read, and only while this runs. It
# signs nothing but what it built: an artifact that was in the folder before would come from anybody.
set -euo pipefail

if [[ -e "$ARTIFACTS" && -n "$(ls -A -- "$ARTIFACTS")" ]]; then
    printf '::error title=firstseen::artifacts: %s is there and is not empty; name another folder\n' "$ARTIFACTS"
    exit 2
fi
if [[ -n "$KEY" && "$KEY" != *"-----BEGIN "* ]]; then
    printf '::error title=firstseen::key: it is not PEM; \x60firstseen keygen --pem ci\x60 makes one, and ci.key is the secret\n'
    exit 2
fi

firstseen build --warnings "$WARNINGS" -o "$ARTIFACTS/" -- "$RULES"
if [[ -z "$KEY" ]]; then
    printf '::notice title=firstseen::no \x60key\x60 is given: the artifacts are not signed\n'
    exit 0
fi
folder="$(umask 077 && mktemp -d)"
trap 'rm -rf "$folder"' EXIT
(umask 077 && printf '%s\n' "$KEY" >"$folder/secret.key")
# Commands that firstseen runs have no use for it.
unset KEY
find "$ARTIFACTS" -name '*.wasm' -type f -print0 | sort -z |
    xargs -0 firstseen sign --key "$folder/secret.key" --
