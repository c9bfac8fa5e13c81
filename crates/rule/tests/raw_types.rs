//! The types that raw events' fields are listed with are those that rules compare them by.

use firstseen_event::raw_fields;
use firstseen_kql::{FieldType, field_type};

#[test]
fn types_of_raw_fields_are_those_of_queries() {
    for field in raw_fields() {
        // One of the members stands for all.
        let name = field.name.replace(".*", ".a_member");
        let listed = match field.field_type {
            "date" => FieldType::Date,
            "boolean" => FieldType::Boolean,
            "ip" => FieldType::Ip,
            "text" => FieldType::Text,
            "keyword" | "flattened" => FieldType::Keyword,
            other => panic!("{other} of {}", field.name),
        };
        assert_eq!(field_type(&name), listed, "{}", field.name);
    }
}
