//! Raw CloudTrail to ECS, after Elastic's aws integration.
//!
//! In: an ECS name; later the spans of an event. Out: where the field's values come from, and its
//! values. `names` is the table of what is taken as it is, `derived` what is computed, `identity`
//! who did it, `stringify` how an object becomes a text. It reads no text itself and knows no
//! other source.

mod derived;
mod identity;
mod names;
mod stringify;

use crate::raw::{Lookalike, RawSource};

/// CloudTrail's events: management, data and insight events, and what CloudTrail Lake exports.
pub(crate) const SOURCE: RawSource = RawSource {
    dataset: names::DATASET,
    marks: &[["eventName", "eventSource"], ["eventVersion", "eventTime"]],
    // A single record of an S3 or SQS notification has the keys of the first pair.
    lookalikes: &[Lookalike { path: "eventSource", prefix: "aws:", what: "S3 notification" }],
    time: "eventTime",
    id: "eventID",
    copied: names::COPIED,
    derived: names::DERIVED,
    chosen: names::CHOSEN,
    objects: names::OBJECTS,
    lists: names::LISTS,
    derive: derived::derive,
};
