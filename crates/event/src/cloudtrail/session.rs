//! Sign-ins to the console: what `additionalEventData` of a ConsoleLogin says.
//!
//! In: the spans of an event. Out: `aws.cloudtrail.console_login.additional_eventdata.*`. Other
//! events have none of it.

use crate::path::{Node, SCALARS, Trie};
use crate::raw::{ComputedField, EventCache, RawField};
use crate::spans::{FieldValues, Spans};
use alloc::boxed::Box;
use firstseen_value::Value;

struct LoginField {
    action: Node,
    value: Node,
    /// `false` for "No", `true` for anything else.
    is_boolean: bool,
}

pub(super) fn derive(name: &str, trie: &mut Trie) -> Option<RawField> {
    let last = name.strip_prefix("aws.cloudtrail.console_login.additional_eventdata.")?;
    let (path, is_boolean) = match last {
        "mfa_used" => ("additionalEventData.MFAUsed", true),
        "mobile_version" => ("additionalEventData.MobileVersion", true),
        "login_to" => ("additionalEventData.LoginTo", false),
        _ => return None,
    };
    let (action, value) = (trie.add("eventName", SCALARS), trie.add(path, SCALARS));
    Some(RawField::Computed(Box::new(LoginField { action, value, is_boolean })))
}

impl ComputedField for LoginField {
    fn values<'a>(&self, event: &Spans<'a>, _: &mut EventCache<'a>) -> FieldValues<'a> {
        // Most events have no such value.
        let is_login =
            event.has(self.value) && event.first(self.action).as_deref() == Some("ConsoleLogin");
        let value = is_login.then(|| event.filled(self.value).next()).flatten();
        FieldValues::one(value.map(|value| match value {
            other if !self.is_boolean => other,
            Value::Text(text) if text == "No" => Value::Bool(false),
            _ => Value::Bool(true),
        }))
    }
}
