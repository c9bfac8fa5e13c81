//! JSON of a person's own file, in which no key is there twice.
//!
//! In: text. Out: the first key that an object has twice, with its place. Which of the two would count is
//! nothing that a person should have to know. It keeps nothing of the values.

use crate::escape::escaped;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Whether no object in the text has a key twice; of text that is no JSON others say what is wrong.
///
/// # Errors
/// The key, its line and its column.
pub fn check(text: &str) -> Result<(), String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    match UniqueKeys.deserialize(&mut reader) {
        Err(error) if error.is_data() => Err(escaped(&error.to_string()).into_owned()),
        _ => Ok(()),
    }
}

/// A value, looked at and let go. The reader bounds its depth.
struct UniqueKeys;

impl<'de> DeserializeSeed<'de> for UniqueKeys {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut known = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            if known.contains(&key) {
                return Err(A::Error::custom(format!("the key `{key}` is there twice")));
            }
            known.insert(key);
            members.next_value_seed(Self)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_there_twice_is_told_with_its_place() {
        for text in
            [r#"{"a":1,"b":{"a":[1.5,-2,null,true,"x"]}}"#, "{broken", "", "[{\"a\":1},{\"a\":2}]"]
        {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for (text, place) in [
            ("{\"a\":1,\n \"a\":1}", "line 2 column 4"),
            (r#"{"x":[{"a":1,"\u0061":2}]}"#, "line 1 column 21"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.starts_with("the key `a` is there twice at "), "{error}");
            assert!(error.ends_with(place), "{error}");
        }
    }
}
