//! A table of the TOML, read key by key, with the place of everything.
//!
//! In: a parsed table. Out: values of the types that were asked for, and a fault for each that is
//! missing, of another type, or that nobody asked for. It never stops at the first.

use super::diagnostic::Faults;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// How alike two names have to be for one to be meant by the other.
const ALIKE: f64 = 0.84;

/// Longer names are not looked for among the known ones: comparing is quadratic.
const LONGEST: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry<'t> {
    pub(super) key: &'t str,
    /// Where the key stands.
    pub(super) span: Range<usize>,
    pub(super) value: &'t Spanned<DeValue<'t>>,
}

/// What a key that nobody knows means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// An error: every key of the table decides what the rule finds.
    Fatal,
    /// A warning, unless it is all but the name of a key that is known.
    Ignored,
}

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Table<'t> {
    table: &'t DeTable<'t>,
    /// Its name from the top, as people write it: `rule.new_terms`.
    path: String,
    /// Where it begins.
    pub(super) span: Range<usize>,
    known: Vec<&'static str>,
}

impl<'t> Table<'t> {
    pub(super) fn new(table: &'t DeTable<'t>, path: String, span: Range<usize>) -> Self {
        Self { table, path, span, known: Vec::new() }
    }

    /// The name of a key from the top.
    pub(super) fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A key that is known, and its value where it is there.
    pub(super) fn get(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.push(key);
        self.table.get(key)
    }

    /// Where a key itself stands.
    pub(super) fn key(&self, key: &str) -> Option<Range<usize>> {
        self.table.get_key_value(key).map(|(key, _)| key.span())
    }

    /// Keys that are known and not read.
    pub(super) fn pass(&mut self, keys: &[&'static str]) {
        self.known.extend_from_slice(keys);
    }

    /// All keys and their values.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'t>> + use<'t> {
        let entry = |(key, value): (&'t Spanned<_>, _)| Entry {
            key: AsRef::<str>::as_ref(key.get_ref()),
            span: key.span(),
            value,
        };
        self.table.iter().map(entry)
    }

    /// Its name from the top.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str, faults: &mut Faults) -> Option<At<&'t str>> {
        let value = self.get(key)?;
        text(value, &self.name(key), faults)
    }

    /// A text that has to be there.
    pub(super) fn required(
        &mut self,
        key: &'static str,
        faults: &mut Faults,
    ) -> Option<At<&'t str>> {
        self.present(key, faults).then(|| self.text(key, faults)).flatten()
    }

    /// Whether a key is there; a fault where it is not.
    pub(super) fn present(&mut self, key: &'static str, faults: &mut Faults) -> bool {
        let there = self.table.contains_key(key);
        if !there {
            self.known.push(key);
            faults.error("missing_key", &self.span, format!("`{}` is missing", self.name(key)));
        }
        there
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &'static str, faults: &mut Faults) -> Vec<At<&'t str>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let name = self.name(key);
        let Some(list) = value.get_ref().as_array() else {
            wrong_type(value, &name, "a list of strings", faults);
            return Vec::new();
        };
        list.iter().filter_map(|item| text(item, &name, faults)).collect()
    }

    /// The tables of a list within, each as it stands.
    fn list(&mut self, key: &'static str, faults: &mut Faults) -> Vec<&'t Spanned<DeValue<'t>>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(list) = value.get_ref().as_array() else {
            let name = self.name(key);
            wrong_type(value, &name, &format!("a list of tables, `[[{name}]]`"), faults);
            return Vec::new();
        };
        list.iter().collect()
    }

    /// A whole number.
    pub(super) fn integer(&mut self, key: &'static str, faults: &mut Faults) -> Option<At<i64>> {
        let value = self.get(key)?;
        let number = value.get_ref().as_integer();
        let read = number.and_then(|n| i64::from_str_radix(n.as_str(), n.radix()).ok());
        if read.is_none() {
            wrong_type(value, &self.name(key), "a whole number", faults);
        }
        read.map(|number| At { value: number, span: value.span() })
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &'static str, faults: &mut Faults) -> Option<At<bool>> {
        let value = self.get(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            wrong_type(value, &self.name(key), "true or false", faults);
        }
        flag.map(|flag| At { value: flag, span: value.span() })
    }

    /// A table within.
    pub(super) fn table(&mut self, key: &'static str, faults: &mut Faults) -> Option<Self> {
        let value = self.get(key)?;
        self.inside(value, self.name(key), key, faults)
    }

    /// The tables of a list within.
    pub(super) fn tables(&mut self, key: &'static str, faults: &mut Faults) -> Vec<Self> {
        let list = self.list(key, faults);
        let name = self.name(key);
        let inside = |(index, item): (usize, &'t Spanned<DeValue<'t>>)| {
            self.inside(item, format!("{name}[{index}]"), key, faults)
        };
        list.into_iter().enumerate().filter_map(inside).collect()
    }

    fn inside(
        &self,
        value: &'t Spanned<DeValue<'t>>,
        name: String,
        key: &str,
        faults: &mut Faults,
    ) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            wrong_type(value, &name, "a table", faults);
            return None;
        };
        // A table that only dotted keys or headers of others imply has no place of its own.
        let span = if value.span().is_empty() { self.key(key) } else { Some(value.span()) };
        Some(Self::new(table, name, span.unwrap_or_else(|| self.span.clone())))
    }

    /// Names the keys that nobody asked for.
    pub(super) fn finish(self, unknown: Unknown, faults: &mut Faults) {
        for Entry { key, span, .. } in self.entries() {
            if self.known.contains(&key) {
                continue;
            }
            let name = self.name(key);
            let missing = self.known.iter().filter(|known| !self.table.contains_key(**known));
            let meant = nearest(key, missing.copied());
            let fault = if unknown == Unknown::Fatal || meant.is_some() {
                faults.error("unknown_key", &span, format!("`{name}` is no key of a rule"))
            } else {
                let message = format!("`{name}` is no key that is known; it is ignored");
                faults.warn("ignored_key", &span, message)
            };
            match meant {
                Some(meant) => fault.help(format!("did you mean `{meant}`?")),
                None if unknown == Unknown::Fatal => {
                    let mut known = self.known.clone();
                    known.sort_unstable();
                    fault.help(format!("known here: {}", known.join(", ")))
                }
                None => fault,
            };
        }
    }
}

/// The name that was meant, where one is near enough.
pub(super) fn nearest(
    name: &str,
    known: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    if name.len() > LONGEST {
        return None;
    }
    known
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(alike, known)| {
            *alike >= ALIKE && strsim::osa_distance(name, known) <= name.len().max(4) / 3
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// A text, or a fault.
pub(super) fn text<'t>(
    value: &'t Spanned<DeValue<'t>>,
    name: &str,
    faults: &mut Faults,
) -> Option<At<&'t str>> {
    let text = value.get_ref().as_str();
    if text.is_none() {
        wrong_type(value, name, "a string", faults);
    }
    text.map(|text| At { value: text, span: value.span() })
}

/// Notes that a value has not the type that it needs.
pub(super) fn wrong_type(
    value: &Spanned<DeValue<'_>>,
    name: &str,
    wanted: &str,
    faults: &mut Faults,
) {
    let found = value.get_ref().type_str();
    let article = if found.starts_with(['a', 'i']) { "an" } else { "a" };
    let message = format!("`{name}` is {article} {found}");
    faults.error("wrong_type", &value.span(), message).label(format!("give {wanted}"));
}
