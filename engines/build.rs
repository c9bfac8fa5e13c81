//! Compiles the engines to WebAssembly, one for each kind of host.
//!
//! In: the workspace; the feature `targets`, without which only the core engine is compiled. Out, in
//! OUT_DIR: each engine by its name, and `js.js` that goes with `js.wasm`; the core's path is told to build scripts of
//! crates that depend on this one. It installs nothing but the
//! toolchain's own WebAssembly targets, and only those that are missing.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Engines that one call of cargo compiles: they share their dependencies.
struct Group {
    target: &'static str,
    features: &'static str,
    /// Package, and the name that the engine goes by.
    engines: &'static [(&'static str, &'static str)],
}

/// By itself: it is built without the standard library, and in one call with others it would get the
/// features that they ask of what they share.
const CORE: Group = Group {
    target: "wasm32-unknown-unknown",
    features: "+simd128",
    engines: &[("firstseen-core", "core")],
};

/// For engines without SIMD.
#[cfg(feature = "targets")]
const PLAIN_CORE: Group = Group {
    target: "wasm32-unknown-unknown",
    features: "",
    engines: &[("firstseen-core", "plain-core")],
};

#[cfg(feature = "targets")]
const TARGETS: [Group; 2] = [
    Group {
        target: "wasm32-unknown-unknown",
        features: "+simd128",
        engines: &[
            ("firstseen-connect", "connect"),
            ("firstseen-extism", "extism"),
            ("firstseen-js", "js"),
        ],
    },
    // Without SIMD: not all hosts have it.
    Group {
        target: "wasm32-wasip1",
        features: "",
        engines: &[
            ("firstseen-fluent-bit", "fluent-bit"),
            ("firstseen-redpanda", "redpanda"),
            ("firstseen-wasi", "wasi"),
        ],
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR")?);
    let root = manifest.parent().ok_or("the crate's folder has no parent")?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR")?);
    for path in
        ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "plugin", "crates", "engines/build.rs"]
    {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    build_group(root, &out, &CORE)?;
    // For the build script of crate runtime, which compiles it to machine code.
    println!("cargo::metadata=core={}", out.join("core.wasm").display());
    #[cfg(feature = "targets")]
    {
        build_group(root, &out, &PLAIN_CORE)?;
        for group in &TARGETS {
            build_group(root, &out, group)?;
        }
        bind_javascript(&out)?;
    }
    Ok(())
}

/// Turns the engine for JavaScript into `js.wasm` without wasm-bindgen's descriptions, and the glue
/// that belongs to it, `js.js`.
#[cfg(feature = "targets")]
fn bind_javascript(out: &Path) -> Result<(), Box<dyn Error>> {
    let bound = out.join("bound");
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    bindgen.input_path(out.join("js.wasm")).web(true)?.typescript(false).out_name("engine");
    bindgen.generate(&bound).map_err(|e| format!("wasm-bindgen: {e:#}"))?;
    fs::copy(bound.join("engine_bg.wasm"), out.join("js.wasm"))?;
    fs::copy(bound.join("engine.js"), out.join("js.js"))?;
    Ok(())
}

/// rustup adds the targets of rust-toolchain.toml by itself, except under RUSTUP_AUTO_INSTALL=0.
fn ensure_target(target: &str) -> Result<(), Box<dyn Error>> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked =
        Command::new(rustc).args(["--print", "target-libdir", "--target", target]).output()?;
    let libdir = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    if asked.status.success() && Path::new(&libdir).is_dir() {
        return Ok(());
    }
    println!("cargo::warning=the Rust target {target} is missing: asking rustup for it");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", target]);
    if let Some(toolchain) = env::var_os("RUSTUP_TOOLCHAIN") {
        rustup.arg("--toolchain").arg(toolchain);
    }
    match rustup.status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!(
            "the Rust target {target} is missing and could not be installed; type: rustup target add {target}"
        )
        .into()),
    }
}

fn build_group(root: &Path, out: &Path, group: &Group) -> Result<(), Box<dyn Error>> {
    ensure_target(group.target)?;
    let cargo = env::var_os("CARGO").ok_or("CARGO")?;
    // Its own folder: sharing the outer one waits for a lock that the outer cargo holds. It is
    // beside the outer `build`, so that `cargo run`, `test` and `doc`, whose OUT_DIRs differ, compile
    // the engines once.
    let target_dir = out.ancestors().nth(3).unwrap_or(out).join("engines");
    let mut flags = Vec::new();
    if !group.features.is_empty() {
        flags.push(format!("-Ctarget-feature={}", group.features));
    }
    // No path of this machine in the module: the same source gives the same bytes elsewhere.
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    for (from, to) in [(Some(root.to_path_buf()), "firstseen"), (cargo_home, "cargo")] {
        if let Some(from) = from {
            flags.push(format!("--remap-path-prefix={}=/{to}", from.display()));
        }
    }
    let mut build = Command::new(cargo);
    build.current_dir(root).args(["build", "--locked", "--profile", "guest"]);
    build.args(group.engines.iter().flat_map(|(package, _)| ["--package", package]));
    let status = build
        .args(["--target", group.target, "--target-dir"])
        .arg(&target_dir)
        // The outer build's flags and wrappers are not the guest's.
        .env_remove("RUSTFLAGS")
        .env_remove("CLIPPY_ARGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTDOCFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .status()?;
    if !status.success() {
        return Err("an engine did not build: its errors are above".into());
    }
    let built = target_dir.join(group.target).join("guest");
    for (package, name) in group.engines {
        let file = built.join(package.replace('-', "_")).with_extension("wasm");
        fs::copy(file, out.join(name).with_extension("wasm"))?;
    }
    Ok(())
}
