//! What a rule is built for: the contract of docs/abi.md, or a pipeline with an interface of its own.
//!
//! In: a target's name and the options that were given. Out: the engine for it, or which option it
//! does not take. Crate engines holds the engines; plugin/targets says what they do.

use clap::ValueEnum;
use firstseen_artifact::Meta;
use firstseen_compiler::Engine;
use firstseen_target_support::{Options, Records};

/// What a rule is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Target {
    /// Any host of the contract: docs/abi.md, and this program
    #[default]
    Core,
    /// Fluent Bit's filter `wasm`
    FluentBit,
    /// Redpanda Connect's processor `wasm`
    RedpandaConnect,
    /// Bento's processor `wasm`
    Bento,
    /// Redpanda's data transforms
    Redpanda,
    /// A program for any WASI runtime
    Wasi,
    /// A package for Node, Deno, Bun, Workers and browsers
    Js,
    /// Extism's hosts
    Extism,
}

/// What can be chosen for a target; what was not given stays as it is by default.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// `--records`.
    pub records: Option<Records>,
    /// `--state`.
    pub state: Option<String>,
    /// `--state-limit`, in bytes.
    pub state_limit: Option<usize>,
    /// `--settings`: the text of the file.
    pub settings: Option<String>,
}

impl Target {
    /// The name that the command line knows it by.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The engine that a rule is embedded in for this target. A package for JavaScript carries the
    /// plan of a core artifact, so its engine is the core.
    ///
    /// # Errors
    /// How to get a binary with the engine, where this one was built without it.
    pub fn engine(self) -> Result<Engine<'static>, String> {
        let target = match self {
            Self::Core => "",
            Self::FluentBit => "fluent-bit",
            Self::RedpandaConnect => "redpanda-connect",
            Self::Bento => "bento",
            Self::Redpanda => "redpanda",
            Self::Wasi => "wasi",
            Self::Extism => "extism",
            Self::Js => {
                return firstseen_engines::js_glue()
                    .map(|_| Engine::core(firstseen_engines::CORE))
                    .ok_or_else(|| self.missing());
            }
        };
        let name = match self {
            Self::Core => "core",
            Self::RedpandaConnect | Self::Bento => "connect",
            _ => target,
        };
        let renamed = match self {
            Self::Bento => Some(("benthos_wasm", "bento_wasm")),
            _ => None,
        };
        let wasm = firstseen_engines::engine(name).ok_or_else(|| self.missing())?;
        Ok(Engine { wasm, target, renamed, options: &[] })
    }

    fn missing(self) -> String {
        format!(
            "--target {}: this firstseen was built without the engines of other targets than core; \
             in its repository, `cargo install --path host --locked --features targets` builds one \
             that has them",
            self.name()
        )
    }

    /// What the name of its artifact ends in.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Core => "wasm",
            Self::FluentBit => "fluent-bit.wasm",
            Self::RedpandaConnect => "redpanda-connect.wasm",
            Self::Bento => "bento.wasm",
            Self::Redpanda => "redpanda.wasm",
            Self::Wasi => "wasi.wasm",
            Self::Js => "npm",
            Self::Extism => "extism.wasm",
        }
    }

    /// The target of an artifact, by what its metadata says.
    #[must_use]
    pub fn of(meta: &Meta) -> Option<Self> {
        match meta.target.as_str() {
            "" => Some(Self::Core),
            name => Self::from_str(name, false).ok(),
        }
    }

    /// The options of these choices.
    ///
    /// # Errors
    /// The option that this target does not take, and who does; or what is wrong with the settings.
    pub fn options(self, choices: &Choices) -> Result<Options, String> {
        let given = [
            ("--records", choices.records.is_some()),
            ("--state", choices.state.is_some()),
            ("--state-limit", choices.state_limit.is_some()),
            ("--settings", choices.settings.is_some()),
        ];
        let taken = self.takes();
        if let Some((name, _)) = given.iter().find(|(name, given)| *given && !taken.contains(name))
        {
            let who: Vec<String> = Self::value_variants()
                .iter()
                .filter(|target| target.takes().contains(name))
                .map(|target| target.name())
                .collect();
            let (me, who) = (self.name(), who.join(", "));
            return Err(format!("{name}: --target {me} does not take it; these do: {who}"));
        }
        let mut options = self.defaults();
        if let Some(records) = choices.records {
            options.records = records;
        }
        options.state.clone_from(&choices.state);
        if let Some(limit) = choices.state_limit {
            options.state_limit = limit;
        }
        match &choices.settings {
            None => Ok(options),
            Some(json) => options.with_settings(json).map_err(|e| format!("--settings: {e}")),
        }
    }

    /// The options where nothing was chosen.
    fn defaults(self) -> Options {
        let mut options = Options::default();
        if self == Self::Redpanda {
            // The broker gives a transform 2 MiB in all.
            options.state_limit = 448 << 10;
        }
        options
    }

    /// The options that it takes. A host of the contract gives settings itself, through `configure`.
    const fn takes(self) -> &'static [&'static str] {
        match self {
            Self::Core => &[],
            Self::Js => &["--settings"],
            Self::FluentBit => &["--records", "--state", "--state-limit", "--settings"],
            Self::RedpandaConnect | Self::Bento => &["--settings"],
            Self::Redpanda => &["--state-limit", "--settings"],
            Self::Wasi => &["--state-limit", "--settings"],
            Self::Extism => &["--state-limit", "--settings"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_taken_or_refused_and_never_ignored() {
        let records = Choices { records: Some(Records::Alerts), ..Choices::default() };
        assert_eq!(Target::FluentBit.options(&records).map(|o| o.records), Ok(Records::Alerts));
        let error = Target::Core.options(&records).unwrap_err();
        assert!(error.contains("--records") && error.contains("fluent-bit"), "{error}");
        let settings = Choices { settings: Some("{".to_owned()), ..Choices::default() };
        assert!(Target::Wasi.options(&settings).unwrap_err().starts_with("--settings: "));
        for target in Target::value_variants() {
            assert_eq!(target.options(&Choices::default()), Ok(target.defaults()));
        }
    }

    #[test]
    fn an_engine_that_was_left_out_says_how_to_get_it() {
        assert!(Target::Core.engine().is_ok());
        for target in Target::value_variants().iter().filter(|target| **target != Target::Core) {
            match target.engine() {
                Ok(_) => assert!(firstseen_engines::HAS_TARGETS, "{}", target.name()),
                Err(error) => {
                    assert!(!firstseen_engines::HAS_TARGETS, "{error}");
                    assert!(error.starts_with(&format!("--target {}: ", target.name())), "{error}");
                }
            }
            assert!(
                target.missing().contains("cargo install --path host --locked --features targets")
            );
        }
    }
}
