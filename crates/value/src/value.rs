//! One value of a field.
//!
//! In: a JSON scalar. Out: its text. It never holds null, an array or an object: null is no value,
//! and an array is its elements.

use alloc::borrow::Cow;

/// A value of a field: a JSON boolean, number or string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// true or false.
    Bool(bool),
    /// A number, as it is written.
    Number(&'a str),
    /// A string, decoded.
    Text(Cow<'a, str>),
}

impl<'a> Value<'a> {
    /// The value's text, as a keyword field holds it: a number as it is written, a boolean as
    /// `true` or `false`.
    #[must_use]
    #[inline]
    pub fn as_text(&self) -> &str {
        match self {
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
            Self::Number(written) => written,
            Self::Text(text) => text,
        }
    }

    /// The same as [`Value::as_text`], for as long as the text that the value was read from.
    #[must_use]
    #[inline]
    pub fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Number(written) => Cow::Borrowed(written),
            Self::Text(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_texts_are_the_same() {
        for (value, text) in [
            (Value::Bool(true), "true"),
            (Value::Bool(false), "false"),
            (Value::Number("4.43e2"), "4.43e2"),
            (Value::Text(Cow::Borrowed("a")), "a"),
        ] {
            assert_eq!(value.as_text(), text);
            assert_eq!(value.into_text(), text);
        }
    }
}
