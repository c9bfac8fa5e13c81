//! Times in a test file: `+3d`, `-1d12h`, or a date.
//!
//! In: text and the time that stands for `+0s`. Out: milliseconds since 1970, UTC; or what is wrong
//! with the text. There is no clock here: a test means the same on every day.

use firstseen_rule::alert::rfc3339;
use firstseen_rule::window;
use firstseen_value::parse_time_ms;

/// The time of `+0s` where a file gives none: some Monday.
pub(super) const START: &str = "2025-01-06T09:00:00Z";

/// Reads a time: an offset from `start_ms`, or RFC 3339.
pub(super) fn read(text: &str, start_ms: i64) -> Result<i64, String> {
    let text = text.trim();
    let (sign, rest) = match text.as_bytes().first() {
        Some(b'+') => (1, text.get(1..)),
        Some(b'-') => (-1, text.get(1..)),
        _ => {
            return parse_time_ms(text).ok_or_else(|| {
                format!(
                    "`{text}` is not a time: give an offset such as +3d, -1d12h or +0s, or a date \
                     such as {START}"
                )
            });
        }
    };
    let offset = offset(rest.unwrap_or_default()).map_err(|e| format!("`{text}`: {e}"))?;
    start_ms.checked_add(sign * offset).ok_or_else(|| format!("`{text}` is out of range"))
}

/// Lengths one after another: `1d12h`. Nothing at all may be written `0s`.
fn offset(mut text: &str) -> Result<i64, String> {
    if text.is_empty() {
        return Err("give a length such as 3d or 1d12h".to_owned());
    }
    let mut sum = 0_i64;
    while !text.is_empty() {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let unit = text.bytes().skip(digits).take_while(u8::is_ascii_alphabetic).count();
        let (one, rest) = text.split_at_checked((digits + unit).max(1)).unwrap_or((text, ""));
        let is_zero = digits > 0 && one.bytes().take(digits).all(|b| b == b'0');
        // `0s` is no length for a window, and a fine offset.
        let ms = if is_zero { zero(one, digits)? } else { window::duration(one)? };
        sum = sum.checked_add(ms).ok_or("too long")?;
        text = rest;
    }
    Ok(sum)
}

/// Zero of a unit that there is.
fn zero(text: &str, digits: usize) -> Result<i64, String> {
    window::duration(&format!("1{}", text.get(digits..).unwrap_or_default())).map(|_| 0)
}

/// A time as a date, without the milliseconds that it does not have.
pub(super) fn date(ms: i64) -> String {
    rfc3339(ms).replace(".000Z", "Z")
}

/// A difference as people say it: `3d`, `1d12h`, `0s`; with a sign.
pub(super) fn shown(ms: i64) -> String {
    let mut rest = ms.unsigned_abs();
    let mut out = String::from(if ms < 0 { "-" } else { "+" });
    for (unit, length) in
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]
    {
        let count = rest / length;
        rest %= length;
        if count > 0 {
            out.push_str(&format!("{count}{unit}"));
        }
    }
    if out.len() == 1 {
        out.push_str("0s");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn offsets_and_dates() {
        for (text, ms) in [
            ("+0s", 1_000),
            ("-0d", 1_000),
            ("+3d", 1_000 + 3 * DAY),
            ("-1d12h", 1_000 - DAY - DAY / 2),
            ("+1d0h5ms", 1_005 + DAY),
            ("1970-01-02T00:00:00Z", DAY),
            (" +1m ", 61_000),
        ] {
            assert_eq!(read(text, 1_000), Ok(ms), "{text}");
        }
        for (text, part) in [
            ("3d", "not a time"),
            ("", "not a time"),
            ("+", "give a length"),
            ("+3", "end with the unit"),
            ("+0", "end with the unit"),
            ("+0x", "end with the unit"),
            ("+1d-2h", "begin with a number"),
            ("+é", "begin with a number"),
            ("+9999999999999999d", "longer than"),
            ("tomorrow", "not a time"),
        ] {
            let error = read(text, 0).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(parse_time_ms(START).is_some());
    }

    #[test]
    fn differences_are_shown_as_they_are_written() {
        for text in ["+0s", "+3d", "-1d12h", "+1d5ms", "-2h3m4s"] {
            assert_eq!(shown(read(text, 0).unwrap()), text);
        }
    }
}
