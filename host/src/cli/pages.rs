//! `completions` and `man`: what a package of firstseen ships, made from the command line itself.
//!
//! In: a shell's name, or a folder. Out: a completion script on standard output; man pages, one for
//! each command, in the folder, or that of firstseen on standard output.

use super::Ending;
use crate::cli::args::Cli;
use crate::files::{shown, write_whole};
use crate::terminal::message::{print, say};
use anyhow::anyhow;
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::PathBuf;

/// What `completions` is asked.
#[derive(Debug, Clone, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// What `man` is asked.
#[derive(Debug, Clone, clap::Args)]
pub struct ManArgs {
    /// Write a page for each command into this folder
    ///
    /// Without it the page of firstseen goes to standard output.
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

/// Writes a completion script.
///
/// # Errors
/// When it cannot be written.
pub fn completions(args: &CompletionsArgs) -> anyhow::Result<Ending> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "firstseen", &mut script);
    print(&script)?;
    Ok(Ending::Done)
}

/// Writes man pages.
///
/// # Errors
/// When they cannot be written.
pub fn man(args: &ManArgs) -> anyhow::Result<Ending> {
    let mut root = Cli::command();
    root.build();
    let page = |command: &clap::Command| -> anyhow::Result<Vec<u8>> {
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone()).render(&mut page)?;
        Ok(page)
    };
    let Some(folder) = &args.folder else {
        print(&page(&root)?)?;
        return Ok(Ending::Done);
    };
    std::fs::create_dir_all(folder).map_err(|e| anyhow!("{}: {e}", shown(folder)))?;
    write_whole(&folder.join("firstseen.1"), &page(&root)?)?;
    let mut count = 1;
    for command in root.get_subcommands().filter(|c| c.get_name() != "help" && !c.is_hide_set()) {
        let name = format!("firstseen-{}", command.get_name());
        write_whole(&folder.join(format!("{name}.1")), &page(command)?)?;
        count += 1;
    }
    say(&format!("{}: {count} pages", shown(folder)));
    Ok(Ending::Done)
}
