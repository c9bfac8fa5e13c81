//! Exports the allocator of the module's libc, which Fluent Bit puts records into: without it,
//! records over 8 KB arrive as address 0.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family.contains("wasm")) {
        for name in ["malloc", "free"] {
            println!("cargo::rustc-link-arg-cdylib=--export={name}");
        }
    }
}
