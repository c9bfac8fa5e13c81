//! How each requested field is answered, in an ECS document and in the events of each raw source.
//!
//! In: the requested fields. Out: a plan for each, and one trie of all paths that any of them needs.
//! Made once, used for every event.

use crate::form::FormMarks;
use crate::index_name::StatedIndex;
use crate::path::{Node, OBJECTS, SCALARS, Trie};
use crate::pattern::{Pattern, values_below};
use crate::raw::RawField;
use crate::scan::{Span, decode};
use crate::sources::SOURCES;
use crate::spans::{FieldValues, Spans, value_of_span};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_value::Value;

/// What to look for in events. A field is named by its ECS name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldRequest {
    /// The values of a field. `f.caseless` is the lower-case twin of f.
    Values(String),
    /// The values of all fields whose names fit a pattern with `*`.
    Matching(String),
    /// The objects at a path, for nested queries.
    Objects(String),
}

/// How one request is answered. `raw` has an entry for each raw source, in the order of the table.
#[derive(Debug)]
pub(crate) enum FieldPlan {
    Values { ecs: EcsField, is_lowered: bool, raw: Box<[RawField]> },
    Objects { ecs: Node, raw: Box<[Node]> },
    Matching(Pattern),
}

/// Where a field of an ECS document is.
#[derive(Debug)]
pub(crate) enum EcsField {
    /// At a path.
    Path(Node),
    /// At a path, or at that of the field whose analysed twin it is: a document has only that one.
    Twin(Node, Node),
    /// Anywhere below this name: a flattened object.
    Below(Box<str>),
}

impl EcsField {
    fn new(name: &str, trie: &mut Trie) -> Self {
        let objects = || SOURCES.iter().flat_map(|source| source.objects);
        if objects().any(|object| object.flattened == name) {
            return Self::Below(name.into());
        }
        let is_flattened = |name: &str| objects().any(|object| name.starts_with(object.flattened));
        let node = trie.add(name, SCALARS);
        match name.strip_suffix(".text").filter(|field| !field.is_empty() && !is_flattened(field)) {
            Some(field) => Self::Twin(node, trie.add(field, SCALARS)),
            None => Self::Path(node),
        }
    }

    #[inline]
    pub(crate) fn values<'a>(&self, event: &Spans<'a>) -> FieldValues<'a> {
        match self {
            Self::Path(node) => event.values(*node),
            Self::Twin(own, _) if event.has(*own) => event.values(*own),
            Self::Twin(_, field) => event.values(*field),
            Self::Below(name) => FieldValues::many(values_below(event, name)),
        }
    }
}

/// The plans of all requests, and the keys that every event is checked for.
#[derive(Debug)]
pub(crate) struct ReadPlan {
    pub(crate) trie: Trie,
    pub(crate) marks: FormMarks,
    fields: Vec<FieldPlan>,
}

impl ReadPlan {
    pub(crate) fn new(requests: Vec<FieldRequest>) -> Self {
        let mut trie = Trie::new();
        let marks = FormMarks::new(&mut trie);
        let plan = |request| FieldPlan::new(request, &mut trie);
        let fields = requests.into_iter().map(plan).collect();
        trie.finish();
        Self { trie, marks, fields }
    }

    /// The index that a document names: by `_index` of the hit that it is in (`hit`) or its own, else
    /// by `data_stream.*`, where all three parts are there.
    pub(crate) fn stated_index(&self, event: &Spans<'_>, hit: Option<Span>) -> Option<StatedIndex> {
        let text = |node| event.string_content(node).map(decode).filter(|text| !text.is_empty());
        let hit = hit.and_then(|span| value_of_span(event.whole_text(), span));
        let hit = hit.map(Value::into_text).filter(|name| !name.is_empty());
        if let Some(name) = hit.or_else(|| text(self.marks.index)) {
            return Some(StatedIndex { name: name.into_owned(), is_stream: false });
        }
        let [kind, dataset, namespace] = self.marks.stream;
        let name = [text(kind)?, text(dataset)?, text(namespace)?].join("-");
        Some(StatedIndex { name, is_stream: true })
    }

    #[inline]
    pub(crate) fn field(&self, request: usize) -> Option<&FieldPlan> {
        self.fields.get(request)
    }
}

impl FieldPlan {
    fn new(request: FieldRequest, trie: &mut Trie) -> Self {
        match request {
            FieldRequest::Values(field) => {
                let twin = field.strip_suffix(".caseless").filter(|field| !field.is_empty());
                let name = twin.unwrap_or(&field);
                Self::Values {
                    ecs: EcsField::new(name, trie),
                    is_lowered: twin.is_some(),
                    raw: SOURCES.iter().map(|source| source.field(name, trie)).collect(),
                }
            }
            FieldRequest::Objects(path) => Self::Objects {
                ecs: trie.add(&path, OBJECTS),
                raw: SOURCES
                    .iter()
                    .map(|source| trie.add(&source.object_path(&path), OBJECTS))
                    .collect(),
            },
            FieldRequest::Matching(pattern) => Self::Matching(Pattern::new(&pattern, trie)),
        }
    }
}
