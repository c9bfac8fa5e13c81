//! Any text as a rule's file: it is accepted, or its errors have places in the text and documented
//! codes; a plan can be read back; and nothing panics.
#![no_main]

use firstseen_rule::Plan;
use firstseen_rule::source::{CODES, EventTime, ReadOptions, Severity, exceptions, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for event_time in [EventTime::Timestamp, EventTime::TimestampOverride] {
        let diagnostics = match read(text, &ReadOptions { event_time, ..ReadOptions::default() }) {
            Ok(rule) => {
                let plan = Plan { rules: vec![rule.plan] };
                let bytes = plan.encode().expect("a plan can be written");
                assert_eq!(Plan::decode(&bytes).as_ref(), Ok(&plan));
                assert!(rule.warnings.iter().all(|one| one.severity == Severity::Warning));
                rule.warnings
            }
            Err(faults) => {
                assert!(faults.iter().any(|one| one.severity == Severity::Error));
                faults
            }
        };
        for one in &diagnostics {
            assert!(CODES.contains(&one.code), "{one:?}");
            let span = one.span.clone().expect("a place");
            assert!(text.get(span).is_some(), "{one:?}");
            assert!(one.position(text).is_some());
        }
    }
    let _ = exceptions(text);
});
