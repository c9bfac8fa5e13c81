//! What the property tests share. The properties are in `properties/`.
//!
//! In: seeds. Out: calls and events in every form, rules natively and as modules, stores, and a
//! model of the expected alerts that shares no code with the project.
//!
//! | what | module |
//! | --- | --- |
//! | a host of Redpanda's data transforms | [`broker`] |
//! | reproducible runs of random cases | [`cases`] |
//! | calls, and the events made from them | [`call`], [`event`] |
//! | many events as one file | [`form`] |
//! | JSON in many spellings | [`json`] |
//! | the rules of `rules/`, natively and in wasmtime | [`rules`] |
//! | a state without expiry | [`store`] |
//! | raw CloudTrail as ECS, a second time, and random raw events | [`cloudtrail_model`], [`cloudtrail_events`] |
//! | the definition of a new term | [`model`] |
//! | the expected results for every engine and target | [`vectors`] |

pub mod broker;
pub mod call;
pub mod cases;
pub mod cloudtrail_events;
pub mod cloudtrail_model;
pub mod event;
pub mod form;
pub mod json;
pub mod model;
pub mod rules;
pub mod store;
pub mod vectors;
