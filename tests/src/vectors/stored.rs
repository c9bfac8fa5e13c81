//! Values that are already in the store: of this layout, byte for byte, of a newer layout, and
//! damaged ones. The engine never overwrites a value that it cannot read.

use super::case::{
    ACCOUNT, Case, FLAGSHIP, alert, alerts, new_user, refused, repeat, seen, stack, stack_text,
    with,
};
use super::unhex;
use serde_json::json;

/// The key of ann in the default account, from docs/abi.md.
const KEY: &str = "default:0415258b-a7b2-48a6-891a-3367cd9d4d31:7bd73666cc3b5286:745d092274c4d44d8a79b0e9acda45bc";
/// Its value in docs/abi.md: one sighting at 2025-04-01T08:00:00Z, which alerted.
const VALUE: &str = "01 01 0048 5df0 9501 0000 0048 5df0 9501 0000 01 966642f95e52e51365f3787da73f0353 \
    0000000000000080 5b22313131313232323233333333222c22616e6e225d";

/// The cases of this module.
#[must_use]
pub fn cases() -> Vec<Case> {
    let ann = |day: u32| stack_text("ann", &format!("2025-04-{day:02}T08:00:00Z"));
    let term = || json!([ACCOUNT, "ann"]);
    let value = || unhex(VALUE);
    // The event of docs/abi.md, whose identity is in the value.
    let event = with(stack("ann", "2025-04-01T08:00:00Z"), "event/id", json!("e1")).to_string();
    let newer = || {
        let mut newer = value();
        newer[0] = 2;
        newer
    };
    let mut backwards = value();
    // The last sighting is earlier than the first.
    backwards[14] = 0x94;
    let cut = || value()[..20].to_vec();
    vec![
        Case::flagship("stored-seen", "a value written by an engine of version 1 can always be read: seen")
            .before(KEY, value())
            .step(ann(5), seen()),
        Case::flagship("stored-repeat", "the event that alerted before this artifact was loaded repeats its alert")
            .before(KEY, value())
            .step(event, repeat(term(), None)),
        Case::flagship("stored-long-ago", "an alert names a stored sighting from more than a window ago")
            .before(KEY, value())
            .step(ann(20), alerts(&[(term(), Some("2025-04-01T08:00:00.000Z"))])),
        Case::flagship("stored-newer", "a value of a newer layout: an error, and the value is not changed; other terms work")
            .before(KEY, newer())
            .step(ann(5), refused("bad_state"))
            .step(stack_text("bob", "2025-04-05T08:00:00Z"), new_user("bob"))
            .step(ann(20), refused("bad_state")),
        Case::flagship("stored-damaged", "a truncated value: an error, and the value is not changed")
            .before(KEY, cut())
            .step(ann(5), refused("bad_state"))
            .step(ann(20), refused("bad_state")),
        Case::flagship("stored-empty", "an empty value is damaged, not absent")
            .before(KEY, Vec::new())
            .step(ann(5), refused("bad_state")),
        Case::flagship("stored-backwards", "a value whose last sighting is before its first is damaged")
            .before(KEY, backwards)
            .step(ann(5), refused("bad_state")),
        Case::flagship("stored-of-another", "another tenant's value and a foreign key are neither read nor changed")
            .settings(json!({ "tenant": "acme" }))
            .before(KEY, value())
            .before("something else", b"of somebody else".to_vec())
            .step(ann(5), new_user("ann")),
        Case::of(
            "stored-damaged-in-a-pack",
            "the value of one rule is damaged: the other rule still alerts, and the error is beside the alert",
            &[FLAGSHIP, "tests/rules/caseless.toml"],
        )
        .before(KEY, cut())
        .step(ann(5), refused("bad_state").and(alert(json!(["CreateStack", ACCOUNT])))),
    ]
}
