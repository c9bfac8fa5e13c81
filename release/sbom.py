#!/usr/bin/env python3
"""The software bill of materials of a firstseen binary: CycloneDX 1.5, as JSON.

In: this checkout with its Cargo.lock, the target and the features that the binary is built with, the
binary itself. Out: on standard output one document, the same for the same input: every package
that the binary or an engine inside it is built from, with version, licence, the checksum of
Cargo.lock, and what depends on what. Packages that only run while it is built (build scripts,
procedural macros and what they use) have the scope `excluded`.

cargo resolves for the whole workspace, so a package may be named that the binary alone would not need;
none is left out. It lists packages of cargo: not Rust's standard library, and not musl, which is linked in too. C
sources are part of the packages that bring them (zstd-sys, libdeflate-sys, ring).
"""

import argparse
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The engines inside the binary are built for these (engines/build.rs).
WASM = ["wasm32-unknown-unknown", "wasm32-wasip1"]
# One licence of SPDX's list, as opposed to an expression of several.
SINGLE = re.compile(r"[A-Za-z0-9.+-]+")


def metadata(platform, features):
    """What cargo resolves for a platform."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", platform]
    if features:
        command += ["--features", ",".join(f"firstseen/{name}" for name in features)]
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    except FileNotFoundError:
        sys.exit("release/sbom.py: the list of packages needs `cargo`, which is not installed")
    except subprocess.CalledProcessError as error:
        sys.exit(f"release/sbom.py: `{' '.join(command)}` ended with {error.returncode}: its errors are above")
    return json.loads(done.stdout)


class Graph:
    """Packages by cargo's id, and what is needed when."""

    def __init__(self):
        self.packages = {}
        self.edges = {}
        # In the binary or in an engine; the other ones only run during the build.
        self.linked = set()

    def add(self, resolved, is_root):
        """Adds what the roots among the workspace's members are built from."""
        packages = {package["id"]: package for package in resolved["packages"]}
        nodes = {node["id"]: node for node in resolved["resolve"]["nodes"]}
        roots = [id for id in resolved["workspace_members"] if is_root(packages[id])]
        open_, seen = [(id, True) for id in roots], set()
        while open_:
            id, linked = open_.pop()
            linked = linked and not is_macro(packages[id])
            if (id, linked) in seen:
                continue
            seen.add((id, linked))
            self.packages[id] = packages[id]
            if linked:
                self.linked.add(id)
            edges = self.edges.setdefault(id, set())
            for dep in nodes[id]["deps"]:
                kinds = {kind["kind"] for kind in dep["dep_kinds"]}
                if kinds & {None, "build"}:
                    edges.add(dep["pkg"])
                    open_.append((dep["pkg"], linked and None in kinds))
        return roots


def is_macro(package):
    return any("proc-macro" in target["kind"] for target in package["targets"])


def is_engine(package):
    folder = pathlib.Path(package["manifest_path"]).parent.relative_to(ROOT).parts
    return folder[:2] in [("plugin", "core"), ("plugin", "targets")]


def checksums():
    """SHA-256 of each package in Cargo.lock that comes from a registry."""
    found, name, version = {}, None, None
    for line in (ROOT / "Cargo.lock").read_text().splitlines():
        key, _, value = line.partition(" = ")
        if key == "name":
            name = value.strip('"')
        elif key == "version":
            version = value.strip('"')
        elif key == "checksum":
            found[name, version] = value.strip('"')
    return found


def licences(package):
    """SPDX's form: cargo allows `A/B`, which it read as `A OR B` before it knew expressions."""
    text = re.sub(r"\s*/\s*", " OR ", package["license"] or "")
    if not text:
        sys.exit(f"release/sbom.py: {package['name']} {package['version']} names no licence")
    if SINGLE.fullmatch(text):
        return [{"license": {"id": text}}]
    return [{"expression": text}]


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, sums, linked):
    entry = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "scope": "required" if linked else "excluded",
        "licenses": licences(package),
        "purl": reference(package),
    }
    checksum = sums.get((package["name"], package["version"]))
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    elif package["source"]:
        sys.exit(f"release/sbom.py: Cargo.lock has no checksum of {package['name']} {package['version']}")
    return entry


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--target", required=True, help="the target of Rust that the binary is built for")
    arguments.add_argument("--features", default="", help="the features that it is built with: a,b")
    arguments.add_argument("--binary", required=True, type=pathlib.Path, help="the binary")
    given = arguments.parse_args()
    features = [name for name in given.features.split(",") if name]

    graph = Graph()
    [main_id] = graph.add(metadata(given.target, features), lambda package: package["name"] == "firstseen")
    for platform in WASM:
        graph.add(metadata(platform, features), is_engine)
    sums = checksums()
    program = graph.packages[main_id]
    subject = component(program, sums, True) | {"type": "application", "description": program["description"]}
    del subject["scope"]
    subject["hashes"] = [{"alg": "SHA-256", "content": hashlib.sha256(given.binary.read_bytes()).hexdigest()}]
    subject["properties"] = [
        {"name": "firstseen:target", "value": given.target},
        {"name": "firstseen:features", "value": ",".join(features)},
    ]
    # Sorted, so that the same packages make the same document.
    packages = sorted(graph.packages.items(), key=lambda item: reference(item[1]))
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": subject},
        "components": [component(p, sums, id in graph.linked) for id, p in packages if id != main_id],
        "dependencies": [
            {"ref": reference(p), "dependsOn": sorted(reference(graph.packages[to]) for to in graph.edges[id])}
            for id, p in packages
        ],
    }
    # By the content, not by chance or by the time: the same document has the same number.
    content = json.dumps(document, sort_keys=True, separators=(",", ":"))
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, content).urn
    json.dump(document, sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


main()
