//! What `run`, `learn` and `explain` begin with: rules, inputs, settings, the state, the output.
//!
//! In: the command line. Out: all of it opened, the output last, so that nothing is emptied by a command
//! that cannot begin. It reads no event.

mod output;
mod store;

use super::cache::tell_unkept;
use super::common::{Common, RuleTextArg};
use super::follow::Follow;
use super::paths;
use super::place::{StatePlace, is_at_server, place};
use super::rule_words::is_rule;
use super::run::SystemClock;
use super::teach;
use crate::files::{read_text, shown};
use crate::pipeline::Clock;
use crate::pipeline::learning::Learning;
use crate::rules::exceptions::Exceptions;
use crate::rules::find::RulePath;
use crate::rules::load::{LoadedRules, load_all};
use crate::rules::prefilter::too_many_literals;
use crate::rules::{self, KnownException};
use crate::source::{self, FoundInputs, Input, ReadLimits};
use crate::state::StateStore;
use crate::terminal::message;
use anyhow::{Context, anyhow, bail};
use firstseen_artifact::RuleMeta;
use firstseen_event::Trust;
use firstseen_rule::Settings;
use firstseen_runtime::{Artifact, Guest, Runtime};
pub(super) use output::open_output;
use output::refuse_to_empty;
use serde_json::{Map, Value};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use store::open_state;

/// What `run` and `explain` begin with.
pub struct Setup {
    /// The artifacts.
    pub artifacts: Vec<Artifact>,
    /// The exceptions that are inside them.
    pub own_exceptions: Vec<KnownException>,
    /// One guest for each.
    pub guests: Vec<Guest>,
    /// What makes more of them.
    pub more_guests: MoreGuests,
    /// The inputs.
    pub found: FoundInputs,
    /// The state.
    pub store: Box<dyn StateStore>,
    /// What the guests are configured with.
    pub exceptions: Exceptions,
    /// The settings, as the command line has them.
    pub settings: Settings,
    /// The envelopes that are trusted besides those that always are.
    pub trust: Arc<Trust>,
}

/// Makes guests as those of a setup were when it began.
pub struct MoreGuests {
    runtime: Runtime,
    tenant: String,
    settings: Option<Arc<str>>,
}

impl MoreGuests {
    /// One guest for each artifact.
    ///
    /// # Errors
    /// As [`Guest::new`].
    pub fn of(&self, artifacts: &[Artifact]) -> anyhow::Result<Vec<Guest>> {
        let Self { runtime, tenant, settings } = self;
        artifacts.iter().map(|one| Guest::new(runtime, one, tenant, settings.clone())).collect()
    }
}

/// What is read before the state is opened.
struct Loaded {
    artifacts: Vec<Artifact>,
    own_exceptions: Vec<KnownException>,
    guests: Vec<Guest>,
    more_guests: MoreGuests,
    exceptions: Exceptions,
    settings: Settings,
}

/// Loads rules, settings and exceptions, and starts a guest of each artifact with them.
fn load(common: &Common, rules: &[RulePath], is_stream: bool) -> anyhow::Result<Loaded> {
    let required = common.judge.signed.keys()?;
    let registries = common.judge.registry.access(&common.judge.cache);
    let runtime = common.judge.cache.runtime()?;
    let LoadedRules { mut artifacts, exceptions: own_exceptions } =
        load_all(&runtime, rules, &required, &registries)?;
    tell_unkept(&runtime);
    for sentence in too_many_literals(&artifacts) {
        message::warning(&sentence);
    }
    let (settings, text) = read_settings(common, &artifacts, is_stream)?;
    teach::forget_after(&mut artifacts, &settings)?;
    let ids = artifacts.iter().flat_map(|artifact| &artifact.meta.rules);
    let ids = ids.map(|rule| rule.id.clone()).collect();
    let exceptions =
        Exceptions::open(text.as_deref(), &common.judge.exceptions, ids, SystemClock.now_ms())?;
    let text: Option<Arc<str>> = exceptions.settings()?.map(Arc::from);
    let more_guests = MoreGuests { runtime, tenant: settings.tenant.clone(), settings: text };
    let guests = more_guests.of(&artifacts)?;
    Ok(Loaded { artifacts, own_exceptions, guests, more_guests, exceptions, settings })
}

/// Checks that a stream could be begun with the rules, settings and exceptions as they are now; opens no state.
///
/// # Errors
/// What cannot be loaded, by name.
#[cfg(feature = "http")]
pub(super) fn check(common: &Common) -> anyhow::Result<()> {
    load(common, &rules::find::find(&common.rules)?, true).map(drop)
}

/// Opens rules, inputs and the state. The output comes behind them, by `Setup::open_output`: what an
/// earlier run wrote there is emptied or mended only when this one can begin. `written` are the other options that name a file to write.
///
/// # Errors
/// The first of them that cannot be opened, by name; a file that would be two things at once.
pub fn set_up(
    common: &Common,
    read_only: bool,
    written: &[(&str, Option<&PathBuf>)],
) -> anyhow::Result<Setup> {
    let place = place(&common.state)?;
    refuse_rules(&common.inputs)?;
    let found = match &common.resume {
        Some(resume) if resume.follows => source::find_existing(&common.inputs)?,
        _ => find_inputs(&common.inputs)?,
    };
    let rules = rules::find::find(&common.rules)?;
    let mut outputs = vec![("--output", common.output.as_ref())];
    outputs.extend_from_slice(written);
    for (option, path) in &outputs {
        if let Some(path) = path {
            found.refuse_output(option, path)?;
            if common.resume.as_ref().is_some_and(|resume| resume.follows) {
                Follow::refuse_output(&common.inputs, option, path)?;
            }
        }
    }
    if !matches!(place, StatePlace::Server(_)) {
        outputs.insert(0, ("--state", Some(&common.state)));
    }
    let read = common.judge.settings.iter().chain(&common.judge.exceptions).map(PathBuf::as_path);
    let read: Vec<_> = rules.iter().map(RulePath::path).chain(read).collect();
    paths::refuse_collisions(&outputs, &read)?;
    let is_stream = found.inputs.iter().any(Input::is_stream);
    let loaded = load(common, &rules, is_stream)?;
    let Loaded { artifacts, own_exceptions, guests, more_guests, exceptions, settings } = loaded;
    let tenant = &settings.tenant;
    if !read_only {
        refuse_to_empty(common, place, None)?;
    }
    let store = open_state(common, place, read_only, is_stream, tenant, &artifacts)?;
    let trust = Arc::new(settings.trust.clone());
    Ok(Setup {
        artifacts,
        own_exceptions,
        guests,
        more_guests,
        found,
        store,
        exceptions,
        settings,
        trust,
    })
}

/// A rule among the inputs would be read as a log, and would not run.
fn refuse_rules(inputs: &[PathBuf]) -> anyhow::Result<()> {
    let Some(rule) = inputs.iter().find(|input| is_rule(input.as_os_str())) else { return Ok(()) };
    let rule = shown(rule);
    bail!(
        "{rule}: a rule among the inputs; rules stand together behind --rule, before the inputs: \
         --rule {rule}"
    )
}

fn find_inputs(args: &[PathBuf]) -> anyhow::Result<FoundInputs> {
    if args.is_empty() {
        if std::io::stdin().is_terminal() {
            bail!("no input: give files, folders, or - for standard input");
        }
        return source::find(&[PathBuf::from("-")]);
    }
    source::find(args)
}

/// The settings, of which the host needs the tenant, for the keys' prefix, and the trust; and the
/// document for the guests.
fn read_settings(
    common: &Common,
    artifacts: &[Artifact],
    is_stream: bool,
) -> anyhow::Result<(Settings, Option<String>)> {
    let mut text = None;
    if let Some(path) = &common.judge.settings {
        let written = read_text(path).with_context(|| "--settings".to_owned())?;
        // The guests read it too; here a fault has the file's name, not a rule's.
        let fault = |e: String| anyhow!("--settings {}: {e}", shown(path));
        rules::unique::check(&written).map_err(fault)?;
        Settings::read(&written).map_err(fault)?;
        text = Some(written);
    }
    let trusted = &common.judge.trust_envelopes;
    let teach = common.teach.settings().next().is_some() || common.rule_text.is_some();
    if common.learn_until.is_some() || !trusted.is_empty() || common.judge.any_index || teach {
        let document = text.as_deref().map(serde_json::from_str).transpose()?;
        let mut document: Map<String, Value> = document.unwrap_or_default();
        if let Some(time) = &common.learn_until {
            document.insert("learn_until".to_owned(), Value::String(time.clone()));
        }
        let rule_text = common.rule_text.map(RuleTextArg::setting);
        for (_, name, value) in common.teach.settings().chain(rule_text) {
            document.insert(name.to_owned(), value);
        }
        if common.judge.any_index {
            document.insert("any_index".to_owned(), Value::Bool(true));
        }
        if !trusted.is_empty() {
            Trust::read(trusted.iter().map(String::as_str))
                .map_err(|e| anyhow!("--trust-envelopes: {e}"))?;
            let all = document.entry("trust_envelopes").or_insert(Value::Null);
            let mut entries = all.as_array().cloned().unwrap_or_default();
            entries.extend(trusted.iter().map(|entry| Value::from(entry.as_str())));
            *all = Value::Array(entries);
        }
        text = Some(Value::Object(document).to_string());
    }
    let settings = text.as_deref().map(Settings::read).transpose().map_err(|e| anyhow!(e))?;
    let settings = settings.unwrap_or_default();
    teach::check(artifacts, &settings)?;
    teach::check_counts(artifacts, &settings, is_at_server(&common.state))?;
    teach::doubt(&settings);
    if is_stream {
        return teach::from_stream(artifacts, settings, text, SystemClock.now_ms());
    }
    Ok((settings, text))
}

/// From when to when the rules learned, as the state will say.
pub(super) fn start_of(artifacts: &[Artifact], settings: &Settings, learns: bool) -> Learning {
    let rule = |rule: &RuleMeta| {
        let prefix = format!("{}:{}", settings.tenant, rule.key_prefix);
        (prefix, teach::learn_for_ms(rule, settings), teach::learn_events(rule, settings).into())
    };
    let rules = artifacts.iter().map(|a| a.meta.rules.iter().map(rule).collect()).collect();
    Learning::new(rules, settings.future_slack_ms, learns)
}

/// How inputs are read.
#[must_use]
pub fn read_options(common: &Common, trust: &Arc<Trust>) -> ReadLimits {
    let trust = Arc::clone(trust);
    ReadLimits { max_event: common.judge.max_event, trust, ..ReadLimits::default() }
}
