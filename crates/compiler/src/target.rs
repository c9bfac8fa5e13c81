//! What a rule can be built for: the contract of docs/abi.md, or a pipeline with an interface of its own.
//!
//! In: a target's name, the options that were chosen. Out: which engine it needs, and the options as
//! the engine reads them, or the option that it does not take. It holds no engine: crate engines does.

use crate::compile::EngineModule;
use firstseen_artifact::Meta;
use firstseen_target_support::{Options, Records};

/// What a rule is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Target {
    /// Any host of the contract: docs/abi.md, and this program.
    #[default]
    Core,
    /// Fluent Bit's filter `wasm`.
    FluentBit,
    /// Redpanda Connect's processor `wasm`.
    RedpandaConnect,
    /// Bento's processor `wasm`.
    Bento,
    /// Redpanda's data transforms.
    Redpanda,
    /// A program for any WASI runtime.
    Wasi,
    /// A package for Node, Deno, Bun, Workers and browsers.
    Js,
    /// Extism's hosts.
    Extism,
}

/// What can be chosen for a target; what was not given stays as it is by default.
#[derive(Debug, Clone, Default)]
pub struct TargetChoices {
    /// `--records`.
    pub records: Option<Records>,
    /// `--state`.
    pub state: Option<String>,
    /// `--state-limit`, in bytes.
    pub state_limit: Option<usize>,
    /// `--outbox-time`, in milliseconds.
    pub outbox_time: Option<u64>,
    /// `--settings`: the text of the file.
    pub settings: Option<String>,
    /// Options of which the settings say the same: `--any-index`.
    pub beside: Vec<&'static str>,
}

/// Options that need the start of learning to be kept.
const STARTS: [&str; 3] = ["--learn-for", "--learn-events", "--learn-by"];
/// Options of which a rule's file says the same.
const IN_RULES: [&str; 4] = ["--learn-for", "--learn-events", "--learn-by", "--forget-after"];
/// The option that options beside it stand for.
const SETTINGS: &str = "--settings";

impl Target {
    /// All of them, in the order of the help.
    pub const ALL: [Self; 8] = [
        Self::Core,
        Self::FluentBit,
        Self::RedpandaConnect,
        Self::Bento,
        Self::Redpanda,
        Self::Wasi,
        Self::Js,
        Self::Extism,
    ];

    /// The name on the command line and in an artifact's metadata.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::FluentBit => "fluent-bit",
            Self::RedpandaConnect => "redpanda-connect",
            Self::Bento => "bento",
            Self::Redpanda => "redpanda",
            Self::Wasi => "wasi",
            Self::Js => "js",
            Self::Extism => "extism",
        }
    }

    /// What it is, in a line of the help.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Core => "Any host of the contract: docs/abi.md, and this program",
            Self::FluentBit => "Fluent Bit's filter `wasm`",
            Self::RedpandaConnect => "Redpanda Connect's processor `wasm`",
            Self::Bento => "Bento's processor `wasm`",
            Self::Redpanda => "Redpanda's data transforms",
            Self::Wasi => "A program for any WASI runtime",
            Self::Js => "A package for Node, Deno, Bun, Workers and browsers",
            Self::Extism => "Extism's hosts",
        }
    }

    /// The target of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// The name of its engine. Redpanda Connect and Bento share one.
    #[must_use]
    pub const fn engine_name(self) -> &'static str {
        match self {
            Self::RedpandaConnect | Self::Bento => "connect",
            other => other.name(),
        }
    }

    /// Its engine, ready for a rule. A package for JavaScript carries the plan of a core artifact, so
    /// its artifact is that of the core.
    #[must_use]
    pub const fn embed_in(self, wasm: &[u8]) -> EngineModule<'_> {
        let target = match self {
            Self::Core | Self::Js => "",
            other => other.name(),
        };
        let renamed = match self {
            Self::Bento => Some(("benthos_wasm", "bento_wasm")),
            _ => None,
        };
        EngineModule { wasm, target, renamed, options: &[] }
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
            name => Self::from_name(name),
        }
    }

    /// The options of these choices.
    ///
    /// # Errors
    /// The option that this target does not take, and who does; or what is wrong with the settings.
    pub fn options(self, choices: &TargetChoices) -> Result<Options, String> {
        let given = [
            ("--records", choices.records.is_some()),
            ("--state", choices.state.is_some()),
            ("--state-limit", choices.state_limit.is_some()),
            ("--outbox-time", choices.outbox_time.is_some()),
            (SETTINGS, choices.beside.is_empty() && choices.settings.is_some()),
        ];
        // Who takes settings takes what stands for one.
        let given = given.into_iter().filter(|(_, given)| *given).map(|(name, _)| (name, name));
        let mut given = given.chain(choices.beside.iter().map(|name| (*name, SETTINGS)));
        if let Some((name, like)) = given.find(|(_, like)| !self.takes().contains(like)) {
            let who: Vec<&str> = Self::ALL
                .into_iter()
                .filter(|target| target.takes().contains(&like))
                .filter(|target| target.keeps_starts() || !STARTS.contains(&name))
                .map(|target| target.name())
                .collect();
            let (me, who) = (self.name(), who.join(", "));
            let other = match (self, like) {
                (Self::Core, SETTINGS) if IN_RULES.contains(&name) => {
                    "; of an artifact for core whoever runs it says it, or the rule's file"
                }
                (Self::Core, SETTINGS) => "; of an artifact for core whoever runs it says it",
                _ => "",
            };
            return Err(format!("{name}: --target {me} does not take it; these do: {who}{other}"));
        }
        let mut options = self.defaults();
        if let Some(records) = choices.records {
            options.records = records;
        }
        options.state.clone_from(&choices.state);
        if let Some(limit) = choices.state_limit {
            options.state_limit = limit;
        }
        if let Some(time) = choices.outbox_time {
            options.outbox_time = time;
        }
        match &choices.settings {
            None => Ok(options),
            Some(json) => options.with_settings(json).map_err(|e| format!("--settings: {e}")),
        }
    }

    /// Whether a rule can keep when it began to learn: some look up one key at a time.
    #[must_use]
    pub const fn keeps_starts(self) -> bool {
        !matches!(self, Self::RedpandaConnect | Self::Bento)
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
            Self::Js | Self::RedpandaConnect | Self::Bento => &[SETTINGS],
            Self::FluentBit => {
                &["--records", "--state", "--state-limit", "--outbox-time", SETTINGS]
            }
            Self::Redpanda | Self::Wasi | Self::Extism => &["--state-limit", SETTINGS],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_taken_or_refused_and_never_ignored() {
        let records = TargetChoices { records: Some(Records::Alerts), ..TargetChoices::default() };
        assert_eq!(Target::FluentBit.options(&records).map(|o| o.records), Ok(Records::Alerts));
        let error = Target::Core.options(&records).unwrap_err();
        assert!(error.contains("--records") && error.contains("fluent-bit"), "{error}");
        let settings = TargetChoices { settings: Some("{".to_owned()), ..TargetChoices::default() };
        assert!(Target::Wasi.options(&settings).unwrap_err().starts_with("--settings: "));
        let any = TargetChoices {
            settings: Some(r#"{"any_index":true}"#.to_owned()),
            beside: vec!["--any-index"],
            ..TargetChoices::default()
        };
        for target in Target::ALL.into_iter().filter(|target| *target != Target::Core) {
            assert!(target.options(&any).unwrap().settings().unwrap().any_index);
        }
        assert!(Target::Core.options(&any).unwrap_err().starts_with("--any-index: "));
        let learns = TargetChoices {
            settings: Some(r#"{"learn_for":"10d"}"#.to_owned()),
            beside: vec!["--learn-for"],
            ..TargetChoices::default()
        };
        let error = Target::Core.options(&learns).unwrap_err();
        assert!(error.starts_with("--learn-for: ") && error.contains("the rule's file"), "{error}");
        assert!(error.contains("wasi") && !error.contains("bento"), "{error}");
        assert!(Target::Redpanda.options(&learns).is_ok());
        for target in Target::ALL {
            assert_eq!(target.options(&TargetChoices::default()), Ok(target.defaults()));
        }
    }

    #[test]
    fn a_target_is_found_by_its_name_and_by_what_its_artifact_says() {
        for target in Target::ALL {
            assert_eq!(Target::from_name(target.name()), Some(target));
            let engine = target.embed_in(b"");
            assert!(engine.target.is_empty() || engine.target == target.name());
        }
        assert_eq!(Target::from_name("none"), None);
    }
}
