//! The fields of raw events as a table: name, type, source. For documentation and for checks of
//! rules; reading an event does not need it.
//!
//! In: nothing. Out: a row for each field of each raw source, in the order of their names.

use crate::cloudtrail;
use crate::raw::RawSource;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A field that raw events have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldOrigin {
    /// The ECS name. One that ends in `.*` stands for all names that begin so, and for the name
    /// before the `.*` itself, which matches the values of all of them.
    pub name: String,
    /// The type in Elasticsearch's mapping: `keyword`, `date`, `boolean`, `ip`, `text` or
    /// `flattened`.
    pub field_type: &'static str,
    /// Where the values come from, for people: a path in the event, paths in the order in which they
    /// are tried, a constant in quotes, or a sentence.
    pub origin: String,
    /// The `event.dataset` of the source, such as `aws.cloudtrail`.
    pub dataset: &'static str,
}

/// A raw source and what is said of it.
type Described = (
    &'static RawSource,
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, &'static str)],
);

const DESCRIBED: &[Described] = &[(&cloudtrail::SOURCE, cloudtrail::TYPES, cloudtrail::ORIGINS)];

/// All fields that raw events have, each with its type and where it comes from: whatever is not in
/// this list (twins `.caseless` and `.text` aside) is never in a raw event. In the order of the
/// names. Not every event has every field.
///
/// ```
/// let fields = firstseen_event::raw_fields();
/// let ip = fields.iter().find(|field| field.name == "source.ip").unwrap();
/// assert_eq!((ip.field_type, ip.dataset), ("ip", "aws.cloudtrail"));
/// assert!(fields.iter().any(|f| f.name == "aws.cloudtrail.flattened.request_parameters.*"));
/// ```
#[must_use]
pub fn raw_fields() -> Vec<FieldOrigin> {
    let mut rows = Vec::new();
    for (source, types, origins) in DESCRIBED {
        let find = |table: &[(&'static str, &'static str)], name: &str| {
            table.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
        };
        let mut add = |name: &str, field_type: Option<&'static str>, origin: String| {
            let field_type = field_type.or_else(|| find(types, name)).unwrap_or("keyword");
            rows.push(FieldOrigin {
                name: name.to_owned(),
                field_type,
                origin,
                dataset: source.dataset,
            });
        };
        for (name, path) in source.copied {
            add(name, None, (*path).to_owned());
        }
        for (name, path) in source.distinct {
            add(name, None, format!("{path}, each value once"));
        }
        for (name, paths) in source.first_of {
            add(name, None, paths.join(", else "));
        }
        for (name, value) in source.constants {
            add(name, None, format!("\"{value}\""));
        }
        for name in source.chosen.iter().chain(source.made) {
            add(name, None, find(origins, name).unwrap_or_default().to_owned());
        }
        for object in source.objects {
            let below = format!("{}.*", object.flattened);
            add(&below, Some("flattened"), format!("the members of {}", object.path));
            if let Some(text) = object.text {
                add(text, None, format!("{} as text", object.path));
                add(&format!("{text}.text"), Some("text"), format!("{} as text", object.path));
            }
        }
    }
    rows.sort();
    rows
}

/// Fields that Elastic's pipelines fill from data outside of the event, so that raw events never
/// have them, and that data. Names as in [`FieldOrigin::name`].
#[must_use]
pub fn fields_of_outside_data() -> &'static [(&'static str, &'static str)] {
    cloudtrail::OUTSIDE
}

#[cfg(test)]
mod tests {
    use super::{DESCRIBED, raw_fields};

    #[test]
    fn every_field_is_described_once() {
        let fields = raw_fields();
        assert!(fields.len() > 100, "{}", fields.len());
        for (field, next) in fields.iter().zip(&fields[1..]) {
            assert_ne!(field.name, next.name);
        }
        assert!(fields.iter().all(|field| !field.origin.is_empty()), "{fields:?}");
        for (_, types, origins) in DESCRIBED {
            for (name, _) in types.iter().chain(*origins) {
                assert!(fields.iter().any(|field| field.name == *name), "{name} is no field");
            }
        }
    }
}
