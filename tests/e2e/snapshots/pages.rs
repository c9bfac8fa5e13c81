//! What is made from the command line itself: help, version, completions, man pages; and `new`.

use super::scene::{Out, Scene, files};
use std::fmt::Write as _;

const COMMANDS: [&str; 15] = [
    "run",
    "explain",
    "build",
    "test",
    "bench",
    "inspect",
    "rebuild",
    "keygen",
    "sign",
    "verify",
    "push",
    "pull",
    "new",
    "completions",
    "man",
];

#[test]
fn help_of_each_command() {
    let mut scene = Scene::new();
    for words in ["", "--version", "--help", "-h", "help"] {
        scene.run(words);
    }
    for command in COMMANDS {
        scene.run(&format!("{command} --help"));
        scene.run(&format!("{command} -h"));
    }
    scene.run("help run");
    scene.end("help");
}

/// The scripts are long and made by a library: their size and digest are kept.
#[test]
fn completions_and_man_pages() {
    let mut scene = Scene::new();
    let mut table = String::new();
    let mut row = |name: &str, bytes: &[u8]| {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        let digest = blake3::hash(bytes).to_hex();
        writeln!(table, "{name:<24} {lines:>5} lines {}", &digest[..16]).unwrap();
    };
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = scene.command(&format!("completions {shell}")).output().unwrap();
        assert!(output.status.success());
        row(shell, &output.stdout);
    }
    scene.run("man man1");
    for path in files(&scene.folder.path("man1")) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        row(&name, &std::fs::read(path).unwrap());
    }
    scene.table("completions and pages", &table);
    scene.run("man");
    scene.run("completions");
    scene.run("completions sh");
    scene.write("file", "");
    scene.run("man file");
    scene.run_with("man", b"", Out::Closed);
    scene.run_with("man", b"", Out::Full);
    scene.run_with("completions bash", b"", Out::Full);
    scene.end("completions_man");
}

#[test]
fn new_rules() {
    let mut scene = Scene::new();
    scene.run("new first_time_user_creation");
    scene.show("first_time_user_creation.toml");
    scene.show("first_time_user_creation.test.toml");
    scene.run("build --check --warnings deny first_time_user_creation.toml");
    scene.run("test first_time_user_creation.toml --coverage");
    scene.title("with other fields");
    scene.run("new other.toml --field source.ip --field event.action");
    scene.show("other.toml");
    scene.show("other.test.toml");
    scene.run("test other.toml");
    scene.title("what cannot be written");
    for words in [
        "new",
        "new other",
        "new other.test.toml",
        "new .",
        "new none/rule",
        "new wrong --field a --field a",
        "new wrong --field a*",
        "new wrong --field a --field b --field c --field d",
    ] {
        scene.run(words);
    }
    scene.list(".");
    scene.end("new");
}
