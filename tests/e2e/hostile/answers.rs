//! Guests that answer what they may not, or not at all.
//!
//! In: nothing. Out: artifacts that are loaded, and whose only event is not judged. They are refused by nothing that can
//! be seen before they run.

use super::guest::{ALERT, EVENT, HostileGuest, KEY, TIME_MS, decision, item, keys};
use super::{Case, Held};
use firstseen_abi::{Counts, ItemKind, OutcomeKind};

/// Whose `keys` answers this.
fn keys_case(name: &str, answer: Vec<u8>, word: &'static str) -> Case {
    Case::guest(name, Held::Contained(word), |guest| guest.keys = answer)
}

/// Whose `decide` answers this.
fn decide_case(name: &str, answer: Vec<u8>, word: &'static str) -> Case {
    Case::guest(name, Held::Contained(word), |guest| guest.decide = answer)
}

/// An honest answer with other bytes at a place.
fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut out = HostileGuest::default().keys;
    out[at..at + bytes.len()].copy_from_slice(bytes);
    out
}

fn body(name: &str, export: &'static str, body: &str, held: Held) -> Case {
    Case::guest(name, held, |guest| guest.bodies.push((export, body.to_owned())))
}

/// Answers of `keys`.
pub(super) fn of_keys() -> Vec<Case> {
    let broken = "broke the contract";
    let len = EVENT.len() as u32;
    let one = |rule: u16, key: &[u8]| keys(|writer| item(writer, rule, &[key]));
    let counts = |change: fn(&mut Counts)| {
        keys(|writer| {
            item(writer, 0, &[KEY.as_bytes()]);
            change(&mut writer.counts);
        })
    };
    let of_kind = |kind: ItemKind, time_ms: i64| {
        keys(|writer| {
            writer.item(kind, 0, (0, len), time_ms, &[7; 16], "x: y", [].into_iter());
        })
    };
    let longest = format!("{KEY}{}", "1".repeat(256 - KEY.len()));
    // Its last byte is the first of the term.
    let mut too_long = one(0, longest.as_bytes());
    too_long[76..82].copy_from_slice(&[1, 1, 6, 0, 0, 0]);
    let huge = u32::MAX.to_le_bytes();
    vec![
        keys_case("keys: status 1", 1u32.to_le_bytes().to_vec(), "status 1"),
        keys_case("keys: status of nothing", 77u32.to_le_bytes().to_vec(), "status 77"),
        keys_case("keys: nothing behind the status", vec![0; 4], broken),
        keys_case("keys: half a head", vec![0; 20], broken),
        keys_case("keys: cut in an item", HostileGuest::default().keys[..60].to_vec(), broken),
        keys_case("keys: 4 billion items", patched(24, &huge), "more items than"),
        keys_case("keys: one item more than there is", patched(24, &[2, 0, 0, 0]), broken),
        keys_case("keys: 4 billion events read", counts(|c| c.read = u32::MAX), "counts of more"),
        keys_case("keys: 4 billion matches", counts(|c| c.matched = u32::MAX), "counts of more"),
        keys_case("keys: 4 billion bad", counts(|c| c.bad = u32::MAX), "counts of more"),
        keys_case("keys: an item of no size", patched(32, &[0; 4]), broken),
        keys_case("keys: an item shorter than its head", patched(32, &[43, 0, 0, 0]), broken),
        keys_case("keys: an item longer than all", patched(32, &huge), broken),
        keys_case("keys: kind 0", patched(36, &[0]), broken),
        keys_case("keys: kind 200", patched(36, &[200]), broken),
        keys_case("keys: rule 1 of 1", one(1, KEY.as_bytes()), "no rule"),
        keys_case("keys: rule 65535", one(u16::MAX, KEY.as_bytes()), "no rule"),
        keys_case("keys: an event elsewhere", patched(40, &[1, 0, 0, 0]), "about no event"),
        keys_case("keys: an event far away", patched(40, &huge), "about no event"),
        keys_case("keys: an event of another length", patched(44, &[1, 0, 0, 0]), "about no event"),
        keys_case("keys: more terms than there are", patched(72, &[255, 255]), broken),
        keys_case("keys: fewer terms than there are", patched(72, &[0, 0]), broken),
        keys_case("keys: a longer text than there is", patched(74, &[255, 255]), broken),
        keys_case("keys: a longer key than there is", patched(76, &[255, 255]), broken),
        keys_case("keys: a longer term than there is", patched(78, &huge), broken),
        keys_case(
            "keys: the same item twice",
            keys(|writer| (0..2).for_each(|_| item(writer, 0, &[KEY.as_bytes()]))),
            "twice",
        ),
        keys_case(
            "keys: four items of one event and one rule",
            keys(|writer| (0..4).for_each(|_| item(writer, 0, &[KEY.as_bytes()]))),
            "twice",
        ),
        keys_case(
            "keys: 20,000 items of one event and one rule",
            keys(|writer| (0..2_000).for_each(|_| item(writer, 0, &[KEY.as_bytes()]))),
            "more items than",
        ),
        keys_case("keys: another rule's key", one(0, b"default:other:0011:1"), "own prefix"),
        keys_case("keys: another tenant's key", one(0, b"acme:hostile:0011:1"), "own prefix"),
        keys_case("keys: an empty key", one(0, b""), "own prefix"),
        keys_case("keys: only the prefix's beginning", one(0, b"default:hostile:"), "own prefix"),
        keys_case(
            "keys: a key of other letters",
            one(0, "default:hostile:0011:ö".as_bytes()),
            "own prefix",
        ),
        keys_case("keys: a key of control characters", one(0, b"x\x1b[2J"), "own prefix"),
        Case::guest("keys: a key as long as it may be", Held::Honest, |guest| {
            guest.keys = one(0, longest.as_bytes());
        }),
        keys_case("keys: a key that is too long", too_long, "own prefix"),
        keys_case("keys: a term of no UTF-8", patched(82 + KEY.len(), &[0xff]), broken),
        keys_case("keys: a match without terms", keys(|writer| item(writer, 0, &[])), ""),
        keys_case("keys: bad", of_kind(ItemKind::Bad, 0), "x: y"),
        keys_case("keys: no events", of_kind(ItemKind::NoEvents, 0), ""),
        keys_case("keys: too many terms", of_kind(ItemKind::TooManyTerms, TIME_MS), "x: y"),
        keys_case("keys: at the end of time", patched(48, &i64::MAX.to_le_bytes()), "future"),
        Case::guest("keys: at the beginning of time", Held::Honest, |guest| {
            guest.keys = patched(48, &i64::MIN.to_le_bytes());
        }),
        body("keys: nothing", "keys", "(i64.const 0)", Held::Contained("no room")),
        body(
            "keys: outside memory",
            "keys",
            "(i64.const 0xfffffff000000010)",
            Held::Contained("outside memory"),
        ),
        body("keys: all of memory", "keys", "(i64.const 0x100000)", Held::Contained("no room")),
        body("keys: 4 GiB", "keys", "(i64.const 0xffffffff)", Held::Contained("no room")),
        body(
            "keys: from the end on",
            "keys",
            "(i64.const 0x11000000000001)",
            Held::Contained("outside memory"),
        ),
    ]
}

/// Answers of `decide`.
pub(super) fn of_decide() -> Vec<Case> {
    let broken = "broke the contract";
    let alert = |text: &str| decision(&[(0, b"v", 1)], &[(0, 0, OutcomeKind::Alert, text)]);
    let outcomes = |all: &[(u32, u16, OutcomeKind, &str)]| decision(&[(0, b"v", 1)], all);
    let writes = |all: &[(u32, &[u8], i64)]| decision(all, &[(0, 0, OutcomeKind::Alert, ALERT)]);
    let patched = |at: usize, bytes: &[u8]| {
        let mut out = HostileGuest::default().decide;
        out[at..at + bytes.len()].copy_from_slice(bytes);
        out
    };
    let kind = 16 + 16 + 5 + 6;
    let long = [b'v'; 513];
    let id = r#""kibana.alert.rule.rule_id":"hostile""#;
    vec![
        decide_case("decide: status 3", 3u32.to_le_bytes().to_vec(), "status 3"),
        decide_case("decide: nothing behind the status", vec![0; 4], broken),
        decide_case("decide: cut", HostileGuest::default().decide[..30].to_vec(), broken),
        decide_case("decide: 4 billion writes", patched(4, &[255; 4]), broken),
        decide_case("decide: 4 billion outcomes", patched(8, &[255; 4]), broken),
        decide_case("decide: fewer outcomes than there are", patched(8, &[0; 4]), broken),
        decide_case("decide: a write to no key", writes(&[(1, b"v", 1)]), "no key"),
        decide_case("decide: a write to key 4 billion", writes(&[(u32::MAX, b"v", 1)]), "no key"),
        decide_case("decide: two writes to a key", writes(&[(0, b"v", 1), (0, b"w", 1)]), broken),
        decide_case("decide: a value that is too long", writes(&[(0, &long, 1)]), "too long"),
        decide_case("decide: a value longer than all", patched(20, &[255; 4]), broken),
        decide_case("decide: kind 0", patched(kind, &[0]), broken),
        decide_case("decide: kind 99", patched(kind, &[99]), broken),
        decide_case("decide: no item", outcomes(&[(1, 0, OutcomeKind::Alert, ALERT)]), "no term"),
        decide_case(
            "decide: item 4 billion",
            outcomes(&[(u32::MAX, 0, OutcomeKind::Alert, ALERT)]),
            "no term",
        ),
        decide_case("decide: no term", outcomes(&[(0, 1, OutcomeKind::Alert, ALERT)]), "no term"),
        decide_case(
            "decide: the start of learning",
            outcomes(&[(0, 9, OutcomeKind::Learned, "")]),
            "no term",
        ),
        decide_case(
            "decide: two outcomes of a term",
            outcomes(&[(0, 0, OutcomeKind::Alert, ALERT); 2]),
            broken,
        ),
        decide_case(
            "decide: an alert and an error",
            outcomes(&[(0, 0, OutcomeKind::Alert, ALERT), (0, 0, OutcomeKind::Error, "x: y")]),
            broken,
        ),
        decide_case("decide: an empty alert", alert(""), "an alert that"),
        decide_case("decide: an alert that is no JSON", alert("{\"a\":}"), "an alert that"),
        decide_case(
            "decide: an alert that is not closed",
            alert(&format!("{{{id}")),
            "an alert that",
        ),
        decide_case(
            "decide: an alert that is an array",
            alert(&format!("[{{{id}}}]")),
            "an alert that",
        ),
        decide_case("decide: an alert that is a text", alert("\"alert\""), "an alert that"),
        decide_case(
            "decide: an alert of two lines",
            alert(&format!("{{{id}}}\n")),
            "an alert that",
        ),
        decide_case(
            "decide: two alerts in one",
            alert(&format!("{{{id}}}{{{id}}}")),
            "an alert that",
        ),
        decide_case(
            "decide: a second alert behind a line break",
            alert(&format!("{{{id}}}\n{{{id}}}")),
            "an alert that",
        ),
        decide_case("decide: an alert without its rule", alert("{\"a\":1}"), "an alert that"),
        decide_case(
            "decide: an alert of another rule",
            alert(&ALERT.replace("hostile", "other")),
            "an alert that",
        ),
        decide_case(
            "decide: an alert of two rules",
            alert(&format!(r#"{{{id},"kibana.alert.rule.rule_id":"other"}}"#)),
            "an alert that",
        ),
        decide_case(
            "decide: the rule is in the event alone",
            alert(&format!("{{\"a\":{{{id}}}}}")),
            "an alert that",
        ),
        decide_case(
            "decide: a repeat of another rule",
            outcomes(&[(0, 0, OutcomeKind::Repeat, "{}")]),
            "an alert that",
        ),
        decide_case(
            "decide: wants a text for ever",
            outcomes(&[(0, 0, OutcomeKind::NeedsEvent, "")]),
            broken,
        ),
        decide_case(
            "decide: an error of escapes",
            outcomes(&[(0, 0, OutcomeKind::Error, "\x1b[2J: \n\r")]),
            "not decided",
        ),
        decide_case(
            "decide: an error that is long",
            outcomes(&[(0, 0, OutcomeKind::Error, &"x".repeat(300_000))]),
            "not decided",
        ),
        Case::guest("decide: a value that is kept for no time", Held::Honest, |guest| {
            guest.decide = writes(&[(0, b"v", i64::MIN)]);
        }),
        Case::guest("decide: a value for all time", Held::Honest, |guest| {
            guest.decide = writes(&[(0, b"v", i64::MAX)]);
        }),
        body("decide: nothing", "decide", "(i64.const 0)", Held::Contained("no room")),
        body(
            "decide: outside memory",
            "decide",
            "(i64.const 0xfffffff000000010)",
            Held::Contained("outside memory"),
        ),
        body(
            "decide: its own input",
            "decide",
            "(i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1)))",
            Held::Contained(broken),
        ),
        body("decide: 4 GiB", "decide", "(i64.const 0xffffffff)", Held::Contained("no room")),
    ]
}

/// Writes the honest item again and again, into memory that it grows for them.
fn flood() -> String {
    let item = HostileGuest::default().keys.len() - 32;
    format!(
        "(local $n i32) (local $at i32)
        (drop (memory.grow (i32.const 2600)))
        (memory.copy (i32.const 1048576) (i32.const 131072) (i32.const 32))
        (local.set $at (i32.const 1048608))
        (loop $next
            (memory.copy (local.get $at) (i32.const 131104) (i32.const {item}))
            (local.set $at (i32.add (local.get $at) (i32.const {item})))
            (br_if $next (i32.lt_u
                (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1200000))))
        (i32.store offset=24 (i32.const 1048576) (i32.const 1200000))
        (i64.or (i64.shl (i64.const 1048576) (i64.const 32))
            (i64.extend_i32_u (i32.sub (local.get $at) (i32.const 1048576))))"
    )
}

/// Calls that do not come back, or with what nobody asked for.
pub(super) fn of_calls() -> Vec<Case> {
    let trap = Held::Contained("trapped");
    let fill = "(local $n i32) (loop $next
        (call $log (i32.const 1) (i32.const 1024) (i32.const 60000))
        (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 10000))))";
    let log = r#"(import "firstseen_v1" "log" (func $log (param i32 i32 i32)))"#;
    let get =
        r#"(import "firstseen_v1" "kv_get" (func $get (param i32 i32 i32 i32) (result i32)))"#;
    let with = |name: &str, imports: &str, code: &str, held: Held| {
        Case::guest(name, held, |guest| {
            guest.imports = imports.to_owned();
            guest.bodies.push(("reset", code.to_owned()));
        })
    };
    let mut all = vec![
        body("alloc: nothing", "alloc", "(i32.const 0)", Held::Contained("no room")),
        body(
            "alloc: outside memory",
            "alloc",
            "(i32.const -16)",
            Held::Contained("outside memory"),
        ),
        body(
            "alloc: the end of memory",
            "alloc",
            "(i32.const 0x10fff0)",
            Held::Contained("outside memory"),
        ),
        body(
            "alloc: its own answer",
            "alloc",
            "(i32.const 131072)",
            Held::Contained("broke the contract"),
        ),
        body("reset: calls itself", "reset", "(call 2)", trap),
        body("keys: divides by zero", "keys", "(i64.div_u (i64.const 1) (i64.const 0))", trap),
        body("keys: reads outside memory", "keys", "(i64.load (i32.const -8))", trap),
        body(
            "keys: grows until it cannot",
            "keys",
            "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
            trap,
        ),
        body(
            "keys: fills 190 MB",
            "keys",
            "(drop (memory.grow (i32.const 2900))) (memory.fill (i32.const 0) (i32.const 1) (i32.const 190000000)) (i64.const 0xb5000000)",
            Held::Contained("no room"),
        ),
        body("keys: 1,200,000 items", "keys", &flood(), Held::Contained("no room")),
        body("configure: refuses", "configure", "(i64.const 0)", Held::Honest),
        body("evaluate: traps", "evaluate", "unreachable", Held::Honest),
        with("reset: fills the log", log, fill, Held::Honest),
        with(
            "reset: logs what is not in memory",
            log,
            "(call $log (i32.const 1) (i32.const -8) (i32.const -1))",
            Held::Honest,
        ),
        with(
            "reset: logs no text",
            log,
            "(call $log (i32.const -7) (i32.const 131072) (i32.const 100))",
            Held::Honest,
        ),
        with(
            "reset: reads a key outside memory",
            get,
            "(drop (call $get (i32.const -8) (i32.const 100) (i32.const -8) (i32.const 100)))",
            Held::Honest,
        ),
    ];
    for export in ["alloc", "reset", "keys", "decide"] {
        all.push(body(&format!("{export}: traps"), export, "unreachable", trap));
    }
    all
}
