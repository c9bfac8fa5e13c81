//! Every form of a time and a date, and what is none.

use super::*;
use proptest::prelude::*;

/// 2024-01-01T00:00:00Z.
const Y2024: i64 = 1_704_067_200_000;

#[test]
fn a_time_in_every_form() {
    for (text, milliseconds) in [
        ("1970-01-01T00:00:00Z", 0),
        ("2023-07-10T11:42:36Z", 1_688_989_356_000),
        ("2023-07-10T11:42:36.5Z", 1_688_989_356_500),
        ("2023-07-10t11:42:36.123999999z", 1_688_989_356_123),
        ("2023-07-10T13:42:36.000+02:00", 1_688_989_356_000),
        ("2023-07-10T06:12:36-0530", 1_688_989_356_000),
        ("2023-07-10T13:42:36+02", 1_688_989_356_000),
        ("2023-07-10 11:42:36", 1_688_989_356_000),
        ("2023-07-10T11:42Z", 1_688_989_320_000),
        ("2023-07-10", 1_688_947_200_000),
        ("1969-12-31T23:59:59.999Z", -1),
        ("1688989356000", 1_688_989_356_000),
        ("-1000000", -1_000_000),
        ("1.688989356e12", 1_688_989_356_000),
    ] {
        assert_eq!(parse_time_ms(text), Some(milliseconds), "{text}");
    }
}

#[test]
fn the_usual_spelling_is_read_alike() {
    for day in 0..146_097 {
        let date = NaiveDate::from_epoch_days(day - 100_000).expect("a day");
        let text = format!("{date}T{:02}:{:02}:{:02}Z", day % 24, day % 60, day % 59);
        let plain = chrono::Datelike::day(&date) <= 28;
        assert_eq!(parse_utc_seconds(&text), parse_time_ms(&text).filter(|_| plain), "{text}");
    }
    for text in [
        "2024-00-01T10:00:00Z",
        "2024-13-01T10:00:00Z",
        "2024-01-00T10:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T10:60:00Z",
        "2024-01-01T10:00:60Z",
        "2024-01-01t10:00:00Z",
        "2024-01-01T10:00:0:Z",
        "2024-01-01T10:00:00",
        "2024-01-01T10:00:00.0Z",
        "",
    ] {
        assert_eq!(parse_utc_seconds(text), None, "{text}");
    }
    for text in ["0000-01-01T00:00:00Z", "0000-02-28T23:59:59Z", "9999-12-28T23:59:59Z"] {
        assert_eq!(parse_utc_seconds(text), parse_time_ms(text), "{text}");
        assert!(parse_time_ms(text).is_some());
    }
}

proptest! {
    #[test]
    fn whatever_the_quick_way_reads_is_the_time(text in "[0-9]{4}-[0-9]{2}-[0-3][0-9]T[0-9:]{2}:[0-9]{2}:[0-9]{2}Z") {
        if let Some(time) = parse_utc_seconds(&text) {
            prop_assert_eq!(parse_time_ms(&text), Some(time));
        }
    }
}

#[test]
fn what_is_no_time() {
    for text in [
        "",
        "yesterday",
        "2023",
        "2023-07",
        "2023-07-10T11",
        "2023-07-10T11Z",
        "2023-13-01",
        "2023-02-30T00:00:00Z",
        "2023-07-10T24:00:00Z",
        "2023-07-10T11:60:00Z",
        "2023-07-10T11:42:61Z",
        "2023-07-10T11:42:36.Z",
        "2023-07-10T11:42:36Zx",
        "2023-07-10T11:42:36+24:00",
        "2023-07-10T11:42:36+2",
        "2023-07-10T",
        "2023-7-1",
        "+02023-07-10",
        "９０２３-07-10",
        "99999999999999999999999",
    ] {
        assert_eq!(parse_time_ms(text), None, "{text}");
    }
}

#[test]
fn a_time_as_a_number() {
    assert_eq!(number_to_time_ms("1688989356000.7"), Some(1_688_989_356_000));
    assert_eq!(number_to_time_ms("1.688989356e12"), Some(1_688_989_356_000));
    assert_eq!(number_to_time_ms("1e30"), None);
    assert_eq!(number_to_time_ms("253402300800000"), None);
}

#[test]
fn a_leap_second_is_the_second_after_it() {
    for (leap, next) in [
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2016-12-31T23:59:60.250Z", "2017-01-01T00:00:00.250Z"),
        ("2017-01-01T00:59:60+01:00", "2017-01-01T00:00:00Z"),
    ] {
        assert!(parse_time_ms(leap).is_some());
        assert_eq!(parse_time_ms(leap), parse_time_ms(next), "{leap}");
        assert_eq!(parse_date_range(leap), parse_date_range(next), "{leap}");
    }
}

#[test]
fn whole_and_partial_dates() {
    let cases = [
        ("1970-01-01T00:00:00Z", 0, 999),
        ("2024-01-01T00:00:00.000Z", Y2024, Y2024),
        ("2024-01-01", Y2024, Y2024 + DAY - 1),
        ("2024", Y2024, Y2024 + DAY - 1),
        ("2024-02", Y2024 + 31 * DAY, Y2024 + 32 * DAY - 1),
        ("2024-02-29", Y2024 + 59 * DAY, Y2024 + 60 * DAY - 1),
        ("2024-01-01T01", Y2024 + 3_600_000, Y2024 + 7_199_999),
        ("2024-01-01T00:01", Y2024 + 60_000, Y2024 + 119_999),
        ("2024-01-01T00:00:01", Y2024 + 1_000, Y2024 + 1_999),
        ("2024-01-01 00:00:01", Y2024 + 1_000, Y2024 + 1_999),
        ("2024-01-01t00:00:00.5z", Y2024 + 500, Y2024 + 500),
        ("2024-01-01T00:00:00.123456789Z", Y2024 + 123, Y2024 + 123),
        ("2024-01-01T01:00:00.000+01:00", Y2024, Y2024),
        ("2024-01-01T01:00:00.000+0100", Y2024, Y2024),
        ("2023-12-31T23:30:00.000-00:30", Y2024, Y2024),
        ("2024-01-01T01+01", Y2024, Y2024 + 3_599_999),
        ("0000-03-01T00:00:00.0Z", -719_468 * DAY, -719_468 * DAY),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999, 253_402_300_799_999),
        ("1704067200000", Y2024, Y2024),
        ("-1", -1, -1),
        ("1704067200000.7", Y2024, Y2024),
    ];
    for (text, first, last) in cases {
        assert_eq!(parse_date_range(text), Some((first, last)), "{text}");
    }
}

#[test]
fn what_is_no_date() {
    for text in [
        "",
        "now",
        "now-1d",
        "2024-13-01",
        "2024-02-30",
        "2023-02-29",
        "2024-01-01T",
        "2024-01-01T24:00",
        "2024-01-01T00:60",
        "2024-01-01T00:00:61",
        "2024-01-01T00:00:00.Z",
        "2024-01T00:00",
        "2024-01-01Z",
        "2024-01-01T00:00:00+1",
        "2024-01-01T00:00:00+01:0",
        "2024-01-01T00:00:00Zx",
        "24-01-01",
        "٢٠٢٤",
        "99999999999999999999",
        "1.7e12",
    ] {
        assert_eq!(parse_date_range(text), None, "{text:?}");
    }
}

proptest! {
    #[test]
    fn a_time_is_the_first_millisecond_of_the_same_date(
        text in "(19|20)[0-9]{2}-(0[1-9]|1[0-2])-[0-3][0-9]([T ][0-2][0-9]:[0-5][0-9](:[0-6][0-9]([.,][0-9]{0,4})?)?(Z|[+-][0-2][0-9]:?[0-5][0-9])?)?",
    ) {
        let first = parse_date_range(&text).map(|(first, _)| first);
        prop_assert_eq!(parse_time_ms(&text), first, "{}", text);
    }
}

#[test]
fn the_basic_form_is_the_extended_one() {
    let time = parse_time_ms("2024-05-01T10:00:05.250+02:00");
    assert!(time.is_some());
    for text in ["20240501T100005.250+0200", "20240501t080005.25Z", "20240501T080005.250"] {
        assert_eq!(parse_time_ms(text), time, "{text}");
    }
    assert_eq!(parse_time_ms("20240501T10Z"), None, "an hour alone is no time");
    assert_eq!(parse_time_ms("20240501T1000Z"), parse_time_ms("2024-05-01T10:00Z"));
    for text in ["20240501T10:00:05Z5", "20241301T100005Z", "2024051T100005Z", "20240501T1"] {
        assert_eq!(parse_time_ms(text), None, "{text}");
    }
    // Without a time it is a number.
    assert_eq!(parse_time_ms("20240501"), Some(20_240_501));
}
