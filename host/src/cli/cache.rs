//! `--cache`: where compiled code is kept between runs.
//!
//! In: the option. Out: a place, or none. It removes nothing but code that firstseen put there.

use crate::files::shown;
use anyhow::Context;
use clap::Args;
use firstseen_runtime::{CodeCache, Runtime};
use std::path::PathBuf;

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
        Runtime::with_cache(cache)
    }
}
