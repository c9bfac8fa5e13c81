//! The engines, as bytes: WebAssembly modules that a rule is embedded in.
//!
//! In: nothing; the build script compiled them from `plugin/`. Out: bytes. It never runs, reads or
//! changes a module. Without the feature `targets` there is the core engine alone.

/// The engine of the contract in docs/abi.md.
pub const CORE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/core.wasm"));

/// The flagship rule, embedded in the core engine.
pub const FLAGSHIP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/flagship.wasm"));

/// Whether this build holds the engines of all targets.
pub const HAS_TARGETS: bool = cfg!(feature = "targets");

/// An engine by its name: `core`, `connect`, `extism`, `fluent-bit`, `js`, `redpanda`, `wasi`.
/// `None` for other names, and for all but `core` where the feature `targets` is off.
#[must_use]
pub fn engine(name: &str) -> Option<&'static [u8]> {
    if name == "core" {
        return Some(CORE);
    }
    targets::ENGINES.iter().find(|(known, _)| *known == name).map(|(_, wasm)| *wasm)
}

/// The JavaScript module that loads the engine `js`; `None` where the feature `targets` is off.
#[must_use]
pub const fn js_glue() -> Option<&'static str> {
    targets::JS_GLUE
}

#[cfg(feature = "targets")]
mod targets {
    macro_rules! engine {
        ($name:literal) => {
            ($name, include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm")))
        };
    }

    pub(crate) const ENGINES: &[(&str, &[u8])] = &[
        engine!("connect"),
        engine!("extism"),
        engine!("fluent-bit"),
        engine!("js"),
        engine!("redpanda"),
        engine!("wasi"),
    ];
    pub(crate) const JS_GLUE: Option<&str> = Some(include_str!(concat!(env!("OUT_DIR"), "/js.js")));
}

#[cfg(not(feature = "targets"))]
mod targets {
    pub(crate) const ENGINES: &[(&str, &[u8])] = &[];
    pub(crate) const JS_GLUE: Option<&str> = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_is_a_module_and_only_the_core_is_always_there() {
        for name in ["connect", "extism", "fluent-bit", "js", "redpanda", "wasi"] {
            let found = engine(name).map(|wasm| wasm.starts_with(b"\0asm"));
            assert_eq!(found, HAS_TARGETS.then_some(true), "{name}");
        }
        assert_eq!(js_glue().is_some(), HAS_TARGETS);
        assert!(engine("core").is_some_and(|wasm| wasm.starts_with(b"\0asm")));
        assert!(FLAGSHIP.len() > CORE.len());
        assert_eq!(engine("other"), None);
    }
}
