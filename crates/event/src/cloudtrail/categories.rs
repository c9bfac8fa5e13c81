//! `event.type` and `event.category`, by the name of the event.
//!
//! In: an event's name. Out: its types and its category, of the table `categories.tsv`. An event
//! that is not in it has the type `info` and no category.

use crate::cut::{LineTable, any_part, cut, first_part};
use crate::path::{Node, SCALARS, Trie};
use crate::raw::{ComputedField, EventCache, RawField};
use crate::spans::{FieldValues, Spans};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use firstseen_value::Value;

/// A line for each name, in order: the name, its categories and its types, separated by commas.
static TABLE: LineTable = LineTable::new(include_str!("categories.tsv"));

struct CategoryField {
    name: Node,
    is_type: bool,
}

pub(super) fn derive(name: &str, trie: &mut Trie) -> Option<RawField> {
    let is_type = match name {
        "event.type" => true,
        "event.category" => false,
        _ => return None,
    };
    let name = trie.add("eventName", SCALARS);
    Some(RawField::Computed(Box::new(CategoryField { name, is_type })))
}

impl ComputedField for CategoryField {
    fn values<'a>(&self, event: &Spans<'a>, cache: &mut EventCache<'a>) -> FieldValues<'a> {
        let row = cache.texts("categories", |_| {
            let row = event.first(self.name).and_then(|name| row(&name));
            row.map_or_else(Vec::new, |(categories, types)| {
                Vec::from([Cow::Borrowed(categories), Cow::Borrowed(types)])
            })
        });
        let list = match (row, self.is_type) {
            ([_, Cow::Borrowed(types)], true) => *types,
            ([Cow::Borrowed(categories), _], false) => *categories,
            (_, true) => return FieldValues::one(Some(Value::Text(Cow::Borrowed("info")))),
            (_, false) => return FieldValues::default(),
        };
        let mut texts = Vec::new();
        any_part(list, b',', &mut |text| {
            texts.push(Value::Text(Cow::Borrowed(text)));
            false
        });
        FieldValues::many(texts)
    }
}

/// The categories and the types of an event.
fn row(name: &str) -> Option<(&'static str, &'static str)> {
    let (_, row) = cut(first_part(TABLE.lines_of(name), b'\n').0, b'\t')?;
    cut(row, b'\t')
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn rows_are_found_by_the_whole_name() {
        assert_eq!(row("CreateUser"), Some(("iam", "user,creation")));
        assert_eq!(row("UpdateUser"), Some(("iam", "user,change")));
        for name in ["", "Create", "createUser", "CreateUsers", "CreateUser\tiam"] {
            assert_eq!(row(name), None, "{name}");
        }
    }
}
