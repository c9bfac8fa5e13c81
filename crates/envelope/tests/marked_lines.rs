//! Lines as they are marked in one pass, and as they are searched one by one: the same events, faults and places.
mod common;

use common::{brief, split, split_at};
use firstseen_envelope::SplitOptions;
use proptest::prelude::*;

const GOOD: &str = r#"{"@timestamp":"2025-03-12T17:27:20Z","event.provider":"x"}"#;

/// `split` compares both ways by itself.
#[test]
fn the_first_key_of_raw_events_means_nothing_in_other_lines() {
    // A broken line that begins with a space does not take the lines behind it with it.
    let input = format!("{{ \"eventVersion\":\"x\" \"}}\n {GOOD}\n {GOOD}\n");
    let good = brief(&split(input)).into_iter().filter(|one| *one == GOOD).count();
    assert_eq!(good, 2);
    split(format!("{GOOD}\"eventVersion\"}}\n{GOOD}\n"));
    split("{ \"eventVersion\":1,\"}\n {\"eventVersion\":1}\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn both_ways_agree_whatever_stands_on_a_line(
        words in proptest::collection::vec(
            prop_oneof![
                3 => Just("\n"), 1 => Just("\r\n"), 2 => Just(" "), 3 => Just("{"), 3 => Just("}"),
                3 => Just("\"eventVersion\""), 2 => Just("\"@timestamp\""), 1 => Just("\"Records\""),
                3 => Just("{\"eventVersion\":1}"), 3 => Just("{\"@timestamp\":2}"), 2 => Just("{ \"eventVersion\":1,"),
                2 => Just(":"), 2 => Just(","), 2 => Just("\""), 1 => Just("\\u0041"), 1 => Just("["), 1 => Just("]"),
                1 => Just("é"), 1 => Just("                                                                    "),
            ],
            0..40,
        ),
        cut in 0_usize..200,
    ) {
        let text = words.concat();
        let cut = cut.min(text.len());
        split_at(text.as_bytes(), &[cut], SplitOptions::default());
    }
}
