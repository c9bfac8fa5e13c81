//! The contract between guest and host, as in docs/abi.md.

mod abi_border;
mod abi_page;
mod guest_cost;

use firstseen_artifact::Meta;
use firstseen_runtime::{Artifact, Runtime};
use std::sync::LazyLock;
use wasmtime::Module;

/// The flagship's module. It is compiled here, because the cache belongs to the user.
fn flagship() -> &'static (Runtime, Artifact) {
    static FLAGSHIP_RULE: LazyLock<(Runtime, Artifact)> = LazyLock::new(|| {
        let runtime = Runtime::new().unwrap();
        let module = Module::new(&runtime.engine, firstseen_engines::flagship()).unwrap();
        let meta = Meta::read(firstseen_engines::flagship()).unwrap();
        (runtime, Artifact { name: "flagship".to_owned(), meta, digest: String::new(), module })
    });
    &FLAGSHIP_RULE
}
