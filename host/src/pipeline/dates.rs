//! When an event happened, at a glance.
//!
//! In: a line. Out: the first time in it under a name that events have for theirs. It parses nothing
//! else, and is for the summary only: no rule decides by it.

use firstseen_value::parse_time_ms;
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// How far into a line it looks.
const REACH: usize = 4096;

/// Made once: it is looked for in two lines of every block.
static NAMES: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| ["\"eventTime\"", "\"@timestamp\""].map(Finder::new));

/// The first time in a line; nothing where there is none near its beginning.
pub(super) fn first_time(line: &[u8]) -> Option<i64> {
    let line = line.get(..REACH).unwrap_or(line);
    let line = line.get(..memchr::memchr(b'\n', line).unwrap_or(line.len()))?;
    NAMES.iter().find_map(|name| {
        let behind = line.get(name.find(line)? + name.needle().len()..)?.trim_ascii_start();
        let value = behind.strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
        let end = memchr::memchr(b'"', value)?;
        parse_time_ms(std::str::from_utf8(value.get(..end)?).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::first_time;

    #[test]
    fn the_first_time_of_a_line() {
        for (line, time) in [
            (r#"{"eventTime":"1970-01-01T00:00:01Z"}"#, Some(1000)),
            ("{\"@timestamp\" : \"1970-01-01T00:00:02Z\"}\n{\"eventTime\":1}", Some(2000)),
            (r#"{"eventTime":"soon"}"#, None),
            (r#"{"a":"\"eventTime\":\"1970-01-01T00:00:01Z\""}"#, None),
            ("", None),
        ] {
            assert_eq!(first_time(line.as_bytes()), time, "{line}");
        }
    }
}
