//! An event's time: RFC 3339 text or epoch milliseconds -> epoch milliseconds. No clock is read.

use chrono::NaiveDate;

/// A time in text as epoch milliseconds: RFC 3339 with any offset and fraction (cut to
/// milliseconds); also without a zone (then UTC), without seconds, as a date alone, or as a number
/// of milliseconds (of more than four characters: four are a year).
#[must_use]
pub fn parse_time_ms(text: &str) -> Option<i64> {
    rfc3339(text).or_else(|| from_number(text).filter(|_| text.len() > 4))
}

fn rfc3339(text: &str) -> Option<i64> {
    let mut rest = Rest(text.as_bytes());
    let year = rest.digits(4)?;
    rest.one_of(b"-")?;
    let month = rest.digits(2)?;
    rest.one_of(b"-")?;
    let day = rest.digits(2)?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    let mut milliseconds = date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis();
    if rest.0.is_empty() {
        return Some(milliseconds);
    }
    rest.one_of(b"Tt ")?;
    let hour = rest.digits(2)?;
    rest.one_of(b":")?;
    let minute = rest.digits(2)?;
    let mut second = 0;
    if rest.one_of(b":").is_some() {
        second = rest.digits(2)?;
        if rest.one_of(b".,").is_some() {
            milliseconds += rest.fraction()?;
        }
    }
    // 60: a leap second, counted as the next one.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    milliseconds += i64::from((hour * 60 + minute) * 60 + second) * 1000;
    Some(milliseconds - rest.offset()? * 60_000)
}

/// Epoch milliseconds as a JSON number.
pub(crate) fn from_number(text: &str) -> Option<i64> {
    /// What chrono and everything after it can still show: years -9999 to 9999.
    const LIMIT: i64 = 253_402_300_800_000;
    let milliseconds = match text.parse::<i64>() {
        Ok(whole) => whole,
        Err(_) => crate::number::whole_part(text)?,
    };
    (-LIMIT..LIMIT).contains(&milliseconds).then_some(milliseconds)
}

struct Rest<'t>(&'t [u8]);

impl Rest<'_> {
    fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let mut number = 0;
        for digit in digits {
            number = number * 10 + char::from(*digit).to_digit(10)?;
        }
        self.0 = rest;
        Some(number)
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        bytes.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    /// At least one digit; those after the third say nothing here.
    fn fraction(&mut self) -> Option<i64> {
        let mut milliseconds = i64::from(self.digits(1)?) * 100;
        let mut weight = 10;
        while let Some(digit) = self.digits(1) {
            milliseconds += i64::from(digit) * weight;
            weight /= 10;
        }
        Some(milliseconds)
    }

    /// Minutes east of UTC; to the end of the text.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-") {
            None | Some(b'Z' | b'z') => return self.0.is_empty().then_some(0),
            Some(b'-') => -1,
            Some(_) => 1,
        };
        let hours = self.digits(2)?;
        let minutes = if self.0.is_empty() {
            0
        } else {
            let _ = self.one_of(b":");
            self.digits(2)?
        };
        let sane = hours <= 23 && minutes <= 59 && self.0.is_empty();
        sane.then(|| sign * i64::from(hours * 60 + minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
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
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
            ("1969-12-31T23:59:59.999Z", -1),
            ("1688989356000", 1_688_989_356_000),
            ("-1000000", -1_000_000),
            ("1.688989356e12", 1_688_989_356_000),
        ] {
            assert_eq!(parse_time_ms(text), Some(milliseconds), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "yesterday",
            "2023",
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
        assert_eq!(from_number("1688989356000.7"), Some(1_688_989_356_000));
        assert_eq!(from_number("1.688989356e12"), Some(1_688_989_356_000));
        assert_eq!(from_number("1e30"), None);
    }
}
