//! Exceptions and settings out of a JSON tree.
//!
//! In: a tree (untrusted). Out: what serde reads from the same text, or a message that names the
//! member. It never says what an exception means.
//!
//! Why by hand: the code that serde derives for these few members is as large in the module as all
//! of step one.

use super::{ExceptionDocument, ExceptionEntry, TextList};
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use firstseen_event::json::{Json, Object};

/// An object whose members are taken one after the other. A null member counts as absent.
pub(crate) struct Members(Object);

impl Members {
    pub(crate) fn of(value: Json) -> Result<Self, String> {
        match value {
            Json::Object(members) => Ok(Self(members)),
            _ => Err("expected an object".to_owned()),
        }
    }

    fn take(&mut self, name: &str) -> Option<Json> {
        self.0.remove(name).filter(|value| *value != Json::Null)
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(format!("`{name}`: expected a string")),
        }
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Bool(value)) => Ok(Some(value)),
            Some(_) => Err(format!("`{name}`: expected true or false")),
        }
    }

    /// A whole number.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<u32>, String> {
        let number = match self.take(name) {
            None => return Ok(None),
            Some(Json::Number(text)) => text.parse().ok(),
            Some(_) => None,
        };
        number.map(Some).ok_or_else(|| format!("`{name}`: expected a whole number"))
    }

    /// A required string.
    fn needed(&mut self, name: &str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| format!("`{name}` is missing"))
    }

    /// A list, each element converted.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        each: fn(Json) -> Result<T, String>,
    ) -> Result<Option<Vec<T>>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::List(items)) => {
                items.into_iter().map(each).collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(format!("`{name}`: expected a list")),
        }
    }

    /// An error if a member is left, which is an unknown one.
    pub(crate) fn end(&self) -> Result<(), String> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("unknown member `{name}`")),
        }
    }
}

impl ExceptionDocument {
    pub(crate) fn of(value: Json) -> Result<Self, String> {
        let mut members = Members::of(value)?;
        let fields = match members.take("fields") {
            None => None,
            Some(fields) => {
                let mut out = BTreeMap::new();
                for (name, values) in Members::of(fields)?.0 {
                    out.insert(name, TextList::of(values)?);
                }
                Some(out)
            }
        };
        let document = Self {
            name: members.needed("name")?,
            reason: members.text("reason")?,
            expires: members.text("expires")?,
            rule_id: members.text("rule_id")?,
            rules: members.list("rules", text)?,
            query: members.text("query")?,
            entries: members.list("entries", ExceptionEntry::of)?,
            fields,
        };
        members.end().map(|()| document)
    }
}

impl ExceptionEntry {
    /// Recursion ends where the tree does.
    fn of(value: Json) -> Result<Self, String> {
        let mut members = Members::of(value)?;
        let entry = Self {
            field: members.needed("field")?,
            kind: members.needed("type")?,
            operator: members.text("operator")?,
            value: members.take("value").map(TextList::of).transpose()?,
            entries: members.list("entries", Self::of)?,
        };
        members.end().map(|()| entry)
    }
}

impl TextList {
    fn of(value: Json) -> Result<Self, String> {
        let mut texts = Vec::new();
        collect(value, &mut texts)?;
        Ok(Self(texts))
    }
}

/// A list in a list is flattened; recursion ends where the tree does.
fn collect(value: Json, to: &mut Vec<String>) -> Result<(), String> {
    match value {
        Json::Text(text) => to.push(text),
        Json::Bool(value) => to.push(value.to_string()),
        // Digits, as they are written: JSON has no leading zeros.
        Json::Number(text) if text.parse::<i128>().is_ok() && text != "-0" => to.push(text),
        Json::List(items) => {
            for item in items {
                collect(item, to)?;
            }
        }
        _ => {
            return Err(
                "expected a string, a whole number, a boolean, or a list of them".to_owned()
            );
        }
    }
    Ok(())
}

/// A string.
pub(crate) fn text(value: Json) -> Result<String, String> {
    match value {
        Json::Text(text) => Ok(text),
        _ => Err("expected a string".to_owned()),
    }
}
