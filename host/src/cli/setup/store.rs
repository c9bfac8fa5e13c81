//! Opens the state of a run.
//!
//! In: the command line, the rules. Out: the store, with what its rules were before; what a changed rule has to know of
//! it is said. It reads no term.

use super::output::refuse_to_empty;
use crate::cli::common::{Common, SharedStateArgs};
use crate::cli::place::{self, StatePlace, state_name};
use crate::cli::state::audit::entry;
use crate::escape::escaped;
use crate::state::admin::StateAdmin;
use crate::state::{CarryOver, Memory, Redb, StateError, StateStore, claim};
use crate::terminal::message;
use firstseen_runtime::Artifact;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long files wait for a server that is away.
const FILES_WAIT: Duration = Duration::from_secs(30);

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
pub(super) fn open_state(
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
