//! The contract between guest and host, as in docs/abi.md.

mod abi_border;
mod abi_engine;
mod abi_page;
mod guest_cost;

use firstseen_runtime::{Artifact, CodeCache, Runtime};
use std::sync::LazyLock;

/// The flagship. It is compiled here, because the cache belongs to the user.
fn flagship() -> &'static (Runtime, Artifact) {
    static FLAGSHIP_RULE: LazyLock<(Runtime, Artifact)> = LazyLock::new(|| {
        let runtime = Runtime::with_cache(CodeCache::none()).unwrap();
        let wasm = firstseen_engines::flagship();
        let artifact = Artifact::new(&runtime, "flagship".to_owned(), wasm).unwrap();
        (runtime, artifact)
    });
    &FLAGSHIP_RULE
}
