//! The engines, as bytes: WebAssembly modules that a rule is embedded in.
//!
//! In: a target; the build script compiled the modules from `plugin/`. Out: the engine for it, or how
//! to get a binary that has it. Without the feature `targets` there is the core engine alone. It
//! never runs a module.

use firstseen_compiler::{EngineModule, RuleText, Target, compile};
use firstseen_rule::source::ReadOptions;
use std::sync::LazyLock;

/// The engine of the contract in docs/abi.md, as a module.
const CORE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/core.wasm"));

/// The flagship rule's source.
const FLAGSHIP: RuleText<'static> = RuleText {
    name: "plugin/rules/first_time_cloudformation_stack_creation.toml",
    text: include_str!("../../plugin/rules/first_time_cloudformation_stack_creation.toml"),
};

/// Whether this build holds the engines of all targets.
pub const HAS_TARGETS: bool = cfg!(feature = "targets");

/// An engine that this build was made without, by the option that asks for it. The text says how to
/// get one that has it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}: this build of firstseen has only the core engine; \
     `cargo install --path host --locked --features targets`, in its repository, installs one with \
     all of them"
)]
pub struct EngineMissing(String);

impl EngineMissing {
    /// The engine of a target.
    #[must_use]
    pub fn of(target: Target) -> Self {
        Self(format!("--target {}", target.name()))
    }
}

/// The engine of the contract in docs/abi.md.
#[must_use]
pub const fn core() -> EngineModule<'static> {
    EngineModule::core(CORE)
}

/// The flagship rule, embedded in the core engine. It is embedded at the first call, which takes
/// some milliseconds: a build script that does it would have to compile the compiler twice.
///
/// # Panics
/// Where the rule in this repository is at fault, with its faults: a test looks at it.
#[must_use]
pub fn flagship() -> &'static [u8] {
    static EMBEDDED: LazyLock<Vec<u8>> = LazyLock::new(|| {
        // A test of this repository looks at its warnings.
        let options = ReadOptions { skips_lint: true, ..ReadOptions::default() };
        match compile(&core(), &[FLAGSHIP], &options) {
            Ok(compiled) => compiled.wasm,
            Err(faults) => panic!("{}", faults.plain(&[FLAGSHIP])),
        }
    });
    &EMBEDDED
}

/// The engine that a rule is embedded in for a target; for JavaScript the core, as a package carries
/// the plan of a core artifact beside the engine of [`javascript`].
///
/// # Errors
/// [`EngineMissing`] where the feature `targets` is off, for all targets but the core.
pub fn engine(target: Target) -> Result<EngineModule<'static>, EngineMissing> {
    let wasm = match target {
        Target::Core => Some(CORE),
        Target::Js => javascript().map(|_| CORE),
        other => module(other.engine_name()),
    };
    wasm.map(|wasm| target.embed_in(wasm)).ok_or_else(|| EngineMissing::of(target))
}

/// The engine of the contract without SIMD, for engines that lack it. Its answers are those of [`core()`].
///
/// # Errors
/// [`EngineMissing`] where the feature `targets` is off.
pub fn plain_core() -> Result<EngineModule<'static>, EngineMissing> {
    let wasm = module("plain-core").ok_or_else(|| EngineMissing("--no-simd".to_owned()))?;
    Ok(EngineModule::core(wasm))
}

/// The engine of the package for JavaScript and the module that loads it; `None` where the feature
/// `targets` is off.
#[must_use]
pub fn javascript() -> Option<(&'static [u8], &'static str)> {
    module("js").zip(targets::JS_GLUE)
}

/// The module of that name.
fn module(name: &str) -> Option<&'static [u8]> {
    targets::MODULES.iter().find(|(known, _)| *known == name).map(|(_, wasm)| *wasm)
}

#[cfg(feature = "targets")]
mod targets {
    macro_rules! module {
        ($name:literal) => {
            ($name, include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm")))
        };
    }

    pub(crate) const MODULES: &[(&str, &[u8])] = &[
        module!("connect"),
        module!("extism"),
        module!("fluent-bit"),
        module!("js"),
        module!("plain-core"),
        module!("redpanda"),
        module!("wasi"),
    ];
    pub(crate) const JS_GLUE: Option<&str> = Some(include_str!(concat!(env!("OUT_DIR"), "/js.js")));
}

#[cfg(not(feature = "targets"))]
mod targets {
    pub(crate) const MODULES: &[(&str, &[u8])] = &[];
    pub(crate) const JS_GLUE: Option<&str> = None;
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_artifact::needs_simd;

    #[test]
    fn the_flagship_has_no_fault() {
        assert!(flagship().starts_with(b"\0asm") && flagship().len() > CORE.len());
    }

    #[test]
    fn every_target_has_its_engine_or_says_how_to_get_it() {
        for target in Target::ALL {
            let found = engine(target);
            assert_eq!(found.is_ok(), HAS_TARGETS || target == Target::Core, "{}", target.name());
            if let Ok(engine) = found {
                assert!(engine.wasm.starts_with(b"\0asm"), "{}", target.name());
            }
            let text = EngineMissing::of(target).to_string();
            assert!(text.starts_with(&format!("--target {}: ", target.name())), "{text}");
            assert!(text.contains("`cargo install --path host --locked --features targets`"));
        }
        assert_eq!(javascript().is_some(), HAS_TARGETS);
    }

    #[test]
    fn engines_need_simd_or_not_as_docs_say() {
        assert!(needs_simd(CORE));
        for (name, wasm) in targets::MODULES {
            let plain = ["fluent-bit", "plain-core", "redpanda", "wasi"].contains(name);
            assert_eq!(needs_simd(wasm), !plain, "{name}");
        }
        assert_eq!(plain_core().is_ok(), HAS_TARGETS);
        if let Err(missing) = plain_core() {
            assert!(missing.to_string().starts_with("--no-simd: this build"), "{missing}");
        }
    }
}
