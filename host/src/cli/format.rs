//! `--format`: the forms in which alerts and explanations are written.
//!
//! In: the option, and where the output goes. Out: how a sink writes. It opens nothing.

use super::common::Common;
use crate::sink::{AlertRenderer, Format};
use crate::terminal::screen::{self, TextForm};
use crate::terminal::wrap::WIDTH;
use crate::terminal::{line, pretty, style, table};
use clap::ValueEnum;
use std::io::{IsTerminal, Write};

/// The output formats of `explain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// Pretty on a terminal, NDJSON in a pipe or a file
    Auto,
    /// For people
    Pretty,
    /// One JSON object per line
    Ndjson,
}

/// The output formats of `run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AlertFormatArg {
    /// Pretty on a terminal, NDJSON in a pipe or a file
    Auto,
    /// For people: a paragraph per alert, as wide as the terminal (80 columns elsewhere)
    Pretty,
    /// For people: one line per alert, with time, severity, rule, new terms, last seen
    Line,
    /// For spreadsheets: a row per alert, below a row of names
    Csv,
    /// One JSON object per line
    Ndjson,
}

/// How `explain` writes.
pub(super) fn explanations(arg: FormatArg, common: &Common) -> Format {
    match arg {
        FormatArg::Auto if on_terminal(common) => Format::Pretty(renderer(common)),
        FormatArg::Pretty => Format::Pretty(renderer(common)),
        FormatArg::Auto | FormatArg::Ndjson => Format::Ndjson,
    }
}

/// How `run` writes alerts.
pub(super) fn alerts(arg: AlertFormatArg, common: &Common) -> Format {
    let renderer = renderer(common);
    match arg {
        AlertFormatArg::Auto if on_terminal(common) => Format::Pretty(renderer),
        AlertFormatArg::Pretty => Format::Pretty(renderer),
        AlertFormatArg::Line => {
            // Nobody is helped by a line that is cut where there is no edge.
            let width = if on_terminal(common) { renderer.width } else { usize::MAX };
            Format::Lines(AlertRenderer { render: line::render, width, ..renderer })
        }
        AlertFormatArg::Csv => Format::Lines(AlertRenderer {
            render: table::render,
            header: Some(table::HEADER),
            ..renderer
        }),
        AlertFormatArg::Auto | AlertFormatArg::Ndjson => Format::Ndjson,
    }
}

/// Standard output for this form.
pub(super) fn stdout(format: Format) -> Box<dyn Write + Send> {
    screen::stdout(match format {
        Format::Ndjson => TextForm::Json,
        Format::Pretty(_) | Format::Lines(_) => TextForm::Plain,
    })
}

fn on_terminal(common: &Common) -> bool {
    common.output.is_none() && std::io::stdout().is_terminal()
}

fn renderer(common: &Common) -> AlertRenderer {
    let colour = common.output.is_none() && style::on_stdout();
    let width = if on_terminal(common) { screen::width().unwrap_or(WIDTH) } else { WIDTH };
    AlertRenderer { render: pretty::render, colour, width, header: None }
}
