//! What the property tests across crates share. The properties themselves stand in `tests/`.
//!
//! In: seeds. Out: calls and events in every form, rules natively and as modules, stores, and a
//! model of what must come out that shares no code with the project.
//!
//! | what | module |
//! | --- | --- |
//! | a host of Redpanda's data transforms | [`broker`] |
//! | runs of cases, the same ones every time | [`cases`] |
//! | calls, and events made of them | [`call`], [`event`] |
//! | many events as one file | [`form`] |
//! | JSON in the many ways that it can be written | [`json`] |
//! | the rules of `rules/`, natively and in wasmtime | [`rules`] |
//! | state without expiry | [`store`] |
//! | when a term is new, by definition | [`model`] |
//! | what every engine and skin has to answer | [`vectors`] |

pub mod broker;
pub mod call;
pub mod cases;
pub mod event;
pub mod form;
pub mod json;
pub mod model;
pub mod rules;
pub mod store;
pub mod vectors;
