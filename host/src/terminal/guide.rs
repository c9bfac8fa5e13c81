//! An investigation guide as text for a terminal.
//!
//! In: Markdown, untrusted. Out: lines of at most 80 columns: headings, paragraphs, lists, code as
//! it stands, links with their address. What a terminal would act on is escaped. It follows no link
//! and keeps no HTML.

use crate::escape::escaped;
use crate::terminal::style::{BOLD, paint};
use crate::terminal::wrap::{WIDTH, wrapped};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Lists inside lists are indented up to here.
const MAX_DEPTH: usize = 8;

/// The text of a guide; headings are bold where there is colour.
#[must_use]
pub fn render(markdown: &str, colour: bool) -> String {
    let mut page = GuidePage { colour, ..GuidePage::default() };
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        page.take(event);
    }
    page.flush();
    page.out
}

/// A title as the headings of a guide are written.
#[must_use]
pub fn title(text: &str, colour: bool) -> String {
    format!("{}\n", paint(BOLD, &escaped(text), colour))
}

#[derive(Default)]
struct GuidePage {
    out: String,
    colour: bool,
    /// The paragraph that is being read.
    text: String,
    /// For each list around it: the number of its next item, if it has numbers.
    lists: Vec<Option<u64>>,
    /// The mark of the item that begins with this paragraph.
    mark: String,
    links: Vec<String>,
    heading: bool,
    code: bool,
}

impl GuidePage {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text += &text,
            Event::Code(code) => {
                self.text += &format!("`{code}`");
            }
            Event::SoftBreak => self.text.push(' '),
            Event::HardBreak => self.text.push('\n'),
            Event::Rule => {
                self.flush();
                self.gap();
                self.out += &format!("{}\n", "-".repeat(WIDTH));
            }
            Event::Html(html) | Event::InlineHtml(html) => self.text += &html,
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { .. } => {
                self.flush();
                self.heading = true;
            }
            Tag::Paragraph if self.mark.is_empty() => self.gap(),
            Tag::CodeBlock(_) => {
                self.flush();
                self.gap();
                self.code = true;
            }
            Tag::List(first) => {
                self.flush();
                if self.lists.is_empty() {
                    self.gap();
                }
                self.lists.push(first);
            }
            Tag::Item => {
                self.flush();
                self.mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let mark = format!("{number}. ");
                        *number = number.saturating_add(1);
                        mark
                    }
                    _ => "- ".to_owned(),
                };
            }
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push(dest_url.to_string());
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                let text = std::mem::take(&mut self.text);
                self.gap();
                self.out += &title(text.trim(), self.colour);
                self.heading = false;
            }
            TagEnd::CodeBlock => {
                let code = std::mem::take(&mut self.text);
                for line in code.lines() {
                    self.out += &format!("    {}\n", escaped(line));
                }
                self.code = false;
            }
            TagEnd::Paragraph | TagEnd::Item | TagEnd::HtmlBlock => self.flush(),
            TagEnd::List(_) => {
                self.flush();
                self.lists.pop();
            }
            TagEnd::Link | TagEnd::Image => {
                let url = self.links.pop().unwrap_or_default();
                // An address that is its own text is not printed twice.
                if !url.is_empty() && !self.text.ends_with(&url) {
                    self.text += &format!(" ({url})");
                }
            }
            TagEnd::TableCell => self.text += "  ",
            TagEnd::TableRow | TagEnd::TableHead => self.flush(),
            _ => {}
        }
    }

    /// An empty line, unless there is one or nothing is before it.
    fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// Writes the paragraph that was read.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        if text.trim().is_empty() {
            return;
        }
        let depth = self.lists.len().min(MAX_DEPTH);
        let mark = std::mem::take(&mut self.mark);
        let inside = if depth == 0 { 0 } else { 3 };
        let indent = " ".repeat(depth.saturating_sub(1) * 3);
        let first = if mark.is_empty() { " ".repeat(inside) } else { format!("{mark:<inside$}") };
        let rest = " ".repeat(first.len());
        for (index, line) in text.trim().lines().enumerate() {
            let line = escaped(line.trim());
            let first = if index == 0 { &first } else { &rest };
            let (first, rest) = (format!("{indent}{first}"), format!("{indent}{rest}"));
            self.out += &wrapped(&line, &first, &rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guide_reads_as_text() {
        let markdown = "## Triage\n\nWho *did* it,\nand `why`; see [the docs](https://example.org/a).\n\n\
            1. first\n2. second, which is long enough to be wrapped into a line of its own because it goes on\n\
            \n- a\n  - b\n\n```\ncode  as it is\n```\n\nEnd <https://example.org>.";
        let expected = "Triage\n\nWho did it, and `why`; see the docs (https://example.org/a).\n\n\
            1. first\n\
            2. second, which is long enough to be wrapped into a line of its own because it\n   goes on\n\
            \n-  a\n   -  b\n\n    code  as it is\n\nEnd https://example.org.\n";
        assert_eq!(render(markdown, false), expected);
        assert!(render("# A", true).starts_with("\x1b[1mA\x1b[0m"));
    }

    #[test]
    fn what_a_terminal_would_act_on_is_escaped_and_lines_fit() {
        let markdown =
            format!("# a\x1b[2J\n\n\u{202e}b `\x07`\n\n    \x1b]0;c\n\n{}", "word ".repeat(90));
        let text = render(&markdown, false);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(!text.contains('\u{202e}'));
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        // Depth costs neither stack nor width without end.
        let deep = "- ".repeat(500) + "x";
        assert!(render(&deep, false).lines().all(|line| line.len() < 2000));
    }
}
