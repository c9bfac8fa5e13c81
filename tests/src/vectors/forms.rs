//! The forms of an event: envelopes, names with dots, escapes, numbers, text.

use super::case::{
    ACCOUNT, Case, alerts, new_user, no_match, repeat, seen, stack, stack_text, with,
};
use crate::call::{Call, Who, document};
use crate::event::Shape;
use serde_json::{Value, json};

/// The cases of this module.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = envelopes();
    cases.extend(spellings());
    cases.push(large());
    cases
}

fn call(id: u32, who: Who) -> Call {
    Call {
        time_ms: 1_743_494_400_000,
        id,
        who,
        account: ACCOUNT,
        provider: "cloudformation.amazonaws.com",
        action: "CreateStack",
        failed: false,
        address: "203.0.113.7",
        agent: "aws-cli/2.15",
        stack: "web",
    }
}

fn envelopes() -> Vec<Case> {
    let ann = call(1, Who::User("ann"));
    let term = || json!([ACCOUNT, "ann"]);
    let mut failed = ann.clone();
    failed.failed = true;
    let mut cases = vec![
        Case::flagship("raw-cloudtrail", "records as CloudTrail writes them; a failed call does not match")
            .step(failed.raw().to_string(), no_match())
            .step(ann.raw().to_string(), new_user("ann"))
            .step(call(2, Who::User("ann")).raw().to_string(), seen()),
        Case::stacks(
            "raw-cloudtrail-identities",
            "user.name is the user's, the role's or the federating user's name; root and services have none",
        )
        .step(call(1, Who::User("ann")).raw().to_string(), new_user("ann"))
        .step(call(2, Who::Role("deploy")).raw().to_string(), new_user("deploy"))
        .step(call(3, Who::Federated("fed")).raw().to_string(), new_user("fed"))
        .step(call(4, Who::Saml("sam")).raw().to_string(), new_user("sam"))
        .step(call(5, Who::Web("web")).raw().to_string(), new_user("web"))
        .step(call(6, Who::Role("ann")).raw().to_string(), seen())
        .step(call(7, Who::Root).raw().to_string(), super::case::missing("user.name")),
        Case::stacks(
            "one-event-in-each-envelope",
            "an event has one identity, raw and in each envelope: the first alerts, the others repeat it",
        )
        .step(ann.raw().to_string(), new_user("ann"))
        .step(Shape::EventBridge.of(&ann).to_string(), repeat(term(), None))
        .step(Shape::Original.of(&ann).to_string(), repeat(term(), None))
        .step(Shape::Lookup.of(&ann).to_string(), repeat(term(), None))
        .step(Shape::Export(0).of(&ann).to_string(), repeat(term(), None))
        .step(Shape::Ecs(0).of(&ann).to_string(), repeat(term(), None)),
    ];
    let shapes = [
        ("eventbridge", "an EventBridge envelope: the event is its `detail`", Shape::EventBridge),
        (
            "original-in-message",
            "a shipper's document with the raw event as text in `message`",
            Shape::Original,
        ),
        (
            "lookup-events-entry",
            "an entry of LookupEvents: the raw event as text in `CloudTrailEvent`",
            Shape::Lookup,
        ),
        (
            "elasticsearch-export",
            "a line of an Elasticsearch export: the event is its `_source`",
            Shape::Export(0),
        ),
        ("ecs-nested", "an ECS document with objects in objects", Shape::Ecs(0)),
        ("ecs-mixed", "an ECS document with some names dotted and some not", Shape::Ecs(7)),
    ];
    for (name, about, shape) in shapes {
        let (first, second) = (shape.of(&ann), shape.of(&call(2, Who::User("ann"))));
        let case = Case::flagship(name, about);
        cases.push(case.step(first.to_string(), new_user("ann")).step(second.to_string(), seen()));
    }
    let flat: Value = ann.ecs().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let bob = call(2, Who::User("bob"));
    cases.push(
        Case::stacks("ecs-flat", "an ECS document with dotted names only; the alert is nested")
            .step(flat.to_string(), new_user("ann"))
            .step(document(&ann.ecs(), 0).to_string(), repeat(term(), None))
            .step(document(&bob.ecs(), 0).to_string(), new_user("bob")),
    );
    cases
}

fn spellings() -> Vec<Case> {
    let time = "2025-04-01T08:00:00Z";
    let escaped = stack_text("ann", time)
        .replace("CreateStack", "\\u0043reateSt\\u0061ck")
        .replace("cloudformation.amazonaws", "cloudformation\\u002Eamazonaws")
        .replace("\"user\"", "\"\\u0075ser\"")
        .replace("\"ann\"", "\"\\u0061nn\"");
    let mut cases = vec![
        Case::stacks(
            "unicode",
            "names in any script, within and beyond the basic plane; two spellings of one text are one term",
        )
        .step(stack_text("zo\u{eb}", time), new_user("zo\u{eb}"))
        .step(stack_text("\u{5f20}\u{4f1f}", time), new_user("\u{5f20}\u{4f1f}"))
        .step(stack_text("\u{1f98a}", time), new_user("\u{1f98a}"))
        .step(stack_text("FOX", "2025-04-02T08:00:00Z").replace("FOX", "\\ud83e\\udd8a"), seen())
        .step(stack_text("\u{645}\u{631}\u{62d}\u{628}\u{627}", time), new_user("\u{645}\u{631}\u{62d}\u{628}\u{627}"))
        // No normalisation: a letter with a combining accent is another text.
        .step(stack_text("zoe\u{308}", time), new_user("zoe\u{308}")),
        Case::stacks("escapes", "escaped letters in names and values equal plain letters")
            .step(escaped, new_user("ann"))
            .step(stack_text("ann", "2025-04-02T08:00:00Z"), seen()),
        Case::stacks(
            "quotes-and-controls",
            "quotes, backslashes, slashes, line breaks and a null character in a name are kept",
        )
        .step(stack_text("a\"b\\c/d", time), new_user("a\"b\\c/d"))
        .step(stack_text("e/f", time).replace("e/f", "e\\/f"), new_user("e/f"))
        .step(stack_text("line\nbreak\ttab\u{7f}", time), new_user("line\nbreak\ttab\u{7f}"))
        .step(stack_text("null\u{0}", time), new_user("null\u{0}"))
        .step(stack_text("a ", time), new_user("a ")),
        Case::stacks(
            "numbers-keep-their-spelling",
            "numbers that do not fit a float keep their spelling in the alert",
        )
        .step(
            with(stack("ann", time), "n", json!("NUMBERS")).to_string().replace(
                "\"NUMBERS\"",
                "[12345678901234567890123, 1e308, -0, 1.10, 0.1e-7, 9007199254740993]",
            ),
            new_user("ann"),
        ),
        Case::stacks("account-as-a-number", "a keyword that is written as a number has the number's text")
            .step(
                with(stack("ann", time), "cloud/account/id", json!(111_122_223_333_u64)).to_string(),
                new_user("ann"),
            )
            .step(stack_text("ann", "2025-04-02T08:00:00Z"), seen()),
        Case::stacks("times", "times with offsets, with fractions and in milliseconds")
            .step(stack_text("ann", "2025-04-01T10:00:00+02:00"), new_user("ann"))
            .step(with(stack("bob", time), "@timestamp", json!(1_743_494_400_000_i64)).to_string(), new_user("bob"))
            .step(stack_text("cyd", "2025-04-01T08:00:00.123456789Z"), new_user("cyd")),
        Case::stacks(
            "a-long-name",
            "a name of 600 characters: the key contains its hash, the stored value as much of it as fits",
        )
        .step(stack_text(&"long".repeat(150), time), new_user(&"long".repeat(150)))
        .step(stack_text(&"long".repeat(150), "2025-04-02T08:00:00Z"), seen())
        .step(
            stack_text(&format!("{}x", "long".repeat(150)), time),
            new_user(&format!("{}x", "long".repeat(150))),
        ),
    ];
    let pretty = serde_json::to_string_pretty(&stack("ann", time)).expect("JSON");
    cases.push(
        Case::stacks("white-space", "an event over several lines, and one with spaces around it")
            .step(pretty, new_user("ann"))
            .step(format!(" \t{} \r", stack_text("bob", time)), new_user("bob")),
    );
    cases
}

/// An event of 40 KiB with 32 terms: each alert may have 1/32 of 1 MiB, although all terms but two
/// are known.
fn large() -> Case {
    let names: Vec<String> = (0..32).map(|n| format!("user-{n:02}")).collect();
    let of = |names: &[String]| {
        let terms: Vec<_> = names.iter().map(|name| (json!([ACCOUNT, name]), None)).collect();
        alerts(&terms)
    };
    let small = with(stack("x", "2025-04-01T08:00:00Z"), "user/name", json!(&names[..30]));
    let large = with(stack("x", "2025-04-02T08:00:00Z"), "user/name", json!(names));
    let large = with(large, "blob", json!("0123456789abcdef".repeat(2_560)));
    let mut claim = of(&names[30..]);
    claim.counts.seen = 30;
    Case::stacks(
        "large-event-is-shortened",
        "an event that is too large for its alerts is shortened in them, and they give the original size",
    )
    .step(small.to_string(), of(&names[..30]))
    .step(large.to_string(), claim)
    .step(stack_text("user-32", "2025-04-02T08:00:00Z"), new_user("user-32"))
}
