//! Builds the guest for WebAssembly and the flagship rule with it; the binary embeds both.
//!
//! In: the workspace. Out, in OUT_DIR: `engine.wasm` and `flagship.wasm`. It installs nothing but
//! the toolchain's own WebAssembly target, and only when that is missing.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "src/compile.rs"]
#[allow(dead_code, unreachable_pub)]
mod compile;

const TARGET: &str = "wasm32-unknown-unknown";
const FLAGSHIP: &str = "plugin/rules/first_time_cloudformation_stack_creation.toml";

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR")?);
    let root = manifest.parent().ok_or("the host's folder has no parent")?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR")?);
    for path in [
        "Cargo.toml",
        "Cargo.lock",
        "rust-toolchain.toml",
        "plugin",
        "crates/abi",
        "crates/event",
        "crates/kql",
        "crates/rule",
        "crates/artifact",
        "host/build.rs",
        "host/src/compile.rs",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    ensure_target()?;
    let engine = build_guest(root, &out)?;
    fs::write(out.join("engine.wasm"), &engine)?;
    let text = fs::read_to_string(root.join(FLAGSHIP))?;
    let source = compile::Source { name: FLAGSHIP, text: &text };
    let options = firstseen_rule::source::ReadOptions::default();
    let flagship = compile::compile(&engine, &[source], &options)
        .map_err(|error| format!("\n{}", error.plain(&[source])))?;
    fs::write(out.join("flagship.wasm"), flagship.wasm)?;
    Ok(())
}

/// rustup adds the targets of rust-toolchain.toml by itself, except under RUSTUP_AUTO_INSTALL=0.
fn ensure_target() -> Result<(), Box<dyn Error>> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked =
        Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output()?;
    let libdir = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    if asked.status.success() && Path::new(&libdir).is_dir() {
        return Ok(());
    }
    println!("cargo::warning=the Rust target {TARGET} is missing: asking rustup for it");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]);
    if let Some(toolchain) = env::var_os("RUSTUP_TOOLCHAIN") {
        rustup.arg("--toolchain").arg(toolchain);
    }
    match rustup.status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!(
            "the Rust target {TARGET} is missing and could not be installed; type: rustup target add {TARGET}"
        )
        .into()),
    }
}

fn build_guest(root: &Path, out: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let cargo = env::var_os("CARGO").ok_or("CARGO")?;
    // Its own folder: sharing the outer one waits for a lock that the outer cargo holds.
    let target_dir = out.join("guest");
    let mut flags = vec!["-Ctarget-feature=+simd128".to_owned()];
    // No path of this machine in the module: the same source gives the same bytes elsewhere.
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    for (from, to) in [(Some(root.to_path_buf()), "firstseen"), (cargo_home, "cargo")] {
        if let Some(from) = from {
            flags.push(format!("--remap-path-prefix={}=/{to}", from.display()));
        }
    }
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["build", "--locked", "--profile", "guest", "--package", "firstseen-plugin"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&target_dir)
        // The outer build's flags and wrappers are not the guest's.
        .env_remove("RUSTFLAGS")
        .env_remove("CLIPPY_ARGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTDOCFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .status()?;
    if !status.success() {
        return Err("the guest did not build (its errors stand above)".into());
    }
    Ok(fs::read(target_dir.join(TARGET).join("guest").join("firstseen_plugin.wasm"))?)
}
