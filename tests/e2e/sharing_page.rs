//! The commands of docs/sharing.md work as they are written there.
//!
//! In: the page's blocks of commands. Out: whether a shell runs them to the end, over a folder of rules and one of
//! events. Those for a registry go to one on this machine; those of other programs are left out.

use crate::build::rule;
use crate::support::{Folder, repository};
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// The blocks for a shell that call firstseen, in their order.
fn blocks() -> Vec<String> {
    let page = std::fs::read_to_string(repository("docs/sharing.md")).unwrap();
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.filter(|block| block.contains("firstseen ")).map(str::to_owned).collect()
}

/// Rules and events, as the page has them.
fn scene() -> Folder {
    let folder = Folder::new();
    for name in ["rules", "trail"] {
        std::fs::create_dir(folder.path(name)).unwrap();
    }
    for id in ["new-user", "other"] {
        let text = rule(id, &format!("event.action: {id}"), &["user.name"]);
        folder.write(&format!("rules/{id}.toml"), text);
    }
    let event = json!({ "@timestamp": "2025-01-01T08:00:00Z", "event": { "id": "e", "action": "new-user" },
                        "user": { "name": "alice" } });
    folder.write("trail/events.ndjson", format!("{event}\n"));
    folder
}

/// Runs a block in the folder; what it prints.
#[track_caller]
fn shell(folder: &Folder, block: &str) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_firstseen")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-e", "-c", block]).current_dir(folder.path("")).env("PATH", path);
    command.env("XDG_CACHE_HOME", folder.path("cache")).env("DOCKER_CONFIG", folder.path("docker"));
    let output = command.output().unwrap();
    let (out, said) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{block}\n{out}{said}");
    out.into_owned()
}

#[test]
fn rules_are_signed_and_run() {
    let folder = scene();
    let mut printed = String::new();
    let local: Vec<_> = blocks().into_iter().filter(|block| !block.contains("oci://")).collect();
    assert_eq!(local.len(), 2, "{local:?}");
    for block in local {
        printed += &shell(&folder, &block);
    }
    assert_eq!(printed.matches(": valid, signed by key ").count(), 2, "{printed}");
    assert_eq!(
        printed.matches("\"kibana.alert.rule.rule_id\":\"new-user\"").count(),
        1,
        "{printed}"
    );
}

#[cfg(feature = "registry")]
#[test]
fn rules_are_pushed_pulled_and_run() {
    let Some(registry) = crate::registry::Registry::start(false) else { return };
    let folder = scene();
    let host = registry.address.to_string();
    let mut printed = String::new();
    for block in blocks() {
        let block =
            block.replace("ghcr.io", &host).replace("$(git rev-parse --short HEAD)", "0a1b2c3");
        printed += &shell(&folder, &block);
    }
    let addresses = std::fs::read_to_string(folder.path("rules.txt")).unwrap();
    assert_eq!(
        addresses.lines().filter(|line| line.contains("@sha256:")).count(),
        2,
        "{addresses}"
    );
    // From the files, and from the registry.
    assert_eq!(
        printed.matches("\"kibana.alert.rule.rule_id\":\"new-user\"").count(),
        2,
        "{printed}"
    );
}

#[cfg(not(feature = "registry"))]
#[test]
fn a_binary_without_registries_says_what_to_build() {
    use crate::support::{call, run};
    let address = "oci://localhost:1/one:1";
    run().arg("--rule").arg(address).arg("-").fails(&[address, "--features registry"]);
    call("pull").arg(address).fails(&[address, "--features registry"]);
    call("inspect").arg(address).fails(&[address, "--features registry"]);
}
