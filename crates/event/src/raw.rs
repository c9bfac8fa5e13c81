//! What a raw source is: events as a service writes them, whose fields have ECS names here.
//!
//! In: a description of the source ([`RawSource`]), an ECS name. Out: where the field's values come
//! from ([`RawField`]), and for one event its values. It knows no source by name: each has a folder
//! of its own, and `sources` lists them.

use crate::path::{Node, SCALARS, Trie};
use crate::spans::{FieldValues, Spans};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use core::fmt::Debug;
use firstseen_value::Value;

/// A raw source, as data. In all of its events blank strings ("", "-", "none") count as absent.
pub(crate) struct RawSource {
    /// The `event.dataset` of all its events.
    pub(crate) dataset: &'static str,
    /// An object that has both keys of one of these pairs is an event of this source.
    pub(crate) marks: &'static [[&'static str; 2]],
    /// Objects that have the same keys and are no events.
    pub(crate) lookalikes: &'static [Lookalike],
    /// The path of the event's time.
    pub(crate) time: &'static str,
    /// The path of the event's own identity.
    pub(crate) id: &'static str,
    /// ECS names whose values are taken as they are, and their paths.
    pub(crate) copied: &'static [(&'static str, &'static str)],
    /// ECS names that [`RawSource::derive`] knows.
    pub(crate) derived: &'static [&'static str],
    /// Those of them whose values are chosen among the values of the event and never changed.
    pub(crate) chosen: &'static [&'static str],
    /// Objects whose members have no ECS names of their own.
    pub(crate) objects: &'static [ObjectField],
    /// Arrays of objects that stay together in an alert's document.
    pub(crate) lists: &'static [ObjectList],
    /// Where the values of a derived field, or of an object as text, come from; `None` for any other
    /// name. The paths that it needs are added to the trie.
    pub(crate) derive: fn(&str, &mut Trie) -> Option<RawField>,
}

/// An object that is recognised by the beginning of one of its texts.
#[derive(Debug)]
pub(crate) struct Lookalike {
    /// The text's path.
    pub(crate) path: &'static str,
    /// How it begins.
    pub(crate) prefix: &'static str,
    /// What the object is.
    pub(crate) what: &'static str,
}

/// An object that has two ECS names.
pub(crate) struct ObjectField {
    /// As a text.
    pub(crate) text: &'static str,
    /// Taken apart: its members are fields below this name.
    pub(crate) flattened: &'static str,
    /// Its path in the event.
    pub(crate) path: &'static str,
}

/// An array of objects, or one object.
pub(crate) struct ObjectList {
    /// Its ECS name. The fields below it are also in [`RawSource::copied`].
    pub(crate) name: &'static str,
    /// Its key in the event.
    pub(crate) key: &'static str,
    /// The members that are kept: their key in the event, and their ECS name.
    pub(crate) members: &'static [(&'static str, &'static str)],
}

impl RawSource {
    /// Where a field's values come from. An unknown name is a path itself, so that raw names
    /// (`eventName`) work unless they are ECS names too.
    pub(crate) fn field(&self, name: &str, trie: &mut Trie) -> RawField {
        if let Some((_, path)) = self.copied.iter().find(|(known, _)| *known == name) {
            return RawField::Copied(trie.add(path, SCALARS));
        }
        (self.derive)(name, trie)
            .unwrap_or_else(|| RawField::Copied(trie.add(&self.object_path(name), SCALARS)))
    }

    /// The path of a flattened object or of a field below it; any other name stays as it is.
    pub(crate) fn object_path<'n>(&self, name: &'n str) -> Cow<'n, str> {
        let path = self.objects.iter().find_map(|object| {
            let rest = name.strip_prefix(object.flattened)?;
            let is_below = rest.is_empty() || rest.starts_with('.');
            is_below.then(|| format!("{}{rest}", object.path))
        });
        path.map_or(Cow::Borrowed(name), Cow::Owned)
    }

    /// The ECS names that it fills, but for those below flattened objects.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let copied = self.copied.iter().map(|(name, _)| *name);
        let texts = self.objects.iter().map(|object| object.text);
        copied.chain(self.derived.iter().copied()).chain(texts)
    }
}

/// Where the values of a field come from in the events of a raw source.
#[derive(Debug)]
pub(crate) enum RawField {
    /// The values at a path.
    Copied(Node),
    /// The first value at the first path, else at the second.
    FirstOf(Node, Node),
    /// The same text in every event.
    Constant(&'static str),
    /// The event's own text.
    Original,
    /// Computed by the source's own code.
    Computed(Box<dyn ComputedField>),
}

/// A field that only the source's own code can compute.
pub(crate) trait ComputedField: Debug + Send + Sync {
    /// The values in one event.
    fn values<'a>(&self, event: &Spans<'a>) -> FieldValues<'a>;
}

impl RawField {
    /// The values in one event. Nothing is computed for other fields.
    #[inline]
    pub(crate) fn values<'a>(&self, event: &Spans<'a>) -> FieldValues<'a> {
        match self {
            Self::Copied(node) => event.filled(*node),
            Self::FirstOf(first, second) => {
                FieldValues::one(event.filled(*first).chain(event.filled(*second)).next())
            }
            Self::Constant(text) => FieldValues::one(Some(Value::Text(Cow::Borrowed(*text)))),
            Self::Original => {
                FieldValues::one(Some(Value::Text(Cow::Borrowed(event.event_text()))))
            }
            Self::Computed(field) => field.values(event),
        }
    }
}
