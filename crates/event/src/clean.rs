//! What counts as no value in the events of raw sources.
//!
//! In: a text, a value. Out: whether it is blank.

use firstseen_value::Value;

/// Whether a text means that there is no value, as raw sources write it.
#[inline]
pub(crate) fn is_blank(text: &str) -> bool {
    matches!(text, "" | "-" | "none")
}

/// Whether a value is such a text.
#[inline]
pub(crate) fn is_blank_value(value: &Value<'_>) -> bool {
    matches!(value, Value::Text(text) if is_blank(text))
}
