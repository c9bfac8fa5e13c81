#!/usr/bin/env bash
# Fetches a release of firstseen and puts it on the PATH of the later steps.
#
# In: RELEASES, the address that has a folder for each release; VERSION, its tag; SHA256, what the archive must have, or
# nothing: then the release's own SHA256SUMS counts, which shows damage, not a false release. RUNNER_TEMP and
# GITHUB_PATH are GitHub's. Out: the binary, in a folder that GITHUB_PATH names. It runs nothing that it fetched before
# the checksum is right.
set -euo pipefail

fail() {
    printf '::error title=firstseen::%s\n' "$1"
    exit 2
}

[[ "$VERSION" =~ ^v[0-9][0-9A-Za-z.+-]*$ ]] || fail "version: \`$VERSION\` is not a release's tag; give one such as v0.1.0"
machine="$(uname -s)-$(uname -m)"
case "$machine" in
    Linux-x86_64) target=x86_64-unknown-linux-musl ;;
    Linux-aarch64 | Linux-arm64) target=aarch64-unknown-linux-musl ;;
    *) fail "there is no release for $machine: put firstseen on the PATH yourself, and leave \`version\` empty" ;;
esac
name="firstseen-${VERSION#v}-$target"
folder="$RUNNER_TEMP/firstseen-release"
mkdir -p "$folder"
cd "$folder"

# fetch FILE
fetch() {
    curl --fail --silent --show-error --location --max-filesize 200000000 --max-time 300 --retry 3 \
        --output "$1" "$RELEASES/$VERSION/$1" ||
        fail "$RELEASES/$VERSION/$1 could not be fetched: is \`version\` a release, and \`repository\` the one that has it?"
}

fetch "$name.tar.gz"
expected="${SHA256:-}"
if [[ -z "$expected" ]]; then
    fetch SHA256SUMS
    expected="$(awk -v file="$name.tar.gz" '$2 == file { print $1 }' SHA256SUMS)"
    [[ -n "$expected" ]] || fail "the SHA256SUMS of $VERSION do not name $name.tar.gz"
fi
found="$(sha256sum "$name.tar.gz")"
found="${found%% *}"
[[ "$found" == "${expected,,}" ]] || fail "$name.tar.gz has the SHA-256 $found instead of $expected: it is not used"
tar -xzf "$name.tar.gz" "$name/firstseen"
printf '%s\n' "$folder/$name" >>"$GITHUB_PATH"
"$folder/$name/firstseen" --version
