//! Tells the linker how large the stack in memory is: Redpanda gives a transform 2 MiB in all, of
//! which Rust would take half for it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-bins=-zstack-size=65536");
    }
}
