//! An event as a query sees it.
//!
//! In: whatever holds an event's fields. Out: the values and objects of the fields that a query asks
//! for, one after the other. It never says how they are read.

use firstseen_value::Value;

/// The fields of an event, or of an object within one.
///
/// A field is the index in [`Query::fields`](crate::Query::fields), or in the `inner` list of the
/// [`FieldRef::Nested`](crate::FieldRef::Nested) that the object belongs to. Null and empty arrays
/// count as no value; arrays are their elements.
pub trait Doc {
    /// Whether any value of the field meets the test; stops at the first that does.
    fn any(&self, field: usize, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool;

    /// Whether any object at the field's path meets the test; stops at the first that does.
    fn any_object(&self, field: usize, test: &mut dyn FnMut(&dyn Doc) -> bool) -> bool;
}
