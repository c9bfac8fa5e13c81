//! Opens the output of a run.
//!
//! In: the command line, the state. Out: an output that is emptied, mended or appended to, or why it is left as it is. It
//! writes no alert.

use super::Setup;
use crate::cli::common::Common;
use crate::cli::place::{StatePlace, state_name};
use crate::cli::{format, paths};
use crate::files::shown;
use crate::sink::{Format, KnownOutput, Output, UnknownLines};
use crate::source::Input;
use crate::state::{Redb, StateError, StateStore};
use crate::terminal::message;
use anyhow::{Context, bail};
use std::fs::File;
use std::os::fd::AsFd;

impl Setup {
    /// Opens the output of a run that can begin; `is_midway` where it goes on in the middle of a batch, `is_answered`
    /// where senders send again what the state does not know.
    ///
    /// # Errors
    /// An output that cannot be opened; in the middle of a batch, one that is not as the state knows it,
    /// which is left as it is.
    pub(in crate::cli) fn open_output(
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

/// A state does not give the alerts again that it knows: a file that holds some stays.
pub(super) fn refuse_to_empty(
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

pub(in crate::cli) fn open_output(
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
