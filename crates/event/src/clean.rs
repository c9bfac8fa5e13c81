//! What counts as no value in the events of raw sources.
//!
//! In: a text, a value, a tree. Out: whether it is blank; a tree without what is blank.

use crate::json::Json;
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

/// Takes everything blank out of a value; whether something is left of it.
pub(crate) fn keep(value: &mut Json) -> bool {
    match value {
        Json::Null => false,
        Json::Text(text) => !is_blank(text),
        Json::List(items) => {
            items.retain_mut(keep);
            !items.is_empty()
        }
        Json::Object(members) => {
            members.retain(|_, value| keep(value));
            !members.is_empty()
        }
        Json::Bool(_) | Json::Number(_) => true,
    }
}
