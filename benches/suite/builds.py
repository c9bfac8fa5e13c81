"""Builds from nothing: CPU seconds of the README's first command and of an installation.

In: the project, with its crates downloaded. Out: CPU seconds. Each builds into a folder of its own, which is removed;
a wrapper around rustc that keeps results is left out.
"""

import os
import shutil

from shared import CACHE, ROOT, call, timed

ENVIRONMENT = {"RUSTC_WRAPPER": "", "CARGO_BUILD_RUSTC_WRAPPER": "", "CARGO_INCREMENTAL": "0"}


def builds():
    """{name: {"cpu": seconds, "seconds": seconds}}."""
    call(["cargo", "fetch", "--locked", "--manifest-path", ROOT / "Cargo.toml"])
    target, root = CACHE / "build-target", CACHE / "build-root"
    install = ["cargo", "install", "--locked", "--path", ROOT / "host", "--root", root, "--force"]
    commands = {
        "`cargo run -- run samples/cloudtrail`": ["cargo", "build", "--locked"],
        "`cargo install --path host --locked`": install,
    }
    result = {}
    for name, command in commands.items():
        shutil.rmtree(target, ignore_errors=True)
        environment = {**os.environ, **ENVIRONMENT, "CARGO_TARGET_DIR": str(target)}
        cores = os.cpu_count() or 1
        seconds, cpu, peak = timed(command, cores=cores, cwd=ROOT, env=environment)
        result[name] = {"seconds": seconds, "cpu": cpu, "peak": peak}
    shutil.rmtree(target, ignore_errors=True)
    shutil.rmtree(root, ignore_errors=True)
    return result
