//! `--cache`: where compiled code is kept between runs; and the child process in which the binary compiles.
//!
//! In: the option. Out: a place, or none. It removes nothing but code that firstseen put there.

use crate::escape::escaped;
use crate::files::shown;
use crate::terminal::message;
use anyhow::Context;
use clap::Args;
use firstseen_runtime::{ChildCompiler, CodeCache, Compiler, Runtime, compile_as_child};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Once, OnceLock};

/// The one argument of the child. It is no command for people: it reads a module from its input.
const CHILD: &str = "compile-a-module";
/// The program that compiles. A program that only uses this crate would start itself with an argument that it does not
/// know; it compiles in its own process.
static COMPILER: OnceLock<ChildCompiler> = OnceLock::new();

/// Has the binary compile in a child process from now on. Where it is the child, it compiles: how that ended.
pub fn compile_in_child(
    mut arguments: impl Iterator<Item = OsString>,
) -> Option<anyhow::Result<()>> {
    if arguments.nth(1).is_some_and(|argument| argument == CHILD) && arguments.next().is_none() {
        return Some(compile_as_child(std::io::stdin().lock(), std::io::stdout().lock()));
    }
    // The file may be another by now; the program that runs is not.
    let own = PathBuf::from("/proc/self/exe");
    let program = if own.exists() { Some(own) } else { std::env::current_exe().ok() };
    if let Some(program) = program {
        let child = ChildCompiler { program, arguments: vec![CHILD.into()] };
        COMPILER.get_or_init(|| child);
    }
    None
}

/// Says once that code which was compiled is compiled again next time, and why.
pub(super) fn tell_unkept(runtime: &Runtime) {
    static TELL: Once = Once::new();
    if let Some(reason) = runtime.unkept() {
        TELL.call_once(|| {
            message::info(&format!(
                "each start compiles again: {}; give --cache DIR for another folder, or --cache none where that is \
                 meant",
                escaped(&reason)
            ));
        });
    }
}

/// The option of the commands that run rules.
#[derive(Debug, Clone, Args)]
pub struct CacheArgs {
    /// Keep compiled code in this folder, or `none`
    ///
    /// By default it is in the user's cache folder, ~/.cache/firstseen. It takes up to 256 MB; what
    /// was not used for longest goes first.
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

impl CacheArgs {
    /// The folder for what is kept; nothing where nothing is to be kept.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        match &self.cache {
            None => CodeCache::user_folder(),
            Some(folder) if folder.as_os_str() == "none" => None,
            Some(folder) => Some(folder.clone()),
        }
    }

    /// wasmtime, with that cache.
    ///
    /// # Errors
    /// When the folder is not one that code may be loaded from, or wasmtime does not run here.
    pub(super) fn runtime(&self) -> anyhow::Result<Runtime> {
        let cache = match &self.cache {
            None => CodeCache::of_user(),
            Some(folder) if folder.as_os_str() == "none" => CodeCache::none(),
            Some(folder) => CodeCache::in_folder(folder)
                .with_context(|| format!("--cache {}", shown(folder)))?,
        };
        let compiler = COMPILER.get().cloned().map_or(Compiler::InProcess, Compiler::InChild);
        Runtime::with_compiler(cache, compiler)
    }
}
