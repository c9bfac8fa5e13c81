//! What an event was done to: the target entities, by the name of the event.
//!
//! In: the spans of an event. Out: `target.entity.id`, and each target by its kind. The paths are in
//! the table `targets.tsv`; events that are not in it have no targets.

use super::entities::EntityKind;
use super::objects::{Trees, WholeObjects};
use crate::cut::{LineTable, any_part, cut_around, first_part};
use crate::json::push_texts;
use crate::path::{Node, SCALARS, Trie};
use crate::raw::{ComputedField, EventCache, RawField};
use crate::spans::{FieldValues, Spans, TextSet};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use firstseen_value::Value;

/// A line for each kind of event: the service, the event's name (`*x*`: it contains x), the paths.
/// In the order of the services; of one service's lines the first that fits counts.
static TABLE: LineTable = LineTable::new(include_str!("targets.tsv"));

/// Where targets are, in the events of one reader.
pub(super) struct TargetPaths {
    source: Node,
    action: Node,
}

impl TargetPaths {
    pub(super) fn new(trie: &mut Trie) -> Self {
        Self { source: trie.add("eventSource", SCALARS), action: trie.add("eventName", SCALARS) }
    }

    /// The targets of an event.
    pub(super) fn of<'o, 'a>(
        &self,
        event: &Spans<'a>,
        objects: &WholeObjects,
        cache: &'o mut EventCache<'a>,
    ) -> &'o [Cow<'a, str>] {
        cache.texts("targets", |cache| {
            let mut targets = TextSet::default();
            self.add(event, &mut objects.of(event, cache), &mut targets);
            targets.into_texts()
        })
    }

    fn add<'a>(&self, event: &Spans<'a>, trees: &mut Trees<'_, 'a>, to: &mut TextSet<'a>) {
        let (Some(source), Some(action)) = (event.first(self.source), event.first(self.action))
        else {
            return;
        };
        let Some(service) = source.strip_suffix(".amazonaws.com") else { return };
        if service == "ssm" && action == "SendCommand" {
            let mut instances = trees.texts("requestParameters.instanceIds[]");
            if instances.is_empty() {
                instances = trees.texts("requestParameters.targets[].values[]");
            }
            if instances == ["*"] {
                instances = trees.texts("recipientAccountId");
            }
            to.extend(instances);
        } else if let Some(paths) = paths(service, &action) {
            trees.add(paths, to);
        }
    }
}

/// The paths of an event's targets.
fn paths(service: &str, action: &str) -> Option<&'static str> {
    let mut found = None;
    any_part(TABLE.lines_of(service), b'\n', &mut |line| {
        let (name, paths) = first_part(first_part(line, b'\t').1, b'\t');
        let is_named = match name.strip_prefix('*') {
            Some(part) => cut_around(action, first_part(part, b'*').0).is_some(),
            None => name == action,
        };
        if is_named {
            found = Some(paths);
        }
        is_named
    });
    found.filter(|paths| !paths.is_empty())
}

/// The targets of one kind, or all.
struct TargetField {
    kind: Option<EntityKind>,
    paths: TargetPaths,
    objects: WholeObjects,
}

pub(super) fn derive(name: &str, trie: &mut Trie) -> Option<RawField> {
    let kind = match name {
        "target.entity.id" => None,
        "user.target.entity.id" => Some(EntityKind::User),
        "host.target.entity.id" => Some(EntityKind::Host),
        "service.target.entity.id" => Some(EntityKind::Service),
        "entity.target.id" => Some(EntityKind::Other),
        _ => return None,
    };
    let field =
        TargetField { kind, paths: TargetPaths::new(trie), objects: WholeObjects::new(trie) };
    Some(RawField::Computed(Box::new(field)))
}

impl ComputedField for TargetField {
    fn values<'a>(&self, event: &Spans<'a>, cache: &mut EventCache<'a>) -> FieldValues<'a> {
        let targets = self.paths.of(event, &self.objects, cache).iter();
        let is_wanted =
            |target: &&Cow<'_, str>| self.kind.is_none_or(|kind| EntityKind::of(target) == kind);
        FieldValues::many(targets.filter(is_wanted).cloned().map(Value::Text).collect())
    }

    fn write<'a>(
        &self,
        event: &Spans<'a>,
        cache: &mut EventCache<'a>,
        out: &mut Vec<u8>,
    ) -> Option<bool> {
        let targets = self.paths.of(event, &self.objects, cache).iter().map(|target| &**target);
        let is_wanted = |target: &&str| self.kind.is_none_or(|kind| EntityKind::of(target) == kind);
        Some(push_texts(out, targets.filter(is_wanted)))
    }
}

#[cfg(test)]
mod tests {
    use super::{TABLE, paths};

    #[test]
    fn rows_are_found_by_service_and_name() {
        for (service, name, expected) in [
            ("iam", "UpdateAssumeRolePolicy", Some("requestParameters.roleName")),
            ("sts", "AssumeRole", Some("requestParameters.roleArn")),
            ("lambda", "AddPermission20150331v2", Some("requestParameters.functionName")),
            ("lambda", "ListFunctionsAddPermission", Some("requestParameters.functionName")),
            ("lambda", "ListFunctions20150331", Some("recipientAccountId")),
            ("iam", "AddPermission", None),
            ("iam", "Update", None),
            ("ia", "UpdateAssumeRolePolicy", None),
            ("", "", None),
        ] {
            assert_eq!(paths(service, name), expected, "{service} {name}");
        }
    }

    #[test]
    fn every_line_has_three_parts() {
        for line in TABLE.text().lines() {
            assert_eq!(line.split('\t').count(), 3, "{line}");
        }
    }
}
