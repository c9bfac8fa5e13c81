//! What a raw source is: events as a service writes them, whose fields have ECS names here.
//!
//! In: a description of the source ([`RawSource`]), an ECS name. Out: where the field's values come
//! from ([`RawField`]), and for one event its values. It knows no source by name: each has a folder
//! of its own, and `sources` lists them.

use crate::flat::FlatTree;
use crate::path::{Node, SCALARS, Trie};
use crate::spans::{Blanks, FieldValues, RespellNumber, Spans, TextSet};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::fmt::{self, Debug, Formatter};
use firstseen_value::Value;

/// A raw source, as data. In all of its events blank strings ("", "-", "none") count as absent, but
/// for names of callers, which may be "-" and "none".
pub(crate) struct RawSource {
    /// The `event.dataset` of all its events.
    pub(crate) dataset: &'static str,
    /// An object that has all keys of one of these sets is an event of this source. The value of a key
    /// with `{}` behind it is an object, that of any other a string, a number or a boolean.
    pub(crate) marks: &'static [&'static [&'static str]],
    /// Objects that have the same keys and are no events.
    pub(crate) lookalikes: &'static [Lookalike],
    /// The path of the event's time.
    pub(crate) time: &'static str,
    /// The path of the event's own identity.
    pub(crate) id: &'static str,
    /// ECS names whose values are taken as they are, and their paths.
    pub(crate) copied: &'static [(&'static str, &'static str)],
    /// The same, each value once.
    pub(crate) distinct: &'static [(&'static str, &'static str)],
    /// ECS names whose value is the first one at the first of several paths that has one.
    pub(crate) first_of: &'static [(&'static str, &'static [&'static str])],
    /// ECS names with the same value in every event.
    pub(crate) constants: &'static [(&'static str, &'static str)],
    /// ECS names that [`RawSource::derive`] knows, whose values are parts of the event's text.
    pub(crate) chosen: &'static [&'static str],
    /// ECS names that [`RawSource::derive`] knows, whose values are not in the event's text.
    pub(crate) made: &'static [&'static str],
    /// ECS names whose values are a list in a document, also where there is one.
    pub(crate) always_lists: &'static [&'static str],
    /// Paths of names of callers.
    pub(crate) names_of_callers: &'static [&'static str],
    /// Objects whose members have no ECS names of their own.
    pub(crate) objects: &'static [ObjectField],
    /// Arrays of objects that stay together in an alert's document.
    pub(crate) lists: &'static [ObjectList],
    /// Fields of flattened objects that may be absent because their values have moved to another
    /// field.
    pub(crate) moved: &'static [&'static str],
    /// Another spelling of numbers in flattened objects.
    pub(crate) number: RespellNumber,
    /// Where the values of a derived field, of an object as text, and of a flattened object and
    /// those below it come from; `None` for any other name. The paths that it needs are added to the
    /// trie.
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

/// An object that is taken apart.
pub(crate) struct ObjectField {
    /// Its ECS name as a text, if it has one.
    pub(crate) text: Option<&'static str>,
    /// Its members are fields below this name.
    pub(crate) flattened: &'static str,
    /// Its path in the event.
    pub(crate) path: &'static str,
}

/// An array of objects, or one object.
#[derive(Debug)]
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
        if let Some(field) = self.known_field(name, trie) {
            return field;
        }
        // The twin of a field that is analysed as text.
        let twin = name.strip_suffix(".text");
        let twin = twin.filter(|name| self.names().any(|known| known == *name));
        if let Some(field) = twin.and_then(|name| self.known_field(name, trie)) {
            return field;
        }
        self.copied(name, trie)
    }

    fn known_field(&self, name: &str, trie: &mut Trie) -> Option<RawField> {
        fn find<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
            table.iter().find(|(known, _)| *known == name).map(|(_, found)| *found)
        }
        if let Some(path) = find(self.copied, name) {
            return Some(self.copied(path, trie));
        }
        if let Some(path) = find(self.distinct, name) {
            return Some(RawField::Distinct(trie.add(path, SCALARS)));
        }
        if let Some(paths) = find(self.first_of, name) {
            let nodes = paths.iter().map(|path| trie.add(path, SCALARS));
            return Some(RawField::FirstOf(nodes.collect()));
        }
        if let Some(text) = find(self.constants, name) {
            return Some(RawField::Constant(text));
        }
        (self.derive)(name, trie)
    }

    fn copied(&self, path: &str, trie: &mut Trie) -> RawField {
        let node = trie.add(path, SCALARS);
        if self.names_of_callers.contains(&path) {
            RawField::NameOfCaller(node)
        } else {
            RawField::Copied(node)
        }
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
        let pairs = self.copied.iter().chain(self.distinct).chain(self.constants);
        let first_of = self.first_of.iter().map(|(name, _)| *name);
        let names = pairs.map(|(name, _)| *name).chain(first_of);
        let texts = self.objects.iter().filter_map(|object| object.text);
        names.chain(self.chosen.iter().chain(self.made).copied()).chain(texts)
    }
}

/// Where the values of a field come from in the events of a raw source.
#[derive(Debug)]
pub(crate) enum RawField {
    /// The values at a path.
    Copied(Node),
    /// The values at the path of a caller's name.
    NameOfCaller(Node),
    /// The values at a path, each once.
    Distinct(Node),
    /// The first value at the first path that has one.
    FirstOf(Box<[Node]>),
    /// The same text in every event.
    Constant(&'static str),
    /// The event's own text.
    Original,
    /// Computed by the source's own code.
    Computed(Box<dyn ComputedField>),
}

/// What the fields of one event have in common: it is found once for all of them.
#[derive(Default)]
pub(crate) struct EventCache<'a> {
    trees: Vec<(Node, Option<FlatTree<'a>>)>,
    texts: Vec<(&'static str, Vec<Cow<'a, str>>)>,
}

impl<'a> EventCache<'a> {
    /// The value at a node, without what is blank; `None` where nothing is left.
    pub(crate) fn tree(&mut self, event: &Spans<'a>, node: Node) -> Option<&FlatTree<'a>> {
        let known = self.trees.iter().position(|(of, _)| *of == node);
        let place = known.unwrap_or_else(|| {
            let read = |start| FlatTree::read(event.whole_text(), start);
            let tree = event.json_start(node).map(read).filter(FlatTree::is_filled);
            self.trees.push((node, tree));
            self.trees.len() - 1
        });
        self.trees.get(place)?.1.as_ref()
    }

    /// The texts of that name; they are found where nobody asked for them before.
    pub(crate) fn texts(
        &mut self,
        name: &'static str,
        find: impl FnOnce(&mut Self) -> Vec<Cow<'a, str>>,
    ) -> &[Cow<'a, str>] {
        let known = self.texts.iter().position(|(of, _)| *of == name);
        let place = known.unwrap_or_else(|| {
            let texts = find(self);
            self.texts.push((name, texts));
            self.texts.len() - 1
        });
        self.texts.get(place).map_or(&[], |(_, texts)| texts)
    }
}

/// A field that only the source's own code can compute.
pub(crate) trait ComputedField: Send + Sync {
    /// The values in one event.
    fn values<'a>(&self, event: &Spans<'a>, cache: &mut EventCache<'a>) -> FieldValues<'a>;

    /// The value in an event that has one, where that takes less; `None` says nothing.
    fn only<'a>(&self, event: &Spans<'a>) -> Option<Value<'a>> {
        let _ = event;
        None
    }

    /// Adds the field's value to a document as JSON, where that is not just its values; whether there was
    /// anything. `None` where it is its values.
    fn write<'a>(
        &self,
        event: &Spans<'a>,
        cache: &mut EventCache<'a>,
        out: &mut Vec<u8>,
    ) -> Option<bool> {
        let _ = (event, cache, out);
        None
    }

    /// Calls `leaf` with each value of a flattened object, and with its name behind the object's:
    /// a point and the path.
    fn leaves<'a>(&self, event: &Spans<'a>, leaf: &mut dyn FnMut(&str, Value<'a>)) {
        let _ = (event, leaf);
    }
}

// Without the fields of each: their formatting would be in every module.
impl Debug for dyn ComputedField {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("ComputedField")
    }
}

impl RawField {
    /// The values in one event. Nothing is computed for other fields.
    #[inline]
    pub(crate) fn values<'a>(&self, event: &Spans<'a>) -> FieldValues<'a> {
        self.cached_values(event, &mut EventCache::default())
    }

    /// The value in an event that has one, where it is quickly found; `None` says nothing.
    #[inline]
    pub(crate) fn only<'a>(&self, event: &Spans<'a>) -> Option<Value<'a>> {
        match self {
            Self::Copied(node) => event.only(*node, Blanks::All),
            Self::NameOfCaller(node) => event.only(*node, Blanks::Empty),
            Self::FirstOf(nodes) => {
                event.only(*nodes.iter().find(|node| event.has(**node))?, Blanks::All)
            }
            Self::Constant(text) => Some(Value::Text(Cow::Borrowed(*text))),
            Self::Computed(field) => field.only(event),
            Self::Distinct(_) | Self::Original => None,
        }
    }

    /// The same, with what other fields of the event have found.
    #[inline]
    pub(crate) fn cached_values<'a>(
        &self,
        event: &Spans<'a>,
        cache: &mut EventCache<'a>,
    ) -> FieldValues<'a> {
        match self {
            Self::Copied(node) => event.filled(*node),
            Self::NameOfCaller(node) => event.values(*node).without(Blanks::Empty),
            Self::Distinct(node) => {
                let mut texts = TextSet::default();
                texts.extend(event.texts(*node, Blanks::All));
                texts.into_values()
            }
            Self::FirstOf(nodes) => {
                FieldValues::one(nodes.iter().find_map(|node| event.filled(*node).next()))
            }
            Self::Constant(text) => FieldValues::one(Some(Value::Text(Cow::Borrowed(*text)))),
            Self::Original => {
                FieldValues::one(Some(Value::Text(Cow::Borrowed(event.event_text()))))
            }
            Self::Computed(field) => field.values(event, cache),
        }
    }
}
