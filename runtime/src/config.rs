//! wasmtime's settings, for the host and for the build script that compiles the core engine ahead.
//!
//! In: nothing. Out: the settings that decide what compiled code is like. Code that was compiled under others is not
//! loaded.

use wasmtime::Config;

/// The settings of all engines.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    // The contract's features, and no others: docs/abi.md, section 1.
    config.wasm_memory64(false).wasm_multi_memory(false).wasm_custom_page_sizes(false);
    config.wasm_tail_call(false).wasm_relaxed_simd(false);
    // A backtrace names functions of the guest; operators see the trap's cause and the event.
    config.wasm_backtrace_max_frames(None);
    config
}
