//! Numbers against doubles and against fixed point.
use super::*;
use proptest::prelude::*;

/// The same by doubles.
fn by_double(text: &str) -> Option<String> {
    if let Ok(n) = text.parse::<i64>() {
        return Some(n.to_string());
    }
    if let Ok(n) = text.parse::<u64>() {
        return Some(n.to_string());
    }
    let n = text.parse::<f64>().ok().filter(|n| n.is_finite())?;
    if n.fract() == 0.0 && n.abs() <= 9_007_199_254_740_992.0 {
        return Some((n as i64).to_string());
    }
    Some(format!("{n:?}"))
}

#[test]
fn spellings_are_one() {
    for (text, canonical) in [
        ("443", Some("443")),
        ("443.0", Some("443")),
        ("4.43e2", Some("443")),
        ("+443", Some("443")),
        ("0443", Some("443")),
        ("-0.0", Some("0")),
        ("-0", Some("0")),
        ("0.5", Some("0.5")),
        (".5", Some("0.5")),
        ("5.", Some("5")),
        ("-1.25", Some("-1.25")),
        ("0.0001", Some("0.0001")),
        ("0.00001", Some("1e-5")),
        ("1e16", Some("1e16")),
        ("9.1e15", Some("9100000000000000.0")),
        ("1234.5e20", Some("1.2345e23")),
        ("9007199254740992.0", Some("9007199254740992")),
        ("18446744073709551615", Some("18446744073709551615")),
        ("-9223372036854775808", Some("-9223372036854775808")),
        ("-9223372036854775809", Some("-9.223372036854775809e18")),
        ("1e-400", Some("0")),
        ("1.7976931348623157e308", Some("1.7976931348623157e308")),
        ("1.7976931348623159e308", None),
        ("1e309", None),
        ("1e99999999999999999999", None),
        ("inf", None),
        ("NaN", None),
        ("", None),
        ("-", None),
        (".", None),
        ("1e", None),
        ("1e+", None),
        ("1_0", None),
        ("1.2.3", None),
        (" 1", None),
    ] {
        assert_eq!(canonical_number(text).as_deref(), canonical, "{text}");
    }
}

#[test]
fn more_digits_than_a_double_has_still_tell_numbers_apart() {
    let (a, b) = ("0.12345678901234567891", "0.12345678901234567892");
    assert_eq!(canonical_number(a).unwrap(), a);
    assert_eq!(canonical_number(b).unwrap(), b);
}

#[test]
fn whole_parts() {
    assert_eq!(whole_part("1688989356000.7"), Some(1_688_989_356_000));
    assert_eq!(whole_part("1.688989356e12"), Some(1_688_989_356_000));
    assert_eq!(whole_part("-1.9"), Some(-1));
    assert_eq!(whole_part("0.9"), Some(0));
    assert_eq!(whole_part("1e-99999999999999999999"), Some(0));
    assert_eq!(whole_part("1e30"), None);
    assert_eq!(whole_part("x"), None);
}

#[test]
fn equal_values_written_differently() {
    let groups = [
        &["443", "443.0", "0443", "+443", "4.43e2", "4430E-1", "44300.00e-2", "0.443e3"][..],
        &["0", "-0", "0.0", "0e99", "000.000", "-0e-5"],
        &["-0.05", "-5e-2", "-00.0500", "-0.5e-1"],
        &["100", "1e2", "10.0e1"],
        &["1e99999999999999999999999", "10e99999999999999999999998"],
    ];
    for group in &groups[..4] {
        for left in *group {
            for right in *group {
                assert_eq!(compare_numbers(left, right), Some(Ordering::Equal), "{left} {right}");
            }
        }
    }
    assert!(compare_numbers(groups[4][0], "1").unwrap().is_gt());
}

#[test]
fn order_without_rounding() {
    let ascending = [
        "-1e400",
        "-9007199254740993",
        "-9007199254740992",
        "-1.5",
        "-1",
        "-0.001",
        "0",
        "1e-400",
        "0.09",
        "0.1",
        "0.11",
        "1",
        "9.99",
        "10",
        "10.01",
        "9007199254740992",
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551616",
        "1e400",
    ];
    for (i, left) in ascending.iter().enumerate() {
        for (j, right) in ascending.iter().enumerate() {
            assert_eq!(compare_numbers(left, right), Some(i.cmp(&j)), "{left} {right}");
        }
    }
}

#[test]
fn what_is_no_number() {
    for text in ["", "-", "+", "1.", ".5", "1e", "1e+", "0x10", "1_000", " 1", "1 ", "NaN", "1.2.3"]
    {
        assert!(Decimal::parse(text).is_none(), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        failure_persistence: None,
        cases: 4096,
        ..ProptestConfig::default()
    })]

    #[test]
    fn up_to_fifteen_digits_it_is_what_doubles_say(
        text in "[+-]?(0{0,3}[0-9]{1,8}(\\.[0-9]{0,7})?|\\.[0-9]{1,9})([eE][+-]?[0-9]{1,2})?",
    ) {
        prop_assert_eq!(canonical_number(&text), by_double(&text), "{}", text);
        prop_assert_eq!(Decimal::parse_lenient(&text).unwrap().is_finite(), true);
    }

    #[test]
    fn what_is_no_number_is_none(text in "[+-]?[0-9.e+-]{0,8}(e[+-]?3[0-9]{2})?") {
        prop_assert_eq!(canonical_number(&text).is_some(), by_double(&text).is_some());
        let finite = text.parse::<f64>().is_ok_and(f64::is_finite);
        let ours = Decimal::parse_lenient(&text).is_some_and(|number| number.is_finite());
        prop_assert_eq!(ours, finite, "{}", text);
    }

    #[test]
    fn agrees_with_fixed_point(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000,
                               places_a in 0_usize..5, places_b in 0_usize..5) {
        let written = |n: i64, places: usize| {
            let digits = format!("{:0width$}", n.unsigned_abs(), width = places + 1);
            let (whole, fraction) = digits.split_at(digits.len() - places);
            let point = if places == 0 { "" } else { "." };
            format!("{}{whole}{point}{fraction}", if n < 0 { "-" } else { "" })
        };
        let scaled = |n: i64, places: usize| n * 10_i64.pow(4 - places as u32);
        prop_assert_eq!(
            compare_numbers(&written(a, places_a), &written(b, places_b)),
            Some(scaled(a, places_a).cmp(&scaled(b, places_b)))
        );
    }
}
