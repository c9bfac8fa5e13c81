//! The tables of the integration, from their files. In: names. Out: what the tables say of them.

use std::sync::OnceLock;

struct FactTables {
    categories: Vec<[&'static str; 3]>,
    targets: Vec<[&'static str; 3]>,
    related: Vec<[&'static str; 2]>,
}

fn rows<const N: usize>(text: &'static str) -> Vec<[&'static str; N]> {
    let row = |line: &'static str| {
        let cells: Vec<_> = line.split('\t').collect();
        cells.try_into().unwrap_or_else(|cells| panic!("{cells:?}"))
    };
    text.lines().skip(1).map(row).collect()
}

fn tables() -> &'static FactTables {
    static TABLES: OnceLock<FactTables> = OnceLock::new();
    TABLES.get_or_init(|| FactTables {
        categories: rows(include_str!("categories.tsv")),
        targets: rows(include_str!("targets.tsv")),
        related: rows(include_str!("related.tsv")),
    })
}

/// The categories and types of an event of that name.
#[must_use]
pub(super) fn categories(name: &str) -> (Vec<String>, Vec<String>) {
    let list = |cell: &str| cell.split(',').map(str::to_owned).collect();
    match tables().categories.iter().find(|row| row[0] == name) {
        Some([_, category, kind]) => (list(category), list(kind)),
        None => (Vec::new(), list("info")),
    }
}

/// The paths of the targets of an event.
#[must_use]
pub(super) fn targets(source: &str, name: &str) -> Vec<&'static str> {
    let is = |pattern: &str| match pattern.strip_prefix('*').and_then(|rest| rest.strip_suffix('*'))
    {
        Some(part) => name.contains(part),
        None => name == pattern,
    };
    let row = tables().targets.iter().find(|row| row[0] == source && is(row[1]));
    row.map(|row| row[2].split(' ').collect()).unwrap_or_default()
}

/// The paths of `related.entity` of a service's events.
#[must_use]
pub(super) fn related(service: &str) -> Vec<&'static str> {
    let row = tables().related.iter().find(|row| row[0] == service);
    row.map(|row| row[1].split(' ').collect()).unwrap_or_default()
}

/// Each service and name that the tables know, and the paths of its targets.
#[must_use]
pub fn calls() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    let call =
        |row: &[&'static str; 3]| (row[0], row[1].trim_matches('*'), row[2].split(' ').collect());
    tables().targets.iter().map(call).collect()
}

/// Each name in the table of categories.
#[must_use]
pub fn names() -> Vec<&'static str> {
    tables().categories.iter().map(|row| row[0]).collect()
}
