//! Dates as rules and events write them.
//!
//! In: RFC 3339 text, whole or cut short (`2024`, `2024-01-01`), or epoch milliseconds. Out: the
//! milliseconds that it covers. It never asks a clock, so there is no date math.

use alloc::borrow::ToOwned;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// A date, and the first and last millisecond that it stands for.
///
/// What is cut short is filled up as Elasticsearch does: months and days with 01 on both ends,
/// times with zeros for the first and 23:59:59.999 for the last millisecond.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Date {
    /// As it was written.
    pub(crate) text: String,
    /// The first millisecond.
    pub(crate) first: i64,
    /// The last millisecond.
    pub(crate) last: i64,
}

impl Date {
    /// Reads a date; `None` where the text is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (first, last) = millis(text)?;
        Some(Self { text: text.to_owned(), first, last })
    }
}

/// The first and last millisecond of a written date.
pub(crate) fn millis(text: &str) -> Option<(i64, i64)> {
    read_date(text).or_else(|| epoch_millis(text).map(|ms| (ms, ms)))
}

/// Epoch milliseconds, perhaps with a fraction, which is dropped.
pub(crate) fn epoch_millis(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if all_digits(digits) && all_digits(fraction) { whole.parse().ok() } else { None }
}

/// Reads numbers of a fixed width off the front of text.
struct Fields<'a>(&'a str);

impl Fields<'_> {
    fn number(&mut self, width: usize, within: core::ops::RangeInclusive<i64>) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(width)?;
        self.0 = rest;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok().filter(|number| within.contains(number))
    }

    fn eat(&mut self, wanted: &[char]) -> bool {
        match self.0.strip_prefix(wanted) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }
}

fn read_date(text: &str) -> Option<(i64, i64)> {
    let mut fields = Fields(text);
    let year = fields.number(4, 0..=9999)?;
    let month = if fields.eat(&['-']) { Some(fields.number(2, 1..=12)?) } else { None };
    let day = if month.is_some() && fields.eat(&['-']) {
        Some(fields.number(2, 1..=days_in_month(year, month.unwrap_or(1)))?)
    } else {
        None
    };
    let midnight = days_from_epoch(year, month.unwrap_or(1), day.unwrap_or(1)) * 86_400_000;
    let day_end = midnight + 86_399_999;
    if fields.0.is_empty() {
        return Some((midnight, day_end));
    }
    if day.is_none() || !fields.eat(&['T', 't', ' ']) {
        return None;
    }
    let (mut first, mut last) = (midnight, day_end);
    let units = [(3_600_000, 0..=23), (60_000, 0..=59), (1_000, 0..=60)];
    for (index, (unit, within)) in units.into_iter().enumerate() {
        // A leap second counts as the one before it; no unit has more than 59 otherwise.
        let number = fields.number(2, within)?.min(59);
        first += number * unit;
        last = first + unit - 1;
        if index == 2 || !fields.eat(&[':']) {
            if index == 2 && fields.eat(&['.', ',']) {
                let digits = fields.0.bytes().take_while(u8::is_ascii_digit).count();
                let (fraction, rest) = fields.0.split_at_checked(digits)?;
                fields.0 = rest;
                let mut read = Fields(fraction);
                let width = digits.min(3);
                let scale = *[0, 100, 10, 1].get(width)?;
                first += read.number(width, 0..=999)? * scale;
                last = if scale == 0 { return None } else { first };
            }
            break;
        }
    }
    let offset = offset_millis(fields.0)?;
    Some((first - offset, last - offset))
}

/// A zone: nothing (UTC), `Z`, `+01`, `+0100` or `+01:00`.
fn offset_millis(text: &str) -> Option<i64> {
    if text.is_empty() || text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let mut fields = Fields(text);
    let west = fields.eat(&['-']);
    if !west && !fields.eat(&['+']) {
        return None;
    }
    let hours = fields.number(2, 0..=23)?;
    let minutes =
        if fields.eat(&[':']) || !fields.0.is_empty() { fields.number(2, 0..=59)? } else { 0 };
    let size = hours * 3_600_000 + minutes * 60_000;
    fields.0.is_empty().then_some(if west { -size } else { size })
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar: years count from March, so that the leap day
/// is the last of a year, and from 0000-03-01, which lies 719,468 days before the epoch.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;
    /// 2024-01-01T00:00:00Z.
    const Y2024: i64 = 1_704_067_200_000;

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
            ("2023-12-31T23:59:60Z", Y2024 - 1_000, Y2024 - 1),
            ("0000-03-01T00:00:00.0Z", -719_468 * DAY, -719_468 * DAY),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999, 253_402_300_799_999),
            ("1704067200000", Y2024, Y2024),
            ("-1", -1, -1),
            ("1704067200000.7", Y2024, Y2024),
        ];
        for (text, first, last) in cases {
            assert_eq!(millis(text), Some((first, last)), "{text}");
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
            "2024-01-01T00:00:00.Z",
            "2024-01T00:00",
            "2024-01-01Z",
            "2024-01-01T00:00:00+1",
            "2024-01-01T00:00:00+01:0",
            "2024-01-01T00:00:00Zx",
            "24-01-01",
            "٢٠٢٤",
            "99999999999999999999",
        ] {
            assert_eq!(millis(text), None, "{text:?}");
        }
    }
}
