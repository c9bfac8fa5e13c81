//! wasmtime's settings, for the host and for the build script that compiles the core engine ahead.
//!
//! In: nothing. Out: the settings that decide what compiled code is like. Code that was compiled under others is not
//! loaded.

use wasmtime::Config;

/// The settings of all engines.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    // A backtrace names functions of the guest; operators see the trap's cause and the event.
    config.wasm_backtrace_max_frames(None);
    config
}
