//! Rules as WebAssembly: loaded, bounded, called, and never trusted.
//!
//! In: artifacts and events. Out: what the contract's calls return, checked. It knows no rule: what
//! an artifact says of itself (key prefix, required literals) is all that it goes by. It reads no
//! file but those of its own code cache.
//!
//! | what | module |
//! | --- | --- |
//! | wasmtime, set up; the clock that ends calls | [`Runtime`] |
//! | compiled code, kept between runs | [`cache`] |
//! | modules to code, within limits | [`compile`] |
//! | an artifact's code, which is that of its engine | [`code`] |
//! | an artifact, read and checked | [`artifact`] |
//! | one instance and its calls | [`instance`] |
//! | how often it may run over its time | [`overruns`] |
//! | what it may ask of us | [`imports`] |

mod alert;
pub mod artifact;
pub mod cache;
pub mod code;
pub mod compile;
mod config;
mod engines;
pub mod imports;
pub mod instance;
pub mod overruns;
mod runtime;

pub use artifact::Artifact;
pub use cache::CodeCache;
pub use code::Code;
pub use compile::{ChildCompiler, Compiler, compile_as_child};
pub use instance::Guest;
pub use overruns::Overruns;
pub use runtime::{Runtime, TICK, deadline_ticks};
