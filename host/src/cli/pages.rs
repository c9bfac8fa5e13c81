//! `completions` and `man`: what a package of firstseen ships, made from the command line itself.
//!
//! In: a shell's name, or a folder. Out: a completion script on standard output; man pages, one for
//! each command, in the folder, or that of firstseen on standard output.

use super::ExitStatus;
use crate::files::{shown, write_whole};
use crate::terminal::message::{self, print};
use crate::terminal::screen::TextForm;
use anyhow::anyhow;
use clap_complete::Shell;
use std::path::PathBuf;

/// The arguments of `completions`.
#[derive(Debug, Clone, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// The arguments of `man`.
#[derive(Debug, Clone, clap::Args)]
pub struct ManArgs {
    /// Write one page per command into this folder
    ///
    /// By default the page of firstseen is written to standard output.
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

/// Writes a completion script for this command line.
///
/// # Errors
/// When it cannot be written.
pub fn completions(
    args: &CompletionsArgs,
    mut command: clap::Command,
) -> anyhow::Result<ExitStatus> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "firstseen", &mut script);
    print(TextForm::Plain, &script)?;
    Ok(ExitStatus::Done)
}

/// Writes man pages of this command line.
///
/// # Errors
/// When they cannot be written.
pub fn man(args: &ManArgs, mut root: clap::Command) -> anyhow::Result<ExitStatus> {
    root.build();
    let page = |command: &clap::Command| -> anyhow::Result<Vec<u8>> {
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone()).render(&mut page)?;
        Ok(page)
    };
    let Some(folder) = &args.folder else {
        print(TextForm::Plain, &page(&root)?)?;
        return Ok(ExitStatus::Done);
    };
    std::fs::create_dir_all(folder).map_err(|e| anyhow!("{}: {e}", shown(folder)))?;
    write_whole(&folder.join("firstseen.1"), &page(&root)?)?;
    let mut count = 1;
    let mut waiting = vec![("firstseen".to_owned(), &root)];
    while let Some((name, command)) = waiting.pop() {
        for below in
            command.get_subcommands().filter(|c| c.get_name() != "help" && !c.is_hide_set())
        {
            let name = format!("{name}-{}", below.get_name());
            write_whole(&folder.join(format!("{name}.1")), &page(below)?)?;
            count += 1;
            waiting.push((name, below));
        }
    }
    message::info(&format!("{}: {count} pages", shown(folder)));
    Ok(ExitStatus::Done)
}
