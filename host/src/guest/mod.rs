//! Rules as WebAssembly: loaded, bounded, called, and never trusted.
//!
//! In: artifacts and events. Out: what the contract's calls return, checked. It knows no rule: what
//! an artifact says of itself (key prefix, required literals) is all that it goes by.
//!
//! | what | module |
//! | --- | --- |
//! | wasmtime, set up; the clock that ends calls | [`runtime`] |
//! | compiled code, kept between runs | [`cache`] |
//! | an artifact, read and checked | [`artifact`] |
//! | one instance and its calls | [`instance`] |
//! | what it may ask of us | [`imports`] |
//! | a batch of events, and the one that traps | [`batch`] |

pub mod artifact;
pub mod batch;
pub mod cache;
pub mod imports;
pub mod instance;
pub mod runtime;

pub use artifact::{Artifact, load_all};
pub use batch::Batch;
pub use instance::{CallError, Guest};
pub use runtime::Runtime;

/// The flagship rule, built with this binary.
pub static FLAGSHIP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/flagship.wasm"));
/// The engine of the contract, into which `build` lays rules.
pub static ENGINE: crate::compile::Engine<'static> =
    crate::compile::Engine::core(include_bytes!(concat!(env!("OUT_DIR"), "/core.wasm")));
