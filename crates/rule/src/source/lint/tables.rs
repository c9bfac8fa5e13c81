//! The committed tables of names, read once.
//!
//! In: `data/ecs-fields.txt`, and crate event's table of what raw events have. Out: sets to look names
//! up in. The file says its source and version.

use std::collections::BTreeSet;
use std::sync::LazyLock;

/// ECS.
pub(super) struct EcsTable {
    pub(super) version: &'static str,
    pub(super) fields: NameSet,
    /// The first parts of its names.
    pub(super) sets: BTreeSet<String>,
}

/// Names, and beginnings below which every name counts.
#[derive(Default)]
pub(super) struct NameSet {
    names: BTreeSet<String>,
    /// With the dot at the end.
    open: Vec<String>,
}

impl NameSet {
    /// Adds a name; one that ends in `.*` stands for all that begin so.
    pub(super) fn add(&mut self, name: &str) {
        match name.strip_suffix('*') {
            Some(open) if open.ends_with('.') => self.open.push(open.to_owned()),
            _ => _ = self.names.insert(name.to_owned()),
        }
    }

    /// Whether a name is in it, or is an object with names in it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.has_field(name) || self.has_below(&format!("{name}."))
    }

    /// Whether a name is in it as a field.
    pub(super) fn has_field(&self, name: &str) -> bool {
        let below =
            |open: &String| name.starts_with(open.as_str()) || open.strip_suffix('.') == Some(name);
        self.names.contains(name) || self.open.iter().any(below)
    }

    fn has_below(&self, prefix: &str) -> bool {
        let next = self.names.range(prefix.to_owned()..).next();
        next.is_some_and(|name| name.starts_with(prefix))
            || self.open.iter().any(|open| open.starts_with(prefix))
    }

    /// The names, without the open ones.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

/// The lines of a table without its comments, each in words.
pub(super) fn lines(
    table: &'static str,
) -> impl Iterator<Item = std::str::SplitWhitespace<'static>> {
    table.lines().filter(|line| !line.starts_with('#')).map(str::split_whitespace)
}

/// ECS's fields.
pub(super) fn ecs() -> &'static EcsTable {
    const TABLE: &str = include_str!("../../../data/ecs-fields.txt");
    static READ: LazyLock<EcsTable> = LazyLock::new(|| {
        let (mut fields, mut sets) = (NameSet::default(), BTreeSet::new());
        for mut words in lines(TABLE) {
            let Some(object) = words.next() else { continue };
            let prefix = if object == "-" { String::new() } else { format!("{object}.") };
            words.for_each(|word| fields.add(&format!("{prefix}{word}")));
            if object != "-" {
                sets.insert(object.split('.').next().unwrap_or(object).to_owned());
            }
        }
        let version = TABLE.split_whitespace().skip_while(|word| *word != "Schema").nth(1);
        EcsTable { version: version.unwrap_or_default().trim_end_matches(','), fields, sets }
    });
    &READ
}

/// What raw CloudTrail gives.
pub(super) fn cloudtrail() -> &'static NameSet {
    static READ: LazyLock<NameSet> = LazyLock::new(|| {
        let mut fields = NameSet::default();
        firstseen_event::raw_fields().iter().for_each(|field| fields.add(&field.name));
        fields
    });
    &READ
}

/// The data outside of events that a field needs, if it needs some.
pub(super) fn outside_data(name: &str) -> Option<&'static str> {
    let covers = |pattern: &str| match pattern.strip_suffix('*') {
        Some(open) => name.starts_with(open),
        None => name == pattern,
    };
    let mut table = firstseen_event::fields_of_outside_data().iter();
    table.find(|(pattern, _)| covers(pattern)).map(|(_, data)| *data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_hold_what_they_are_for() {
        let ecs = ecs();
        assert_eq!(ecs.version, "9.4.0");
        for name in ["event.action", "@timestamp", "user.target.entity.id", "labels.team", "user"] {
            assert!(ecs.fields.has(name), "{name}");
        }
        for name in ["event.acton", "use", "label", "eventName"] {
            assert!(!ecs.fields.has(name), "{name}");
        }
        assert!(ecs.sets.contains("event") && !ecs.sets.contains("aws"));
        assert!(cloudtrail().has("aws.cloudtrail.flattened.request_parameters.anything.at.all"));
        assert!(cloudtrail().has_field("aws.cloudtrail.flattened.request_parameters"));
    }
}
