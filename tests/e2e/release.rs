//! What a release consists of.
//!
//! In: `release/build` over the binary of the tests. Out: whether the files are the same twice, complete and in the form
//! that others read, the action's first step among them. Nothing is compiled for another machine here. What a machine
//! lacks is skipped, with a line that says so.

use crate::action::step;
use crate::support::{Call, Done, Folder, repository};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Whether programs are there; if not, says it past the test's capture.
fn are_there(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap();
    let missing =
        |name: &&&str| !std::env::split_paths(&path).any(|folder| folder.join(name).exists());
    let Some(name) = programs.iter().find(missing) else { return true };
    let _ = writeln!(std::io::stderr(), "skipped: {name} is not installed");
    false
}

/// A program's output; it has to end well.
#[track_caller]
fn output(program: &str, args: &[&str], folder: &Path) -> String {
    let done = Command::new(program).args(args).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// The target of this machine that releases have.
fn target() -> Option<&'static str> {
    let linux = cfg!(target_os = "linux");
    match std::env::consts::ARCH {
        "x86_64" if linux => Some("x86_64-unknown-linux-musl"),
        "aarch64" if linux => Some("aarch64-unknown-linux-musl"),
        _ => None,
    }
}

/// `release/build --pack-only`, without the network; nothing where cargo has not all packages of a release.
fn pack(binary: &Path, target: &str, to: &Path) -> Option<Done> {
    let mut command = Command::new(repository("release/build"));
    command.arg("--pack-only").arg(binary).arg("--target").arg(target).arg("-o").arg(to);
    command.env("CARGO_NET_OFFLINE", "true").env_remove("DEBFULLNAME").env_remove("DEBEMAIL");
    let done = Call::of(command, Folder::new()).end();
    if done.status != Some(0) && done.stderr.contains("offline") {
        let _ = writeln!(std::io::stderr(), "skipped: cargo has not all packages of a release yet");
        return None;
    }
    assert_eq!(done.status, Some(0), "{}", done.stderr);
    Some(done)
}

#[test]
fn a_release_is_packed_the_same_twice_and_fetched_by_the_action() {
    let Some(target) = target() else { return };
    if !are_there(&["python3", "ar", "gzip", "curl", "sha256sum"]) {
        return;
    }
    let folder = Folder::new();
    // The binary of the tests has 100 MB, most of it for debuggers: a program that calls it is packed in its place.
    let binary = folder.write(
        "firstseen",
        format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_firstseen")),
    );
    fs::set_permissions(&binary, PermissionsExt::from_mode(0o755)).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let first = folder.path(&format!("releases/v{version}"));
    let second = folder.path("second");
    if pack(&binary, target, &first).is_none() {
        return;
    }
    pack(&binary, target, &second).unwrap();
    let mut names: Vec<_> = fs::read_dir(&first)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let architecture = if target.starts_with("x86_64") { "amd64" } else { "arm64" };
    let stem = format!("firstseen-{version}-{target}");
    let deb = format!("firstseen_{version}_{architecture}.deb");
    let expected = [
        "SHA256SUMS".to_owned(),
        format!("{stem}.cdx.json"),
        format!("{stem}.tar.gz"),
        deb.clone(),
    ];
    assert_eq!(names, expected);
    for name in &names {
        assert!(
            fs::read(first.join(name)).unwrap() == fs::read(second.join(name)).unwrap(),
            "{name:?}"
        );
    }
    let sums = output("sha256sum", &["--strict", "-c", "SHA256SUMS"], &first);
    assert_eq!(sums.matches(": OK").count(), 3, "{sums}");

    let listed = output("tar", &["-tzf", &format!("{stem}.tar.gz")], &first);
    for file in [
        "firstseen",
        "LICENSE",
        "README.md",
        "completions/firstseen.bash",
        "completions/_firstseen",
        "man/man1/firstseen-run.1",
        "systemd/firstseen.service",
    ] {
        assert!(listed.lines().any(|line| line == format!("{stem}/{file}")), "{file}: {listed}");
    }
    if are_there(&["dpkg-deb"]) {
        let listed = output("dpkg-deb", &["-c", &deb], &first);
        for file in [
            "./usr/bin/firstseen",
            "./usr/share/man/man1/firstseen-run.1.gz",
            "./usr/share/bash-completion/completions/firstseen",
            "./usr/lib/systemd/system/firstseen.service",
        ] {
            assert!(
                listed.lines().any(|line| line.ends_with(&format!(" {file}"))),
                "{file}: {listed}"
            );
        }
        assert!(listed.lines().all(|line| line.contains(" 0/0 ") && line.contains(" 1970-01-01 ")));
        let fields = output("dpkg-deb", &["-f", &deb, "Package", "Architecture"], &first);
        assert_eq!(fields, format!("Package: firstseen\nArchitecture: {architecture}\n"));
        output("dpkg-deb", &["-x", &deb, "unpacked"], &first);
        let unit = first.join("unpacked/usr/lib/systemd/system/firstseen.service");
        let unit = fs::read_to_string(unit).unwrap();
        assert!(unit.contains("\nExecStart=/usr/bin/firstseen serve "), "{unit}");
    }
    materials(&fs::read(first.join(format!("{stem}.cdx.json"))).unwrap(), target);
    fetched(&folder, version, &first.join(format!("{stem}.tar.gz")));
}

/// The list of packages against what cargo itself says of this build.
fn materials(text: &[u8], target: &str) {
    let document: Value = serde_json::from_slice(text).unwrap();
    assert_eq!(document["bomFormat"], "CycloneDX");
    assert_eq!(document["specVersion"], "1.5");
    let number = document["serialNumber"].as_str().unwrap();
    assert!(number.starts_with("urn:uuid:") && number.len() == 45, "{number}");
    assert_eq!(document["metadata"]["component"]["name"], "firstseen");
    let lock = fs::read_to_string(repository("Cargo.lock")).unwrap();
    let mut named = BTreeSet::from(["firstseen ".to_owned() + env!("CARGO_PKG_VERSION")]);
    for component in document["components"].as_array().unwrap() {
        let [name, version] = ["name", "version"].map(|key| component[key].as_str().unwrap());
        let licence = &component["licenses"][0];
        assert!(
            licence["expression"].is_string() || licence["license"]["id"].is_string(),
            "{component}"
        );
        assert_eq!(component["purl"], format!("pkg:cargo/{name}@{version}"));
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        let (_, entry) =
            lock.split_once(&entry).unwrap_or_else(|| panic!("not in Cargo.lock: {component}"));
        let entry = entry.split("\n\n").next().unwrap();
        match component["hashes"][0]["content"].as_str() {
            Some(hash) => assert!(entry.contains(&format!("checksum = \"{hash}\"")), "{component}"),
            None => assert!(!entry.contains("checksum = "), "{component}"),
        }
        assert!(named.insert(format!("{name} {version}")), "twice: {component}");
    }
    let built = [
        ("firstseen", target, Some("http,redis,registry,targets")),
        ("firstseen-core", "wasm32-unknown-unknown", None),
        ("firstseen-js", "wasm32-unknown-unknown", None),
        ("firstseen-wasi", "wasm32-wasip1", None),
    ];
    for (package, target, features) in built {
        let mut args = vec!["tree", "--locked", "--offline", "-p", package, "--target", target];
        args.extend(["-e", "normal,build", "--prefix", "none", "--format", "{p}"]);
        args.extend(features.iter().flat_map(|features| ["--features", features]));
        let tree = output(env!("CARGO"), &args, &repository(""));
        assert!(tree.lines().count() > 5, "{tree}");
        for line in tree.lines() {
            let (name, rest) = line.split_once(" v").unwrap();
            let version = rest.split(' ').next().unwrap();
            assert!(named.contains(&format!("{name} {version}")), "not named: {line}");
        }
    }
}

/// The action's first step takes this release, and no other bytes.
fn fetched(folder: &Folder, version: &str, archive: &Path) {
    let tag = format!("v{version}");
    let releases = format!("file://{}", folder.path("releases").display());
    let fetch = |sha256: &str| {
        step(folder, "fetch.sh", &[("RELEASES", &releases), ("VERSION", &tag), ("SHA256", sha256)])
    };
    let done = fetch("");
    assert_eq!(done.status, Some(0), "{done:?}");
    assert_eq!(done.stdout, format!("firstseen {version}\n"));
    let path = fs::read_to_string(folder.path("path")).unwrap();
    assert!(Path::new(path.trim_end()).join("firstseen").exists(), "{path}");
    let refused = fetch(&"0".repeat(64));
    assert!(refused.status == Some(2) && refused.stdout.contains("it is not used"), "{refused:?}");
    // Damage shows by the release's own sums.
    let mut bytes = fs::read(archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(archive, bytes).unwrap();
    let refused = fetch("");
    assert!(refused.status == Some(2) && refused.stdout.contains("it is not used"), "{refused:?}");
    let other =
        step(folder, "fetch.sh", &[("RELEASES", &releases), ("VERSION", "../v1"), ("SHA256", "")]);
    assert!(other.status == Some(2) && other.stdout.contains("not a release's tag"), "{other:?}");
}

#[test]
fn a_build_that_cannot_be_says_why() {
    let calls: [(&[&str], &str); 5] = [
        (&["--target", "x86_64-pc-windows-msvc"], "unknown target `x86_64-pc-windows-msvc`"),
        (
            &["--pack-only", "/none", "--target", "x86_64-unknown-linux-musl"],
            "/none: not a program",
        ),
        (&["--pack-only", "/bin/sh"], "exactly one --target"),
        (&["-o"], "-o needs a value"),
        (&["--colour"], "unknown argument `--colour`"),
    ];
    for (args, words) in calls {
        let mut command = Command::new(repository("release/build"));
        command.args(args);
        let done = Call::of(command, Folder::new()).end();
        assert_eq!(done.status, Some(1), "{done:?}");
        assert!(done.stderr.contains(words), "{}", done.stderr);
    }
    // A program that is missing is named, with where it comes from.
    let programs = Folder::new();
    for name in ["bash", "dirname", "tar", "gzip", "sha256sum", "python3", "cargo", "head", "sed"] {
        programs.write(name, "#!/bin/sh\nexit 0\n");
        fs::set_permissions(programs.path(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    programs.write("tar", "#!/bin/sh\necho 'tar (GNU tar) 1'\n");
    programs.write("dirname", "#!/bin/sh\necho \"${1%/*}\"\n");
    let mut command = Command::new("/bin/bash");
    command.arg(repository("release/build")).env("PATH", programs.path(""));
    let done = Call::of(command, Folder::new()).end();
    assert_eq!(done.status, Some(1), "{done:?}");
    assert!(done.stderr.contains("the Debian package needs the program `ar`"), "{}", done.stderr);
    assert!(done.stderr.contains("(Debian: binutils)"), "{}", done.stderr);
}
