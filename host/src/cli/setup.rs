//! What `run`, `learn` and `explain` begin with: rules, inputs, settings, the state, the output.
//!
//! In: the command line. Out: all of it opened, the output last, so that nothing is emptied by a command
//! that cannot begin. It reads no event.

use super::cache::tell_unkept;
use super::common::{Common, RuleTextArg, SharedStateArgs};
use super::follow::Follow;
use super::place::{self, StatePlace, is_at_server, place, state_name};
use super::rule_words::is_rule;
use super::run::SystemClock;
use super::state::audit::entry;
use super::teach;
use super::{format, paths};
use crate::escape::escaped;
use crate::files::{read_text, shown};
use crate::pipeline::Clock;
use crate::pipeline::learning::Learning;
use crate::rules::exceptions::Exceptions;
use crate::rules::find::RulePath;
use crate::rules::load::{LoadedRules, load_all};
use crate::rules::prefilter::too_many_literals;
use crate::rules::{self, KnownException};
use crate::sink::{Format, KnownOutput, Output, UnknownLines};
use crate::source::{self, FoundInputs, Input, ReadLimits};
use crate::state::admin::StateAdmin;
use crate::state::claim;
use crate::state::{CarryOver, Memory, Redb, StateError, StateStore};
use crate::terminal::message;
use anyhow::{Context, anyhow, bail};
use firstseen_artifact::RuleMeta;
use firstseen_event::Trust;
use firstseen_rule::Settings;
use firstseen_runtime::{Artifact, Guest, Runtime};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long files wait for a server that is away.
const FILES_WAIT: Duration = Duration::from_secs(30);

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
    let required = common.signed.keys()?;
    let registries = common.registry.access(&common.cache);
    let runtime = common.cache.runtime()?;
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
        Exceptions::open(text.as_deref(), &common.exceptions, ids, SystemClock.now_ms())?;
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
    let read = common.settings.iter().chain(&common.exceptions).map(PathBuf::as_path);
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

impl Setup {
    /// Opens the output of a run that can begin; `is_midway` where it goes on in the middle of a batch, `is_answered`
    /// where senders send again what the state does not know.
    ///
    /// # Errors
    /// An output that cannot be opened; in the middle of a batch, one that is not as the state knows it,
    /// which is left as it is.
    pub(super) fn open_output(
        &mut self,
        common: &Common,
        format: Format,
        (is_midway, is_answered): (bool, bool),
    ) -> anyhow::Result<Output> {
        let is_stream = !is_answered && self.found.inputs.iter().any(Input::is_stream);
        let mut output = open_output(common, format, &*self.store, (is_stream, is_midway))?;
        if self.store.is_durable() && !self.store.is_shared() {
            output = output.with_digest()?;
        }
        if let Some(mark) = output.mark() {
            // What a crash leaves behind it is known to no state.
            self.store.mark(mark);
            self.store.commit()?;
        }
        Ok(output)
    }
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
    if let Some(path) = &common.settings {
        let written = read_text(path).with_context(|| "--settings".to_owned())?;
        // The guests read it too; here a fault has the file's name, not a rule's.
        let fault = |e: String| anyhow!("--settings {}: {e}", shown(path));
        rules::unique::check(&written).map_err(fault)?;
        Settings::read(&written).map_err(fault)?;
        text = Some(written);
    }
    let trusted = &common.trust_envelopes;
    let teach = common.teach.settings().next().is_some() || common.rule_text.is_some();
    if common.learn_until.is_some() || !trusted.is_empty() || common.any_index || teach {
        let document = text.as_deref().map(serde_json::from_str).transpose()?;
        let mut document: Map<String, Value> = document.unwrap_or_default();
        if let Some(time) = &common.learn_until {
            document.insert("learn_until".to_owned(), Value::String(time.clone()));
        }
        let rule_text = common.rule_text.map(RuleTextArg::setting);
        for (_, name, value) in common.teach.settings().chain(rule_text) {
            document.insert(name.to_owned(), value);
        }
        if common.any_index {
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

/// A state does not give the alerts again that it knows: a file that holds some stays.
fn refuse_to_empty(
    common: &Common,
    place: StatePlace<'_>,
    opened: Option<&dyn StateStore>,
) -> anyhow::Result<()> {
    let Some(output) = &common.output else { return Ok(()) };
    let holds_some = output.metadata().is_ok_and(|meta| meta.is_file() && meta.len() > 0);
    if common.append || !holds_some {
        return Ok(());
    }
    let is_empty = match (opened, place) {
        (Some(store), _) => store.is_empty()?,
        (None, StatePlace::File(path)) => match Redb::open_read_only(path) {
            Ok(state) => state.count()? == 0,
            Err(StateError::Absent { .. }) => true,
            Err(StateError::NeedsRepair { .. }) => false,
            Err(error) => return Err(error.into()),
        },
        // Nothing is kept, or it is looked at once it is open.
        (None, StatePlace::Memory | StatePlace::Server(_)) => true,
    };
    if is_empty {
        return Ok(());
    }
    let (output, state) = (shown(output), state_name(&common.state));
    bail!(
        "{output}: it may hold alerts that the state {state} knows and does not give again; nothing \
         was written: give --append to write behind them, or another --output"
    )
}

pub(super) fn open_output(
    common: &Common,
    format: Format,
    store: &dyn StateStore,
    (is_stream, is_midway): (bool, bool),
) -> anyhow::Result<Output> {
    let Some(path) = &common.output else {
        let file = std::io::stdout().as_fd().try_clone_to_owned().ok().map(File::from);
        return Ok(Output::standard(format::stdout(format), file, format));
    };
    if !common.append {
        return Ok(Output::file(path, format)?);
    }
    let mark = store.marked(&paths::whole(path).to_string_lossy())?;
    let look = |mark| KnownOutput::look(path, mark);
    let known = mark.as_ref().map(look).transpose();
    let known = known.with_context(|| format!("--output {}", shown(path)))?;
    if is_midway && let Some(how) = known.as_ref().and_then(|known| known.differs.as_ref()) {
        bail!(
            "--output {}, in the middle of a batch: {how}; restore it, or give --restart-batch to go on \
             without them",
            shown(path)
        );
    }
    // What is read again gives them again; a stream may never be.
    let unknown = match &common.resume {
        Some(resume) if !resume.restart && !is_stream => UnknownLines::Cut,
        None if is_stream => UnknownLines::Keep,
        _ => UnknownLines::Move,
    };
    let output = Output::append(path, format, known, unknown)?;
    if let Some(sentence) = output.mended() {
        message::warning(sentence);
    }
    Ok(output)
}

/// Opens a file, and waits while another process uses it for as long as was asked for.
fn open_file(common: &Common, path: &Path, read_only: bool) -> Result<Redb, StateError> {
    const AGAIN: Duration = Duration::from_millis(100);
    let wait = common.shared.state_wait.map(|ms| Duration::from_millis(ms.unsigned_abs()));
    let began = Instant::now();
    let mut is_told = false;
    loop {
        let store = if read_only { Redb::open_read_only(path) } else { Redb::open(path) };
        let waits = wait.is_some_and(|wait| began.elapsed() < wait) && !common.stop.is_set();
        match store {
            Err(StateError::Locked { .. }) if waits => {}
            store => return store,
        }
        if !is_told {
            let state = state_name(&common.state);
            message::info(&format!("state {state}: another process uses it, waiting for its end"));
            is_told = true;
        }
        std::thread::sleep(AGAIN);
    }
}

/// Opens the state; what a changed rule has to know of it is said at once.
fn open_state(
    common: &Common,
    place: StatePlace<'_>,
    read_only: bool,
    is_stream: bool,
    tenant: &str,
    artifacts: &[Artifact],
) -> anyhow::Result<Box<dyn StateStore>> {
    match place {
        StatePlace::Memory => Ok(Box::new(Memory::default())),
        StatePlace::File(path) => {
            if !read_only && path.metadata().is_ok_and(|meta| meta.is_file() && meta.len() == 0) {
                message::warning(&format!(
                    "state {}: the file is empty, and a new state begins in it; if it held terms, restore a copy",
                    state_name(&common.state)
                ));
            }
            let store = open_file(common, path, read_only);
            with_history(store?, common, read_only, tenant, artifacts)
        }
        StatePlace::Server(address) => {
            let SharedStateArgs { state_wait, allow_weak_state } = common.shared;
            let wait = state_wait.map(|ms| Duration::from_millis(ms.unsigned_abs()));
            let wait = wait.or((!is_stream).then_some(FILES_WAIT));
            let options = place::of_run(tenant, allow_weak_state, wait, &common.stop);
            let store = place::open_server(address, read_only, options)?;
            if !read_only {
                refuse_to_empty(common, place, Some(&store))?;
            }
            with_history(store, common, read_only, tenant, artifacts)
        }
    }
}

/// A state with what its rules were before.
fn with_history(
    mut store: impl StateStore + StateAdmin + 'static,
    common: &Common,
    read_only: bool,
    tenant: &str,
    artifacts: &[Artifact],
) -> anyhow::Result<Box<dyn StateStore>> {
    let owned = || {
        let rules =
            artifacts.iter().map(|artifact| (&artifact.meta.rules, artifact.digest.as_str()));
        rules.flat_map(|(rules, digest)| rules.iter().map(move |rule| (rule, digest)))
    };
    let changes = claim(&store.owners()?, tenant, owned(), common.take_over)?;
    if !read_only && !changes.owners.is_empty() {
        store.edit(&mut |edit| {
            for owner in &changes.owners {
                edit.own(owner)?;
            }
            for sentence in &changes.told {
                edit.log(&entry("take-over", 0, sentence.clone(), None))?;
            }
            Ok(())
        })?;
        if store.is_shared() {
            // Another process may have been quicker: the first one owns it.
            claim(&store.owners()?, tenant, owned(), common.take_over)?;
        }
    }
    let rules = artifacts.iter().flat_map(|artifact| &artifact.meta.rules);
    let (store, told) = CarryOver::open(store, tenant, rules, read_only)?;
    for sentence in changes.told.into_iter().chain(told) {
        message::warning(&format!("state {}: {}", state_name(&common.state), escaped(&sentence)));
    }
    Ok(Box::new(store))
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
    ReadLimits { max_event: common.max_event, trust, ..ReadLimits::default() }
}
