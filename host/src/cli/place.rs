//! Where a state is: in memory, in a file, or at a server that several processes share.
//!
//! In: what the command line names. Out: the state, opened; names for messages, in which no password is. An
//! address is kept as it was given, and shown by `state_name` alone.

use crate::files::shown;
use crate::state::shared::{AddressKind, SharedOptions, WeakServer, address_kind, address_name};
use anyhow::bail;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The variable that may hold the password of a server.
pub(super) const PASSWORD: &str = "FIRSTSEEN_STATE_PASSWORD";

/// Where a state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatePlace<'p> {
    /// In memory, for one run.
    Memory,
    /// In a file.
    File(&'p Path),
    /// At a server; with the address, which may hold a password.
    Server(&'p str),
}

/// Whether this state ends with the run.
pub(super) fn in_memory(path: &Path) -> bool {
    path.as_os_str() == "memory:"
}

/// Where this state is.
///
/// # Errors
/// An address of something that holds no state.
pub(super) fn place(path: &Path) -> anyhow::Result<StatePlace<'_>> {
    if in_memory(path) {
        return Ok(StatePlace::Memory);
    }
    let Some(text) = path.to_str() else { return Ok(StatePlace::File(path)) };
    match address_kind(text) {
        AddressKind::File => Ok(StatePlace::File(path)),
        AddressKind::Server => Ok(StatePlace::Server(text)),
        AddressKind::OtherForm => bail!(
            "{}: no such form of an address; give redis://HOST:PORT/DATABASE, redis+unix:///PATH, \
             redis+cluster://HOST:PORT,HOST:PORT or redis+sentinel://HOST:PORT/MASTER/DATABASE, and \
             rediss for redis with TLS",
            address_name(text)
        ),
        AddressKind::Unknown => bail!(
            "{}: no state can be kept there; give a file, memory:, or redis://HOST:PORT/DATABASE",
            address_name(text)
        ),
    }
}

/// Whether the state is at a server.
pub(super) fn is_at_server(path: &Path) -> bool {
    matches!(place(path), Ok(StatePlace::Server(_)))
}

/// The name of a state for messages.
pub(super) fn state_name(path: &Path) -> String {
    match path.to_str() {
        Some(text) if address_kind(text) != AddressKind::File => address_name(text),
        _ => shown(path),
    }
}

/// Whether somebody asked a run to end, for what waits inside a store.
#[derive(Debug, Clone, Default)]
pub struct StopMarks {
    /// The signal that was received, or 0.
    pub signal: Arc<AtomicUsize>,
    /// Whether nobody reads the output any more.
    pub closed: Arc<AtomicBool>,
}

impl StopMarks {
    /// Whether it is to end.
    pub(super) fn is_set(&self) -> bool {
        self.signal.load(Ordering::SeqCst) != 0 || self.closed.load(Ordering::SeqCst)
    }
}

/// The password of the environment, where there is one.
fn password() -> Option<String> {
    std::env::var(PASSWORD).ok().filter(|password| !password.is_empty())
}

/// What a shared state of a run is opened with.
pub(super) fn of_run(
    tenant: &str,
    allow_weak: bool,
    wait: Option<std::time::Duration>,
    stop: &StopMarks,
) -> SharedOptions {
    let stop = stop.clone();
    SharedOptions {
        tenant: Some(tenant.to_owned()),
        weak: if allow_weak { WeakServer::Take } else { WeakServer::Refuse },
        wait,
        is_stopped: Box::new(move || stop.is_set()),
        ..of_command()
    }
}

/// What a shared state of a command is opened with: a person looks at it, and is told what is weak.
pub(super) fn of_command() -> SharedOptions {
    SharedOptions {
        tenant: None,
        password: password(),
        weak: WeakServer::Name,
        wait: Some(std::time::Duration::ZERO),
        is_stopped: Box::new(|| false),
        tell: Box::new(|text| crate::terminal::message::warning(&format!("state {text}"))),
        now_ms: || crate::pipeline::Clock::now_ms(&super::run::SystemClock),
        instant: std::time::Instant::now,
    }
}

/// A store at a server.
#[cfg(feature = "redis")]
pub(super) use crate::state::RedisState as ServerState;

/// Opens a state at a server.
///
/// # Errors
/// See [`crate::state::RedisState::open`].
#[cfg(feature = "redis")]
pub(super) fn open_server(
    address: &str,
    read_only: bool,
    options: SharedOptions,
) -> anyhow::Result<ServerState> {
    Ok(ServerState::open(address, read_only, options)?)
}

/// Whether the state at this address takes terms under this prefix; no server is asked.
///
/// # Errors
/// An address that is none, and another tenant's prefix.
#[cfg(feature = "redis")]
pub(super) fn takes(address: &str, prefix: &str) -> anyhow::Result<()> {
    Ok(ServerState::takes(address, format!("{prefix}00").as_bytes(), &of_command())?)
}

/// Opening it says that there is none.
#[cfg(not(feature = "redis"))]
pub(super) fn takes(_address: &str, _prefix: &str) -> anyhow::Result<()> {
    Ok(())
}

/// What stands for it where the binary has none.
#[cfg(not(feature = "redis"))]
pub(super) use crate::state::Redb as ServerState;

#[cfg(not(feature = "redis"))]
impl ServerState {
    /// There is none to read.
    pub(super) fn verify_all(
        &self,
    ) -> Result<crate::state::VerifiedState, crate::state::StateError> {
        Ok(crate::state::VerifiedState::default())
    }
}

/// Says that this binary has no Redis.
///
/// # Errors
/// Always.
#[cfg(not(feature = "redis"))]
pub(super) fn open_server(
    address: &str,
    _read_only: bool,
    _options: SharedOptions,
) -> anyhow::Result<ServerState> {
    bail!(
        "{}: this firstseen was built without Redis; build it with `cargo build --release --features redis`",
        address_name(address)
    )
}
