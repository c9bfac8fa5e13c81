//! The README shows what its first command prints.
//!
//! In: README.md. Out: whether the alerts and the summary in it are exactly what the command
//! prints. The test runs the binary it was built with in place of `cargo run --`.

use crate::support::{Done, call, repository};
use std::sync::LazyLock;

/// The lines of the fenced block below a mark.
fn block(mark: &str) -> &'static str {
    static README: LazyLock<String> =
        LazyLock::new(|| std::fs::read_to_string(repository("README.md")).unwrap());
    let (_, after) = README.split_once(&format!("<!-- {mark} -->\n")).expect(mark);
    let fence = after.strip_prefix("```").expect("a fence follows the mark");
    let (_, text) = fence.split_once('\n').expect("the fence has an end");
    text.split_once("```\n").expect("the fence has an end").0
}

/// What the README's command prints.
fn output() -> Done {
    let mut words = block("run").split_whitespace();
    assert!(["cargo", "run", "--"].into_iter().eq(words.by_ref().take(3)), "{}", block("run"));
    let mut command = call(words.next().unwrap());
    command.command.current_dir(repository(".")).args(words);
    command.ok()
}

/// The times of a run differ each time: the first line counts up to the size of the input.
fn without_times(summary: &str) -> String {
    let (first, rest) = summary.split_once('\n').expect("a summary has several lines");
    let (counts, times) = first.split_once("), ").expect("the first line gives times");
    assert!(times.ends_with(" events/s"), "{first}");
    format!("{counts})\n{rest}")
}

#[test]
fn shown_alerts_are_the_first_ones_and_the_rest_is_counted() {
    let (shown, marker) =
        block("picture").split_once("[").expect("a marker for the omitted alerts");
    let stdout = output().stdout;
    let rest = stdout.strip_prefix(shown).expect("the picture is how the output begins");
    let alerts = |text: &str| text.lines().filter(|line| line.starts_with("  alert ")).count();
    assert_eq!(alerts(shown), 2);
    assert_eq!(marker, format!("{} more alerts]\n", alerts(rest)));
}

#[test]
fn shown_summary_is_the_commands() {
    assert_eq!(without_times(block("summary")), without_times(&output().stderr));
}

#[test]
fn output_fits_a_terminal() {
    for line in block("picture").lines().chain(block("summary").lines()) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}
