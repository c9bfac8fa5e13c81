//! `inspect` and `rebuild`: what is said of an artifact, and of a file that is none.

use super::events::{hosts, logins};
use super::scene::Scene;
use crate::artifacts::{custom, leb, meta, module, one};
use crate::build::{FLAGSHIP, rule};

#[test]
fn inspect_an_artifact() {
    let mut scene = Scene::with(&[
        ("flagship.toml", FLAGSHIP),
        ("old.wasm", "tests/fixtures/artifacts/flagship-0.1.0.wasm"),
    ]);
    scene
        .run("build flagship.toml -o flagship.wasm --source https://example.com/r --revision 0a1b");
    scene.run("inspect flagship.wasm");
    scene.run("inspect flagship.wasm --format json");
    scene.run("inspect flagship.wasm --source");
    scene.run("inspect flagship.wasm --guide");
    scene.title("a pack");
    scene.write("logins.toml", logins());
    scene.write("hosts.toml", hosts());
    scene.run("build logins.toml hosts.toml --pack -o pack.wasm");
    scene.run("inspect pack.wasm");
    scene.run("inspect pack.wasm --format json");
    scene.run("inspect pack.wasm --source");
    scene.run("inspect pack.wasm --source --rule none");
    scene.run("inspect pack.wasm --source --rule hosts");
    scene.run("inspect pack.wasm --guide --rule hosts");
    scene.run("inspect pack.wasm --rule hosts");
    scene.title("of an earlier version");
    scene.run("inspect old.wasm");
    scene.end("inspect");
}

#[cfg(feature = "targets")]
#[test]
fn artifacts_for_other_targets() {
    let mut scene = Scene::new();
    scene.write("logins.toml", logins());
    scene.title("inspect and run");
    scene.run("build logins.toml --target fluent-bit -o fluent-bit.wasm");
    scene.run("inspect fluent-bit.wasm");
    scene.run("run --rule fluent-bit.wasm -");
    scene.title("rebuild");
    scene.run("build logins.toml --target wasi -o wasi.wasm");
    scene.run("rebuild wasi.wasm");
    scene.end("inspect_targets");
}

#[test]
fn rebuild_an_artifact() {
    let mut scene = Scene::with(&[("old.wasm", "tests/fixtures/artifacts/flagship-0.1.0.wasm")]);
    scene.title("of an earlier version");
    scene.run("rebuild old.wasm -o new.wasm");
    scene.title("with another window than it says");
    scene.write("logins.toml", logins());
    scene.run("build logins.toml -o logins.wasm");
    let bytes = std::fs::read(scene.folder.path("logins.wasm")).unwrap();
    let replaced = |from: &[u8], to: &[u8]| {
        let at = bytes.windows(from.len()).rposition(|part| part == from).unwrap();
        [&bytes[..at], to, &bytes[at + from.len()..]].concat()
    };
    scene.write("changed.wasm", replaced(b"now-7d", b"now-9d"));
    scene.run("rebuild changed.wasm");
    scene.run("inspect changed.wasm logins.wasm --verify");
    scene.title("with a source that is at fault");
    scene.write("broken.wasm", replaced(b"now-7d", b"now 7d"));
    scene.run("rebuild broken.wasm");
    scene.title("to a place that is none");
    scene.run("rebuild logins.wasm -o logins.wasm/new.wasm");
    scene.run("rebuild missing.wasm");
    scene.end("rebuild");
}

/// Whichever command gets such a file.
#[test]
fn artifacts_that_are_none() {
    let mut scene = Scene::new();
    scene.write("r.toml", rule("r", "a: b", &["user.name"]));
    scene.run("build r.toml -o whole.wasm");
    let whole = std::fs::read(scene.folder.path("whole.wasm")).unwrap();
    let rule = one("r:0011:");
    let bare = module(&[meta(1, &rule)]);
    let types = [vec![1], leb(4), vec![1, 0x60, 0, 0]].concat();
    let functions = [vec![3], leb(2), vec![1, 0]].concat();
    let name = b"abi_version";
    let export = [vec![1, name.len() as u8], name.to_vec(), vec![0, 0]].concat();
    let exports = [vec![7], leb(export.len()), export].concat();
    let code = [vec![10], leb(4), vec![1, 2, 0, 0x0b]].concat();
    for (name, bytes) in [
        ("empty.wasm", Vec::new()),
        ("text.wasm", b"no module".to_vec()),
        ("rule.toml", b"[rule]".to_vec()),
        ("component.wasm", b"\0asm\x0d\0\x01\0".to_vec()),
        ("bare.wasm", module(&[])),
        ("other-abi.wasm", module(&[meta(2, &rule)])),
        ("no-exports.wasm", bare.clone()),
        ("twice.wasm", module(&[meta(1, &rule), meta(1, &rule)])),
        ("prefix.wasm", module(&[meta(1, &one("*"))])),
        ("cut.wasm", whole[..100].to_vec()),
        ("order.wasm", module(&[functions.clone(), types.clone()])),
        ("lies.wasm", [whole.as_slice(), &custom("firstseen.source", b"[rule]")].concat()),
        ("bytes.wasm", module(&[meta(1, &rule), custom("firstseen.source", b"\xff")])),
        ("no-json.wasm", module(&[custom("firstseen.rules", b"{")])),
        ("signature.wasm", module(&[types, functions, exports, code, meta(1, &rule)])),
    ] {
        scene.title(name);
        scene.write(name, bytes);
        for command in ["run -", "inspect", "rebuild -o new.wasm"] {
            let (command, rest) = command.split_once(' ').unwrap_or((command, ""));
            let rule = if command == "run" { "--rule " } else { "" };
            scene.run(format!("{command} {rule}{name} {rest}").trim_end());
        }
    }
    scene.title("a folder, and nothing");
    std::fs::create_dir(scene.folder.path("folder.wasm")).unwrap();
    for command in ["run - --rule", "explain - --rule", "inspect", "rebuild"] {
        scene.run(&format!("{command} folder.wasm"));
        scene.run(&format!("{command} missing.wasm"));
    }
    scene.end("artifact_faults");
}
