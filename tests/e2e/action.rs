//! The action for repositories of rules.
//!
//! In: the shell scripts of `.github/actions/rules` over a folder of rules, with what action.yml gives them. Out: whether
//! rules end up checked, tested, signed and in a registry, and whether what must not be signed or pushed is refused.
//! Whether GitHub runs action.yml is not tested.

use crate::support::{Call, Done, Folder, call, repository};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A step of the action, where the rules are; the binary of the tests is on its PATH.
pub(crate) fn step(folder: &Folder, script: &str, environment: &[(&str, &str)]) -> Done {
    let binary = Path::new(env!("CARGO_BIN_EXE_firstseen")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.arg(repository(".github/actions/rules").join(script)).current_dir(folder.path(""));
    command
        .env("PATH", path)
        .env("XDG_CACHE_HOME", folder.path("cache"))
        .env("TMPDIR", folder.path(""));
    command.env("DOCKER_CONFIG", folder.path("docker")).env("GITHUB_OUTPUT", folder.path("output"));
    command
        .env("GITHUB_STEP_SUMMARY", folder.path("summary"))
        .env("GITHUB_PATH", folder.path("path"));
    command.env("RUNNER_TEMP", folder.path(""));
    // What action.yml gives them by default.
    command.envs([("RULES", "rules"), ("WARNINGS", "allow"), ("REQUIRE_TESTS", "true")]);
    command.envs([
        ("COVERAGE_MIN", ""),
        ("JUNIT", "reports/junit.xml"),
        ("ARTIFACTS", "out"),
        ("KEY", ""),
    ]);
    command.envs([("TAG", "0a1b2c3"), ("SIGNED", "false")]).envs(environment.iter().copied());
    Call::of(command, Folder::new()).end()
}

/// Two rules with their tests, one in a folder of its own.
fn rules() -> Folder {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("rules/aws")).unwrap();
    for name in ["rules/one", "rules/aws/two"] {
        call("new").arg(folder.path(name)).ok();
    }
    folder
}

/// Makes a secret key, and gives its text, as a secret of GitHub has it.
fn secret(folder: &Folder) -> String {
    call("keygen").arg("--pem").arg(folder.path("ci")).ok();
    fs::read_to_string(folder.path("ci.key")).unwrap()
}

#[test]
fn rules_are_checked_and_tested_by_the_action() {
    let folder = rules();
    let checked = step(&folder, "check.sh", &[("WARNINGS", "deny")]);
    assert_eq!(checked.status, Some(0), "{checked:?}");
    assert!(!folder.path("rules/one.wasm").exists());
    let tested = step(&folder, "test.sh", &[]);
    assert_eq!(tested.status, Some(0), "{tested:?}");
    assert!(tested.stdout.contains("coverage of rules/aws/two.toml"), "{}", tested.stdout);
    let junit = fs::read_to_string(folder.path("reports/junit.xml")).unwrap();
    assert!(junit.contains("<testsuites") && junit.contains("rules/aws/two.test.toml"), "{junit}");
    // Too little coverage, another word, no test.
    assert_eq!(step(&folder, "test.sh", &[("COVERAGE_MIN", "100")]).status, Some(1));
    assert_eq!(step(&folder, "test.sh", &[("REQUIRE_TESTS", "yes")]).status, Some(2));
    fs::remove_file(folder.path("rules/aws/two.test.toml")).unwrap();
    assert_ne!(step(&folder, "test.sh", &[]).status, Some(0));
    assert_eq!(step(&folder, "test.sh", &[("REQUIRE_TESTS", "false")]).status, Some(0));
    // A test that fails is an annotation, and a failure of the report.
    let test = fs::read_to_string(folder.path("rules/one.test.toml")).unwrap();
    folder.write("rules/one.test.toml", test.replacen("alert = true", "alert = false", 1));
    let failed = step(&folder, "test.sh", &[("REQUIRE_TESTS", "false")]);
    assert_eq!(failed.status, Some(1), "{failed:?}");
    assert!(failed.stdout.contains("::error file=rules/one.test.toml,line="), "{}", failed.stdout);
    let junit = fs::read_to_string(folder.path("reports/junit.xml")).unwrap();
    assert!(junit.contains("<failure"), "{junit}");
    folder.write("rules/one.toml", "[rule]\n");
    let broken = step(&folder, "check.sh", &[]);
    assert!(broken.status != Some(0) && broken.stderr.contains("rules/one.toml"), "{broken:?}");
}

#[test]
fn the_action_signs_what_it_built_and_nothing_else() {
    let folder = rules();
    let secret = secret(&folder);
    let before = fs::read_dir(folder.path("")).unwrap().count();
    let signed = step(&folder, "sign.sh", &[("KEY", &secret)]);
    assert_eq!(signed.status, Some(0), "{signed:?}");
    let kept = secret.lines().nth(1).unwrap();
    assert!(!signed.stdout.contains(kept) && !signed.stderr.contains(kept));
    let artifacts = [folder.path("out/one.wasm"), folder.path("out/aws/two.wasm")];
    call("verify")
        .arg(&artifacts[0])
        .arg(&artifacts[1])
        .arg("--keys")
        .arg(folder.path("ci.pub"))
        .ok();
    // The key's file is gone: `out` alone was added.
    assert_eq!(fs::read_dir(folder.path("")).unwrap().count(), before + 1);
    // A key that is not text is not one that GitHub can keep.
    let binary = step(&folder, "sign.sh", &[("KEY", "9f"), ("ARTIFACTS", "none")]);
    assert_eq!(binary.status, Some(2), "{binary:?}");
    assert!(binary.stdout.contains("keygen --pem") && !folder.path("none").exists(), "{binary:?}");
    // What was there before is not signed with the team's key.
    let again = step(&folder, "sign.sh", &[("KEY", &secret)]);
    assert_eq!(again.status, Some(2), "{again:?}");
    assert!(again.stdout.contains("out is there and is not empty"), "{}", again.stdout);
    // Without a key nothing is signed, and nothing unsigned is pushed.
    let unsigned = step(&folder, "sign.sh", &[("ARTIFACTS", "unsigned")]);
    assert!(unsigned.stdout.contains("not signed") && unsigned.status == Some(0), "{unsigned:?}");
    let refused =
        step(&folder, "push.sh", &[("ARTIFACTS", "unsigned"), ("REGISTRY", "oci://127.0.0.1:1/r")]);
    assert_eq!(refused.status, Some(2), "{refused:?}");
    assert!(refused.stdout.contains("only signed artifacts are pushed"), "{}", refused.stdout);
}

#[cfg(feature = "registry")]
#[test]
fn the_action_pushes_by_tag_and_gives_digests() {
    let Some(registry) = crate::registry::Registry::start(false) else { return };
    let folder = rules();
    let secret = secret(&folder);
    assert_eq!(step(&folder, "sign.sh", &[("KEY", &secret)]).status, Some(0));
    let host = format!("oci://{}/team/rules", registry.address);
    let pushed = step(&folder, "push.sh", &[("REGISTRY", &host), ("SIGNED", "true")]);
    assert_eq!(pushed.status, Some(0), "{pushed:?}");
    let addresses: Vec<_> = pushed.stdout.lines().collect();
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    assert!(addresses[0].starts_with(&format!("{host}/aws/two@sha256:")), "{addresses:?}");
    assert!(addresses[1].starts_with(&format!("{host}/one@sha256:")), "{addresses:?}");
    let given = fs::read_to_string(folder.path("output")).unwrap();
    let inside = given.strip_prefix("addresses<<=end of addresses=\n").unwrap();
    assert_eq!(inside.strip_suffix("=end of addresses=\n").unwrap(), pushed.stdout);
    assert!(fs::read_to_string(folder.path("summary")).unwrap().contains(addresses[1]));
    // The tag stands for these bytes, and the key's public half accepts them.
    for (address, file) in [(addresses[0], "out/aws/two.wasm"), (addresses[1], "out/one.wasm")] {
        let tagged = format!("{}:0a1b2c3", address.split('@').next().unwrap());
        for (address, name) in [(address, "digest.wasm"), (&tagged, "tag.wasm")] {
            let pulled = folder.path(name);
            let _ = fs::remove_file(&pulled);
            let mut pull = call("pull").arg(address).arg("-o").arg(&pulled);
            pull.command.env("XDG_CACHE_HOME", folder.path("cache"));
            pull.command.env("DOCKER_CONFIG", folder.path("docker"));
            pull.ok();
            assert_eq!(
                fs::read(pulled).unwrap(),
                fs::read(folder.path(file)).unwrap(),
                "{address}"
            );
        }
    }
    let not_there = step(&folder, "push.sh", &[("REGISTRY", "ghcr.io/team"), ("SIGNED", "true")]);
    assert_eq!(not_there.status, Some(2), "{not_there:?}");
}

#[test]
fn the_action_has_its_scripts_and_others_are_pinned() {
    let action = fs::read_to_string(repository(".github/actions/rules/action.yml")).unwrap();
    let mut scripts = 0;
    for (_, rest) in
        action.match_indices("$GITHUB_ACTION_PATH/").map(|(at, it)| action.split_at(at + it.len()))
    {
        let script = rest.split('"').next().unwrap();
        assert!(repository(".github/actions/rules").join(script).exists(), "{script}");
        scripts += 1;
    }
    assert_eq!(scripts, fs::read_dir(repository(".github/actions/rules")).unwrap().count() - 1);
    // An input in a shell's text would be a command.
    for line in action.lines().filter(|line| line.trim_start().starts_with("run:")) {
        assert!(!line.contains("${{"), "{line}");
    }
    for name in ["ci.yml", "release.yml"] {
        let text = fs::read_to_string(repository(".github/workflows").join(name)).unwrap();
        for uses in text.lines().filter_map(|line| line.split_once("uses: ")) {
            let commit = uses.1.split_once('@').unwrap().1.split(' ').next().unwrap();
            assert!(
                commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()),
                "{commit}"
            );
        }
        assert!(text.contains("\npermissions:"), "{name}");
    }
}
