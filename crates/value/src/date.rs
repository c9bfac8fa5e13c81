//! Times and dates as events and queries write them.
//!
//! In: RFC 3339 text, whole or cut short (`2024`, `2024-01-01`), ISO 8601's basic form of date and time
//! (`20240501T100000Z`), or epoch milliseconds. Out:
//! milliseconds since 1970 in UTC. It reads no clock, so there is no date math.
//!
//! # Leap seconds
//! `23:59:60` is the second after it, as in POSIX time: `2016-12-31T23:59:60Z` is
//! `2017-01-01T00:00:00Z`, in an event and in a query. RFC 3339 allows the spelling, so an event
//! that has it is read and not refused. Elasticsearch's `strict_date_optional_time` refuses seconds
//! above 59; CloudTrail never writes them, because AWS spreads a leap second over a day.

use crate::decimal::whole_part;
use chrono::NaiveDate;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// An event's time in text as epoch milliseconds: RFC 3339 with any offset and fraction (cut to
/// milliseconds); also without a zone (then UTC), without seconds, as a date alone, or as a number
/// of milliseconds (of more than four characters: four are a year).
#[must_use]
pub fn parse_time_ms(text: &str) -> Option<i64> {
    match WrittenDate::parse(text) {
        Some(WrittenDate { precision: Precision::Day | Precision::Minute, first, .. }) => {
            Some(first)
        }
        _ => number_to_time_ms(text).filter(|_| text.len() > 4),
    }
}

/// As [`parse_time_ms`], for the one spelling that most sources write: `2024-05-01T10:00:00Z`. `None` for all others, and
/// for the last days of months, which are left to the calendar.
#[must_use]
#[inline]
pub fn parse_utc_seconds(text: &str) -> Option<i64> {
    let bytes: &[u8; 20] = text.as_bytes().try_into().ok()?;
    let [
        y0,
        y1,
        y2,
        y3,
        b'-',
        o0,
        o1,
        b'-',
        d0,
        d1,
        b'T',
        h0,
        h1,
        b':',
        m0,
        m1,
        b':',
        s0,
        s1,
        b'Z',
    ] = *bytes
    else {
        return None;
    };
    let pair = |high: u8, low: u8| {
        let (high, low) = (high.wrapping_sub(b'0'), low.wrapping_sub(b'0'));
        (high < 10 && low < 10).then(|| i64::from(high * 10 + low))
    };
    let (year, month, day) = (pair(y0, y1)? * 100 + pair(y2, y3)?, pair(o0, o1)?, pair(d0, d1)?);
    let (hour, minute, second) = (pair(h0, h1)?, pair(m0, m1)?, pair(s0, s1)?);
    let is_plain = (1..=12).contains(&month)
        && (1..=28).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !is_plain {
        return None;
    }
    // A year that begins in March has its odd day at its end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // From the first of March of the year 0 to 1970.
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Some(days * DAY + hour * HOUR + minute * MINUTE + second * SECOND)
}

/// An event's time as a JSON number of epoch milliseconds, in any spelling; a fraction is dropped.
/// `None` outside of the years -9999 to 9999, which is all that can be shown of a time.
#[must_use]
pub fn number_to_time_ms(text: &str) -> Option<i64> {
    const LIMIT: i64 = 253_402_300_800_000;
    let milliseconds = match text.parse::<i64>() {
        Ok(whole) => whole,
        Err(_) => whole_part(text)?,
    };
    (-LIMIT..LIMIT).contains(&milliseconds).then_some(milliseconds)
}

/// The first and the last millisecond of a date as a query writes it.
///
/// What is cut short is filled up as Elasticsearch does: months and days with 01 on both ends,
/// times with zeros for the first and 23:59:59.999 for the last millisecond.
#[must_use]
pub fn parse_date_range(text: &str) -> Option<(i64, i64)> {
    match WrittenDate::parse(text) {
        Some(date) => Some((date.first, date.last)),
        None => parse_epoch_ms(text).map(|ms| (ms, ms)),
    }
}

/// Epoch milliseconds as a query writes them: digits, perhaps with a fraction, which is dropped.
#[must_use]
pub fn parse_epoch_ms(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if all_digits(digits) && all_digits(fraction) { whole.parse().ok() } else { None }
}

/// RFC 3339 text: the milliseconds that it covers, and how far it goes.
struct WrittenDate {
    first: i64,
    last: i64,
    precision: Precision,
}

/// What the last written part of a date is.
#[derive(Clone, Copy)]
enum Precision {
    YearOrMonth,
    Day,
    Hour,
    /// Or finer.
    Minute,
}

impl WrittenDate {
    fn parse(text: &str) -> Option<Self> {
        let mut rest = Rest(text.as_bytes());
        let year = rest.number(4)?;
        // The basic form, `20240501T100000Z`: all of the date, and a time behind it.
        let is_basic = rest.0.get(4).is_some_and(|byte| matches!(byte, b'T' | b't'));
        let month = if is_basic || rest.eat(b"-") { Some(rest.number(2)?) } else { None };
        let has_day = is_basic || month.is_some() && rest.eat(b"-");
        let day = if has_day { Some(rest.number(2)?) } else { None };
        let digit_is_next = |rest: &Rest<'_>| rest.0.first().is_some_and(u8::is_ascii_digit);
        let date = NaiveDate::from_ymd_opt(
            i32::try_from(year).ok()?,
            month.unwrap_or(1),
            day.unwrap_or(1),
        )?;
        let midnight = i64::from(date.to_epoch_days()) * DAY;
        if rest.0.is_empty() {
            let precision = if day.is_some() { Precision::Day } else { Precision::YearOrMonth };
            return Some(Self { first: midnight, last: midnight + DAY - 1, precision });
        }
        if day.is_none() || !rest.eat(b"Tt ") {
            return None;
        }
        let mut precision = Precision::Hour;
        let mut first = midnight + rest.number_up_to(23)? * HOUR;
        let mut last = first + HOUR - 1;
        if rest.eat(b":") || is_basic && digit_is_next(&rest) {
            precision = Precision::Minute;
            first += rest.number_up_to(59)? * MINUTE;
            last = first + MINUTE - 1;
            if rest.eat(b":") || is_basic && digit_is_next(&rest) {
                // 60: a leap second, counted as the next one.
                first += rest.number_up_to(60)? * SECOND;
                last = first + SECOND - 1;
                if rest.eat(b".,") {
                    first += rest.fraction_ms()?;
                    last = first;
                }
            }
        }
        let offset = rest.offset_ms()?;
        Some(Self { first: first - offset, last: last - offset, precision })
    }
}

/// What is still to be read.
struct Rest<'t>(&'t [u8]);

impl Rest<'_> {
    /// A number of so many digits.
    fn number(&mut self, digits: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(digits)?;
        let mut number = 0;
        for digit in digits {
            number = number * 10 + char::from(*digit).to_digit(10)?;
        }
        self.0 = rest;
        Some(number)
    }

    /// A number of two digits.
    fn number_up_to(&mut self, largest: u32) -> Option<i64> {
        self.number(2).filter(|number| *number <= largest).map(i64::from)
    }

    /// Whether one of these is next; it is read then.
    fn eat(&mut self, wanted: &[u8]) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if wanted.contains(first) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// At least one digit; those after the third do not count.
    fn fraction_ms(&mut self) -> Option<i64> {
        let mut milliseconds = i64::from(self.number(1)?) * 100;
        let mut weight = 10;
        while let Some(digit) = self.number(1) {
            milliseconds += i64::from(digit) * weight;
            weight /= 10;
        }
        Some(milliseconds)
    }

    /// How far east of UTC, to the end of the text: nothing (UTC), `Z`, `+01`, `+0100`, `+01:00`.
    fn offset_ms(&mut self) -> Option<i64> {
        let is_west = self.0.first() == Some(&b'-');
        if !self.eat(b"+-") {
            return matches!(self.0, b"" | b"Z" | b"z").then_some(0);
        }
        let hours = self.number_up_to(23)?;
        let minutes = if self.eat(b":") || !self.0.is_empty() { self.number_up_to(59)? } else { 0 };
        let offset = hours * HOUR + minutes * MINUTE;
        self.0.is_empty().then_some(if is_west { -offset } else { offset })
    }
}

#[cfg(test)]
mod tests;
