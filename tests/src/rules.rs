//! The rules of `rules/` and the flagship, as native engines and as modules in wasmtime.

use firstseen_compiler::{RuleText, compile};
use firstseen_engines::flagship;
use firstseen_rule::source::{self, ReadOptions};
use firstseen_rule::{Engine, Plan, Settings};
use firstseen_runtime::{Artifact, Guest, Runtime};
use std::sync::OnceLock;

/// The flagship's source.
pub const FLAGSHIP_TOML: &str =
    include_str!("../../plugin/rules/first_time_cloudformation_stack_creation.toml");

macro_rules! rules {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../rules/", $name, ".toml")))),*]
    };
}

/// Rules that use features that the flagship does not use, by name.
pub const PACK: &[(&str, &str)] = rules![
    "arrays",
    "caseless",
    "date",
    "exceptions",
    "filters",
    "nested",
    "not",
    "numbers",
    "three_fields",
    "wildcard",
];

/// Settings for the pack that use every part.
pub const SETTINGS: &str = r#"{"tenant":"acme","learn_until":"2025-02-22T00:00:00Z",
    "exceptions":[{"name":"known robot","query":"user.name: ci\/* and source.ip: 10.0.0.0/8"}]}"#;

/// The artifacts, in wasmtime, loaded once per process.
pub struct Modules {
    runtime: Runtime,
    flagship: Artifact,
    pack: Artifact,
}

/// An artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The flagship in the binary, without settings.
    Flagship,
    /// All of `rules/` in one artifact, with [`SETTINGS`].
    Pack,
}

fn modules() -> &'static Modules {
    static MODULES: OnceLock<Modules> = OnceLock::new();
    MODULES.get_or_init(|| {
        let runtime = Runtime::new().expect("wasmtime runs");
        let sources: Vec<_> = PACK.iter().map(|(name, text)| RuleText { name, text }).collect();
        let compiled = compile(&firstseen_engines::core(), &sources, &ReadOptions::default());
        let pack = compiled.unwrap_or_else(|fault| panic!("{}", fault.plain(&sources))).wasm;
        let load = |name: &str, wasm: &[u8]| {
            Artifact::new(&runtime, name.to_owned(), wasm).expect("the artifact loads")
        };
        let (flagship, pack) = (load("flagship", flagship()), load("pack", &pack));
        Modules { runtime, flagship, pack }
    })
}

/// The plan of these sources.
///
/// # Panics
/// If a source is not a valid rule.
#[must_use]
pub fn plan(sources: &[&str]) -> Plan {
    let read = |text: &&str| source::read(text, &ReadOptions::default());
    let rule = |text| read(text).unwrap_or_else(|faults| panic!("{faults:?}\n{text}"));
    Plan { rules: sources.iter().map(|text| rule(text).plan).collect() }
}

impl Which {
    /// The native engine.
    ///
    /// # Panics
    /// If a rule or the settings are invalid.
    #[must_use]
    pub fn engine(self) -> Engine {
        match self {
            Self::Flagship => Engine::new(plan(&[FLAGSHIP_TOML]), Settings::default()),
            Self::Pack => {
                let texts: Vec<&str> = PACK.iter().map(|(_, text)| *text).collect();
                Engine::new(plan(&texts), Settings::read(SETTINGS).expect("settings"))
            }
        }
    }

    /// The module in wasmtime.
    ///
    /// # Panics
    /// If it cannot be instantiated.
    #[must_use]
    pub fn guest(self) -> Guest {
        let modules = modules();
        let (artifact, tenant, settings) = match self {
            Self::Flagship => (&modules.flagship, "default", None),
            Self::Pack => (&modules.pack, "acme", Some(SETTINGS.into())),
        };
        Guest::new(&modules.runtime, artifact, tenant, settings).expect("the module starts")
    }
}
