#!/usr/bin/env bash
# Pushes the artifacts to a registry.
#
# In: ARTIFACTS, a folder; REGISTRY, oci://HOST/REPOSITORY; TAG; SIGNED, whether they were signed (true or false);
# GITHUB_OUTPUT and GITHUB_STEP_SUMMARY, files of GitHub. Out: the address of each artifact by its digest, on standard
# output, as the step's output `addresses`, and in the job's summary. The artifact aws/new-user.wasm goes to REGISTRY/aws/new-user:TAG.
# Passwords are those of `docker login`.
set -euo pipefail

fail() {
    printf '::error title=firstseen::%s\n' "$1"
    exit 2
}

[[ "$REGISTRY" == oci://* ]] || fail "registry: \`$REGISTRY\` is no address; give oci://HOST/REPOSITORY"
[[ "$SIGNED" == true ]] || fail "registry: only signed artifacts are pushed; give \`key\` too, from a secret"
files=()
while IFS= read -r -d '' artifact; do
    files+=("$artifact")
done < <(find "$ARTIFACTS" -name '*.wasm' -type f -printf '%P\0' | sort -z)
((${#files[@]})) || fail "there is no artifact in $ARTIFACTS"

addresses=()
for artifact in "${files[@]}"; do
    addresses+=("$(firstseen push -- "$ARTIFACTS/$artifact" "${REGISTRY%/}/${artifact%.wasm}:$TAG")")
    printf '%s\n' "${addresses[-1]}"
done
# An end that no address can be.
{
    printf 'addresses<<=end of addresses=\n'
    printf '%s\n' "${addresses[@]}"
    printf '=end of addresses=\n'
} >>"$GITHUB_OUTPUT"
{
    printf '### Rules\n\n'
    printf -- '- `%s`\n' "${addresses[@]}"
} >>"$GITHUB_STEP_SUMMARY"
