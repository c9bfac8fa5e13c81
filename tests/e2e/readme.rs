//! The README shows what the command prints: byte for byte.
//!
//! In: README.md. Out: whether its command, run as it stands there, prints its picture. In it
//! `cargo run --` stands for the binary that this test was built with.

use crate::support::{call, repository};

/// The lines of the fenced block that follows a mark.
fn block(readme: &str, mark: &str) -> String {
    let (_, after) = readme.split_once(&format!("<!-- {mark} -->\n")).expect(mark);
    let fence = after.strip_prefix("```").expect("a fence follows the mark at once");
    let (_, text) = fence.split_once('\n').expect("a fence has an end");
    let (block, _) = text.split_once("```\n").expect("a fence has an end");
    block.to_owned()
}

fn readme() -> String {
    std::fs::read_to_string(repository("README.md")).unwrap()
}

#[test]
fn the_picture_is_what_the_command_prints() {
    let readme = readme();
    let command = block(&readme, "run");
    let mut words = command.split_whitespace();
    assert!(["cargo", "run", "--"].into_iter().eq(words.by_ref().take(3)), "{command}");
    let mut shown = call(words.next().unwrap());
    shown.command.current_dir(repository(".")).args(words);
    assert_eq!(shown.ok().stdout, block(&readme, "picture"));
}

#[test]
fn the_picture_fits_a_terminal() {
    for line in block(&readme(), "picture").lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}
