//! What a rule is built for: the contract of docs/abi.md, or a pipeline with an interface of its own.
//!
//! In: a target's name and the options that were given. Out: the engine for it, or which option it
//! does not take. The engines are inside this binary; what they do stands in plugin/skins.

use crate::compile::Engine;
use clap::ValueEnum;
use firstseen_artifact::Meta;
use firstseen_skin::{Options, Records};

macro_rules! engine {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm"))
    };
}

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

    /// The engine, if it is one that a rule is laid into.
    #[must_use]
    pub const fn engine(self) -> Option<Engine<'static>> {
        let (wasm, target): (&[u8], _) = match self {
            Self::Core => return Some(crate::engines::ENGINE),
            Self::FluentBit => (engine!("fluent-bit"), "fluent-bit"),
            Self::RedpandaConnect => (engine!("connect"), "redpanda-connect"),
            Self::Bento => (engine!("connect"), "bento"),
            Self::Redpanda => (engine!("redpanda"), "redpanda"),
            Self::Wasi => (engine!("wasi"), "wasi"),
            Self::Extism => (engine!("extism"), "extism"),
            Self::Js => return None,
        };
        let renamed = match self {
            Self::Bento => Some(("benthos_wasm", "bento_wasm")),
            _ => None,
        };
        Some(Engine { wasm, target, renamed, options: &[] })
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
}
