//! A table of the TOML, read key by key, with the position of everything.
//!
//! In: a parsed table. Out: values of the requested types, and a diagnostic for each key that is
//! missing, has another type, or is unknown. It never stops at the first fault.

use super::diagnostic::Diagnostics;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// How similar two names have to be for one to be a misspelling of the other.
const ALIKE: f64 = 0.84;

/// Longer names are not compared with the known ones: comparing is quadratic.
const LONGEST: usize = 64;

/// A value and its position, in bytes of the file.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct TableEntry<'t> {
    pub(super) key: &'t str,
    /// Position of the key.
    pub(super) span: Range<usize>,
    pub(super) value: &'t Spanned<DeValue<'t>>,
}

/// What an unknown key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnknownKey {
    /// An error: every key of the table decides what the rule finds.
    Fatal,
    /// A warning, unless it looks like a misspelled known key.
    Ignored,
}

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Table<'t> {
    table: &'t DeTable<'t>,
    /// Its name from the top, as people write it: `rule.new_terms`.
    path: String,
    /// Its position.
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

    /// Marks a key as known; its value, if the table has it.
    pub(super) fn get(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.push(key);
        self.table.get(key)
    }

    /// Position of a key itself.
    pub(super) fn key(&self, key: &str) -> Option<Range<usize>> {
        self.table.get_key_value(key).map(|(key, _)| key.span())
    }

    /// Marks keys as known without reading them.
    pub(super) fn pass(&mut self, keys: &[&'static str]) {
        self.known.extend_from_slice(keys);
    }

    /// All keys and their values.
    pub(super) fn entries(&self) -> impl Iterator<Item = TableEntry<'t>> + use<'t> {
        let entry = |(key, value): (&'t Spanned<_>, _)| TableEntry {
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
    pub(super) fn text(
        &mut self,
        key: &'static str,
        faults: &mut Diagnostics,
    ) -> Option<At<&'t str>> {
        let value = self.get(key)?;
        text(value, &self.name(key), faults)
    }

    /// A required text.
    pub(super) fn required(
        &mut self,
        key: &'static str,
        faults: &mut Diagnostics,
    ) -> Option<At<&'t str>> {
        self.present(key, faults).then(|| self.text(key, faults)).flatten()
    }

    /// Whether the table has a key; a diagnostic if not.
    pub(super) fn present(&mut self, key: &'static str, faults: &mut Diagnostics) -> bool {
        let there = self.table.contains_key(key);
        if !there {
            self.known.push(key);
            faults.error("missing_key", &self.span, format!("`{}` is missing", self.name(key)));
        }
        there
    }

    /// A list of texts.
    pub(super) fn texts(
        &mut self,
        key: &'static str,
        faults: &mut Diagnostics,
    ) -> Vec<At<&'t str>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let name = self.name(key);
        let Some(list) = value.get_ref().as_array() else {
            wrong_type(value, &name, "a list of strings", faults);
            return Vec::new();
        };
        list.iter().filter_map(|item| text(item, &name, faults)).collect()
    }

    /// The elements of a list.
    fn list(
        &mut self,
        key: &'static str,
        faults: &mut Diagnostics,
    ) -> Vec<&'t Spanned<DeValue<'t>>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(list) = value.get_ref().as_array() else {
            let name = self.name(key);
            wrong_type(value, &name, &format!("a list of tables, `[[{name}]]`"), faults);
            return Vec::new();
        };
        list.iter().collect()
    }

    /// A whole number.
    pub(super) fn integer(
        &mut self,
        key: &'static str,
        faults: &mut Diagnostics,
    ) -> Option<At<i64>> {
        let value = self.get(key)?;
        let number = value.get_ref().as_integer();
        let read = number.and_then(|n| i64::from_str_radix(n.as_str(), n.radix()).ok());
        if read.is_none() {
            wrong_type(value, &self.name(key), "a whole number", faults);
        }
        read.map(|number| At { value: number, span: value.span() })
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &'static str, faults: &mut Diagnostics) -> Option<At<bool>> {
        let value = self.get(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            wrong_type(value, &self.name(key), "true or false", faults);
        }
        flag.map(|flag| At { value: flag, span: value.span() })
    }

    /// A table inside this one.
    pub(super) fn table(&mut self, key: &'static str, faults: &mut Diagnostics) -> Option<Self> {
        let value = self.get(key)?;
        self.inside(value, self.name(key), key, faults)
    }

    /// The tables of a list.
    pub(super) fn tables(&mut self, key: &'static str, faults: &mut Diagnostics) -> Vec<Self> {
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
        faults: &mut Diagnostics,
    ) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            wrong_type(value, &name, "a table", faults);
            return None;
        };
        // A table that is only implied by dotted keys or headers of others has no position.
        let span = if value.span().is_empty() { self.key(key) } else { Some(value.span()) };
        Some(Self::new(table, name, span.unwrap_or_else(|| self.span.clone())))
    }

    /// Reports the unknown keys.
    pub(super) fn finish(self, unknown: UnknownKey, faults: &mut Diagnostics) {
        for TableEntry { key, span, .. } in self.entries() {
            if self.known.contains(&key) {
                continue;
            }
            let name = self.name(key);
            let missing = self.known.iter().filter(|known| !self.table.contains_key(**known));
            let meant = nearest(key, missing.copied());
            let fault = if unknown == UnknownKey::Fatal || meant.is_some() {
                faults.error("unknown_key", &span, format!("unknown key `{name}`"))
            } else {
                faults.warn("ignored_key", &span, format!("unknown key `{name}`, ignored"))
            };
            match meant {
                Some(meant) => fault.help(format!("did you mean `{meant}`?")),
                None if unknown == UnknownKey::Fatal => {
                    let mut known = self.known.clone();
                    known.sort_unstable();
                    fault.help(format!("known keys: {}", known.join(", ")))
                }
                None => fault,
            };
        }
    }
}

/// The known name that is similar enough, if any.
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

/// A text, or a diagnostic.
pub(super) fn text<'t>(
    value: &'t Spanned<DeValue<'t>>,
    name: &str,
    faults: &mut Diagnostics,
) -> Option<At<&'t str>> {
    let text = value.get_ref().as_str();
    if text.is_none() {
        wrong_type(value, name, "a string", faults);
    }
    text.map(|text| At { value: text, span: value.span() })
}

/// Reports that a value does not have the type that its key needs.
pub(super) fn wrong_type(
    value: &Spanned<DeValue<'_>>,
    name: &str,
    wanted: &str,
    faults: &mut Diagnostics,
) {
    let found = value.get_ref().type_str();
    let article = if found.starts_with(['a', 'i']) { "an" } else { "a" };
    let message = format!("`{name}` must be {wanted}");
    faults.error("wrong_type", &value.span(), message).label(format!("this is {article} {found}"));
}
