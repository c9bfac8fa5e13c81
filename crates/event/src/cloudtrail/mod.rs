//! Raw CloudTrail to ECS, after Elastic's aws integration 8.9.0.
//!
//! In: an ECS name; later the spans of an event. Out: where the field's values come from, and its
//! values. Only what is requested is computed. It reads no text itself and knows no other source.
//!
//! | module | what |
//! | --- | --- |
//! | `names`, `origins` | tables: the names and where they come from; types and sources for readers |
//! | `shortest`, `double`, `texts` | numbers and objects as Java writes them |
//! | `identity` | who did it: `user.*`, `service.name`, `related.user` |
//! | `flattened` | the members of request, response and the like |
//! | `objects` | request, response and the like as trees, and values by a path |
//! | `categories`, `session`, `tls` | `event.type` and `event.category`, sign-ins, `tls.*` |
//! | `entities` | the actor; the kind of an entity |
//! | `targets`, `related` | what it was done to; `related.entity`, `related.hosts`, `related.ip` |
//! | `derived` | which of them computes a name |

mod categories;
mod derived;
mod double;
mod entities;
mod flattened;
mod identity;
mod names;
mod objects;
mod origins;
mod related;
mod session;
mod shortest;
mod targets;
mod texts;
mod tls;

use crate::raw::{Lookalike, RawSource};

/// CloudTrail's events: management, data and insight events, and what CloudTrail Lake exports.
pub(crate) const SOURCE: RawSource = RawSource {
    dataset: names::DATASET,
    marks: &[
        &["eventName", "eventSource"],
        &["eventVersion", "eventTime", "eventName"],
        &["eventVersion", "eventTime", "eventType", "insightDetails{}"],
    ],
    // A single record of an S3 or SQS notification has the keys of the first pair.
    lookalikes: &[Lookalike { path: "eventSource", prefix: "aws:", what: "S3 notification" }],
    time: "eventTime",
    id: "eventID",
    copied: names::COPIED,
    distinct: names::DISTINCT,
    first_of: names::FIRST_OF,
    constants: names::CONSTANTS,
    chosen: names::CHOSEN,
    made: names::MADE,
    always_lists: names::ALWAYS_LISTS,
    names_of_callers: names::CALLERS,
    objects: names::OBJECTS,
    moved: &[flattened::MOVED],
    lists: names::LISTS,
    number: double::respelled,
    derive: derived::derive,
};

pub(crate) use origins::{ORIGINS, OUTSIDE, TYPES};
