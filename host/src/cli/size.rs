//! Sizes on the command line: `64M`, `512k`, `4096`.
//!
//! In: text. Out: a number of bytes, or why it is none. K and M stand for 1024 and 1024 * 1024.

/// A parser for clap of a size between `least` and `most` bytes; `range` says it in words.
pub(super) fn between(
    least: usize,
    most: usize,
    range: &'static str,
) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    move |text| match bytes(text) {
        None => Err("give a number of bytes, or one with K or M, such as 16M".to_owned()),
        Some(size) if (least..=most).contains(&size) => Ok(size),
        Some(_) => Err(format!("give {range}")),
    }
}

fn bytes(text: &str) -> Option<usize> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'k' | b'K' => (text.get(..text.len() - 1)?, 1 << 10),
        b'm' | b'M' => (text.get(..text.len() - 1)?, 1 << 20),
        _ => (text, 1),
    };
    digits.parse::<usize>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_or_none() {
        for (text, size) in [
            ("4096", Some(4096)),
            ("512k", Some(512 << 10)),
            ("16M", Some(16 << 20)),
            ("", None),
            ("K", None),
            ("1G", None),
            ("-1", None),
            ("é", None),
            ("99999999999999999999M", None),
        ] {
            assert_eq!(bytes(text), size, "{text}");
        }
        let parse = between(1024, 2048, "between 1K and 2K");
        assert_eq!(parse("2k"), Ok(2048));
        assert_eq!(parse("1023"), Err("give between 1K and 2K".to_owned()));
        assert!(parse("x").unwrap_err().contains("16M"));
    }
}
