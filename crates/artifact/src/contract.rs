//! The imports and exports of every artifact, with their signatures: version 1 of the contract (docs/abi.md).
//!
//! In: a module's imports and exports. Out: what it lacks. It never runs the module.

use crate::module::ModuleInfo;

/// The functions that a guest exports, and how they are called.
pub const EXPORTS: [(&str, &str); 8] = [
    ("abi_version", "() -> i32"),
    ("alloc", "(i32) -> i32"),
    ("reset", "() -> ()"),
    ("configure", "(i32, i32) -> i64"),
    ("keys", "(i32, i32, i32, i32, i64) -> i64"),
    ("decide", "(i32, i32) -> i64"),
    ("evaluate", "(i32, i32, i64) -> i64"),
    ("explain", "(i32, i32) -> i64"),
];

/// The functions that a host gives, and how they are called.
pub const IMPORTS: [(&str, &str); 3] = [
    ("kv_get", "(i32, i32, i32, i32) -> i32"),
    ("kv_cas", "(i32, i32, i32, i32, i32, i32, i64, i32, i32) -> i32"),
    ("log", "(i32, i32, i32) -> ()"),
];

/// Why a module is not a guest of the contract whose imports are in this namespace; one message for
/// each fault.
#[must_use]
pub fn missing(module: &ModuleInfo, namespace: &str) -> Vec<String> {
    let forbid = |what: &String| format!("it has {what}, which no guest of the contract may have");
    let mut faults: Vec<String> = module.forbidden.iter().map(forbid).collect();
    for (name, signature) in EXPORTS {
        match module.exports.iter().find(|(export, _)| export == name) {
            None => faults.push(format!("it does not export `{name}`")),
            Some((_, found)) if found != signature => {
                faults.push(format!("its export `{name}` is {found} instead of {signature}"));
            }
            Some(_) => {}
        }
    }
    if !module.exports.iter().any(|(name, kind)| name == "memory" && kind == "memory") {
        faults.push("it does not export its memory".to_owned());
    }
    for (from, name, found) in &module.imports {
        match IMPORTS.iter().find(|(import, _)| from == namespace && import == name) {
            None => faults.push(format!("it imports `{from}.{name}`, which no host provides")),
            Some((_, signature)) if found != signature => {
                faults.push(format!("its import `{name}` is {found} instead of {signature}"));
            }
            Some(_) => {}
        }
    }
    faults
}
