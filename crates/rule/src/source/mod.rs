//! A rule's TOML, in the shape of Elastic's public rules, read and checked.
//!
//! In: the text of a rule.toml. Out: a plan for the engine and the rule's facts, or all that is
//! wrong with the file, each with its position. It keeps what an alert shows of the rule.
//!
//! ```text
//! text --toml--> tables with spans --shape---> checked keys --+--> query and filters --> plan
//!                                                             +--> facts --> the alert's part
//! ```
//!
//! Order of modules, each importing only from those before it: `diagnostic`, `table`, `position`,
//! `written`, `report`, `facts`, `shape`, `dsl`, `filters`, `exception_parts`, `exceptions`, `alert`,
//! `lint`, `read`, `clauses`.

mod alert;
mod clauses;
mod diagnostic;
mod dsl;
#[cfg(feature = "lint")]
mod exception_parts;
mod exceptions;
mod facts;
mod filters;
#[cfg(feature = "lint")]
mod lint;
mod position;
mod read;
mod report;
mod shape;
mod table;
mod written;

pub use clauses::{PlacedClause, clauses};
pub use diagnostic::{CODES, Diagnostic, Severity, WARNING_CODES};
pub use exceptions::{WrittenException, exceptions};
pub use facts::{Facts, Technique, Threat, ThreatEntry};
#[cfg(feature = "lint")]
pub use lint::{doubted_field, known_field, meant_field};
#[cfg(feature = "lint")]
pub use read::check_query;
pub use read::{EventTime, ReadOptions, Rule, read};
