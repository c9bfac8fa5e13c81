//! JSON with the members of objects in their order, and its text as Java writes maps.
//!
//! In: a text. Out: a tree, cleaned, looked up by path, written. It shares no code with the project.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelTree {
    /// null
    Null,
    /// true or false
    Bool(bool),
    /// A number that fits 64 bits.
    Number(Number),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<ModelTree>),
    /// An object, with so many members before any was dropped.
    Object(Vec<(String, ModelTree)>, usize),
}

impl<'de> Deserialize<'de> for ModelTree {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = ModelTree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<ModelTree, E> {
        Ok(ModelTree::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<ModelTree, E> {
        Ok(ModelTree::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<ModelTree, E> {
        Ok(ModelTree::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<ModelTree, E> {
        Ok(ModelTree::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<ModelTree, E> {
        Ok(ModelTree::Number(Number::from_f64(value).ok_or_else(|| E::custom("too large"))?))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<ModelTree, E> {
        Ok(ModelTree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<ModelTree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(ModelTree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<ModelTree, A::Error> {
        let mut members: Vec<(String, ModelTree)> = Vec::new();
        while let Some((name, value)) = from.next_entry::<String, ModelTree>()? {
            // Of members of one name the last value counts, at the first one's place.
            match members.iter_mut().find(|(known, _)| *known == name) {
                Some(member) => member.1 = value,
                None => members.push((name, value)),
            }
        }
        let count = members.len();
        Ok(ModelTree::Object(members, count))
    }
}

impl ModelTree {
    /// Without blanks, and without what becomes empty by it; `None` if nothing is left. A blank whose
    /// path is in `kept` stays.
    #[must_use]
    pub fn cleaned(self, path: &str, kept: &[&str]) -> Option<Self> {
        Some(match self {
            Self::Null => return None,
            Self::Text(text) => {
                let is_blank =
                    text.is_empty() || ((text == "-" || text == "none") && !kept.contains(&path));
                return (!is_blank).then_some(Self::Text(text));
            }
            Self::List(items) => {
                // What is kept is never in a list.
                let items: Vec<_> =
                    items.into_iter().filter_map(|i| i.cleaned("[]", &[])).collect();
                return (!items.is_empty()).then_some(Self::List(items));
            }
            Self::Object(members, count) => {
                let inner = |(name, value): (String, Self)| {
                    let path =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    Some((name, value.cleaned(&path, kept)?))
                };
                let members: Vec<_> = members.into_iter().filter_map(inner).collect();
                return (!members.is_empty()).then_some(Self::Object(members, count));
            }
            scalar => scalar,
        })
    }

    /// The member of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members, _) = self else { return None };
        members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Takes the member of that name out.
    pub fn remove(&mut self, name: &str) -> Option<Self> {
        let Self::Object(members, _) = self else { return None };
        let at = members.iter().position(|(known, _)| known == name)?;
        Some(members.remove(at).1)
    }

    /// The value at a path of members.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |tree, name| tree.get(name))
    }

    /// The text at a path of members: of a string, a number or a boolean.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        self.at(path)?.scalar()
    }

    /// The texts at a path in which `name[]` means each element of a list.
    #[must_use]
    pub fn texts(&self, path: &str) -> Vec<String> {
        let mut found = vec![self];
        for part in path.split('.') {
            let (name, each) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
            let next = found.into_iter().filter_map(|tree| tree.get(name));
            found = match each {
                true => next.flat_map(Self::elements).collect(),
                false => next.collect(),
            };
        }
        found.into_iter().filter_map(Self::scalar).collect()
    }

    fn elements(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a scalar.
    #[must_use]
    pub fn scalar(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Number(number) => Some(java_number(number)),
            Self::Null | Self::List(_) | Self::Object(..) => None,
        }
    }

    /// All scalars in it, each with its path: members are joined by dots, elements have their list's.
    pub fn leaves(&self, path: &str, to: &mut Vec<(String, String)>) {
        match self {
            Self::List(items) => items.iter().for_each(|item| item.leaves(path, to)),
            Self::Object(members, _) => {
                members
                    .iter()
                    .for_each(|(name, value)| value.leaves(&format!("{path}.{name}"), to));
            }
            scalar => to.extend(scalar.scalar().map(|text| (path.to_owned(), text))),
        }
    }

    /// As Java's `toString` writes maps and lists.
    #[must_use]
    pub fn java(&self) -> String {
        match self {
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::java).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Object(members, count) => {
                let members: Vec<String> = hash_map_order(members, *count)
                    .into_iter()
                    .map(|(name, value)| format!("{name}={}", value.java()))
                    .collect();
                format!("{{{}}}", members.join(", "))
            }
            scalar => scalar.scalar().unwrap_or_default(),
        }
    }

    /// The same as a value of serde_json; doubles as their text.
    #[must_use]
    pub fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(number) if number.is_f64() => Value::String(java_number(number)),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::String(text.clone()),
            Self::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Self::Object(members, _) => {
                let members = members.iter().map(|(name, value)| (name.clone(), value.value()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }
}

/// The members as a `java.util.HashMap` gives them that had `count` members put into it.
fn hash_map_order(members: &[(String, ModelTree)], count: usize) -> Vec<&(String, ModelTree)> {
    let mut table = 16;
    while count * 4 > table * 3 {
        table *= 2;
    }
    let mut buckets: Vec<Vec<&(String, ModelTree)>> = vec![Vec::new(); table];
    for member in members {
        let hash = member
            .0
            .encode_utf16()
            .fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
        buckets[(hash ^ (hash >> 16)) as usize % table].push(member);
    }
    buckets.into_iter().flatten().collect()
}

/// Doubles as `Double.toString` writes them, whole numbers as they are.
fn java_number(number: &Number) -> String {
    let Some(double) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let size = double.abs();
    if double == 0.0 || (1e-3..1e7).contains(&size) {
        let text = double.to_string();
        return if text.contains('.') { text } else { text + ".0" };
    }
    let text = format!("{double:e}");
    let (mantissa, exponent) = text.split_once('e').expect("an exponent");
    let point = if mantissa.contains('.') { "" } else { ".0" };
    format!("{mantissa}{point}E{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn java(text: &str) -> String {
        serde_json::from_str::<ModelTree>(text).unwrap().java()
    }

    #[test]
    fn maps_are_written_as_java_writes_them() {
        let expected = "{capabilities=[CAPABILITY_IAM], stackName=net, disableRollback=false, templateURL=https://x}";
        for text in [
            r#"{"stackName":"net","templateURL":"https://x","capabilities":["CAPABILITY_IAM"],"disableRollback":false}"#,
            r#"{"disableRollback":false,"capabilities":["CAPABILITY_IAM"],"templateURL":"https://x","stackName":"net"}"#,
        ] {
            assert_eq!(java(text), expected);
        }
        assert_eq!(
            java("[1688560107.857,1.0,-0.5,1e7,0.0001,3,1e2]"),
            "[1.688560107857E9, 1.0, -0.5, 1.0E7, 1.0E-4, 3, 100.0]"
        );
    }

    #[test]
    fn blanks_go_with_what_holds_them() {
        let tree: ModelTree =
            serde_json::from_str(r#"{"a":{"b":["-",{"c":""}]},"d":"none","e":["none","x"]}"#)
                .unwrap();
        assert_eq!(tree.clone().cleaned("", &[]).unwrap().java(), "{e=[x]}");
        assert_eq!(tree.cleaned("", &["d"]).unwrap().java(), "{d=none, e=[x]}");
    }
}
