//! Lengths of time as rules write them: `now-10d`, `5m`.
//!
//! In: date math relative to now. Out: milliseconds. It never takes months or years, which have no
//! fixed length.

use alloc::format;
use alloc::string::String;

/// Milliseconds of one day.
pub const DAY_MS: i64 = 86_400_000;

/// The length behind `now-`: `now-10d` is ten days in milliseconds.
///
/// # Errors
/// A message that says what is wrong with the text.
pub fn before_now(text: &str) -> Result<i64, String> {
    let trimmed = text.trim();
    let Some(length) = trimmed.strip_prefix("now-") else {
        return Err(format!("`{trimmed}` must begin with `now-`, as in now-10d"));
    };
    // Elasticsearch may round, as in `now-10d/d`: that is a calendar's matter, not a length.
    if length.contains('/') {
        return Err(format!("`{trimmed}` is rounded (`/`): use a plain length such as now-10d"));
    }
    duration(length)
}

/// A plain length: `10d`, `12h`, `90m`, `30s`, `500ms`, `2w`.
///
/// # Errors
/// A message that says what is wrong with the text.
pub fn duration(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let Ok(number) = number.parse::<i64>() else {
        return Err(format!("`{text}` must begin with a number, as in 10d"));
    };
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" | "H" => 3_600_000,
        "d" => DAY_MS,
        "w" => 7 * DAY_MS,
        "M" | "y" => {
            return Err(format!(
                "`{text}` is in months or years, which have no fixed length: use days"
            ));
        }
        _ => return Err(format!("`{text}` must end with the unit ms, s, m, h, d or w, as in 10d")),
    };
    match number.checked_mul(unit_ms) {
        Some(ms) if ms > 0 && ms <= 3_660 * DAY_MS => Ok(ms),
        Some(0) => Err(format!("`{text}` is zero: use a longer time")),
        _ => Err(format!("`{text}` is longer than ten years")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        assert_eq!(before_now("now-10d"), Ok(864_000_000));
        assert_eq!(before_now(" now-12h "), Ok(43_200_000));
        assert_eq!(duration("500ms"), Ok(500));
        assert_eq!(duration("2w"), Ok(14 * DAY_MS));
    }

    #[test]
    fn an_invalid_length_is_refused() {
        for (text, part) in [
            ("10d", "begin with `now-`"),
            ("now-d", "begin with a number"),
            ("now-1M", "no fixed length"),
            ("now-1d/d", "rounded"),
            ("now-0d", "is zero"),
            ("now-5", "end with the unit"),
            ("now-99999999999999999999d", "begin with a number"),
            ("now-9999999999d", "longer than"),
        ] {
            let error = before_now(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
