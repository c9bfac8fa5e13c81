//! The way of matched events: keys, order, decision.

pub mod annotate;
pub mod decide;
pub mod intake;
pub mod keys;
pub mod order;
pub mod text;
