//! The structure of the source: names of types, and the order of modules.
//!
//! In: the Rust files of the workspace, without tests. Out: a failure with every place that breaks a
//! rule. Nothing is compiled: lines are read as text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the workspace's own code is; folders of tests are left out.
const ROOTS: [&str; 5] = ["crates", "engines", "runtime", "plugin", "host"];

/// Names that may be defined more than once, and why.
const ALLOWED: &[(&str, &str)] = &[
    (
        "Engine",
        "the JavaScript target: wasm-bindgen gives its types the names of JavaScript's classes",
    ),
    ("Run", "the JavaScript target, as above"),
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A Rust file, by its path from the workspace, without its test module.
struct SourceFile {
    path: String,
    text: String,
}

/// All Rust files of the roots, in order of their paths.
fn source_files() -> Vec<SourceFile> {
    let workspace = workspace();
    let mut folders: Vec<PathBuf> = ROOTS.iter().map(|root| workspace.join(root)).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        // A root may not exist.
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("a folder can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !matches!(&*name, "tests" | "target" | "node_modules") {
                folders.push(path);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                let text = std::fs::read_to_string(&path).expect("a source file is UTF-8");
                let path = path.strip_prefix(&workspace).expect("a file of the workspace");
                let path = path.to_string_lossy().replace('\\', "/");
                files.push(SourceFile { path, text: without_tests(&text) });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The text up to its test module, which is the last item of a file.
fn without_tests(text: &str) -> String {
    let is_tests = |at: &usize| {
        let mut lines = text.get(*at..).unwrap_or_default().lines();
        let attribute = lines.next().unwrap_or_default();
        let module = lines.next().unwrap_or_default();
        attribute.contains("test") && module.starts_with("mod tests")
    };
    let attributes = text.match_indices("#[cfg(").map(|(at, _)| at);
    let end = attributes.into_iter().find(is_tests).unwrap_or(text.len());
    text[..end].to_owned()
}

/// The name of the type that a line defines for other modules.
fn defined_type(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub")?;
    let rest = match rest.strip_prefix('(') {
        Some(scope) => scope.split_once(')')?.1,
        None => rest,
    };
    let mut words = rest.strip_prefix(' ')?.split_whitespace();
    let mut kind = words.next()?;
    if kind == "unsafe" {
        kind = words.next()?;
    }
    let name =
        words.next().filter(|_| matches!(kind, "struct" | "enum" | "trait" | "type" | "union"))?;
    name.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()
}

/// A crate of build scripts whose features are not those that it has in the binary is built twice. The build script of
/// crate runtime uses wasmtime, which is half of a build.
#[test]
fn build_scripts_share_wasmtime_with_the_binary() {
    for features in ["", "targets", "redis,targets"] {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut tree = std::process::Command::new(cargo);
        tree.current_dir(workspace()).args(["tree", "--offline", "--locked", "-p", "firstseen"]);
        tree.args(["--features", features, "-e", "normal,build", "-d", "--depth", "0"]);
        tree.args(["--prefix", "none"]);
        let output = tree.output().expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let listed = String::from_utf8(output.stdout).expect("UTF-8");
        let mut crates: Vec<&str> = listed.lines().filter(|line| line.contains(" v")).collect();
        crates.sort_unstable();
        let twice = crates.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        // Only wasm-bindgen's tools depend on these.
        let twice: Vec<_> = twice
            .filter(|name| !name.starts_with("base64 ") && !name.starts_with("serde_json "))
            .collect();
        assert!(
            twice.is_empty(),
            "name their features under [build-dependencies] in runtime/Cargo.toml: {twice:?}"
        );
    }
}

/// A reader who finds a type's name must not have to ask which of several it is.
#[test]
fn the_name_of_a_type_is_unique_in_the_workspace() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let files = source_files();
    for file in &files {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(name) = defined_type(line) {
                let place = format!("{}:{}", file.path, number + 1);
                places.entry(name.to_owned()).or_default().push(place);
            }
        }
    }
    assert!(places.len() > 200, "only {} types were found", places.len());
    places.retain(|_, places| places.len() > 1);
    let mut wrong = Vec::new();
    for (name, places) in &places {
        if !ALLOWED.iter().any(|(allowed, _)| allowed == name) {
            wrong.push(format!("{name} is defined at {}", places.join(" and at ")));
        }
    }
    for (name, _) in ALLOWED {
        if !places.contains_key(*name) {
            wrong.push(format!("{name} is defined once: remove it from ALLOWED"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The modules that a crate's or a folder's documentation lists in order.
fn listed_modules(text: &str) -> Option<Vec<String>> {
    let docs = text.lines().map_while(|line| line.strip_prefix("//!"));
    let paragraph: Vec<&str> = docs
        .skip_while(|line| !line.contains("Order of modules"))
        .take_while(|line| !line.trim().is_empty())
        .collect();
    let paragraph = paragraph.join(" ");
    let (_, list) = paragraph.split_once(':')?;
    Some(list.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

/// The modules of the same parent that a line of code names, after `crate::` or `super::`.
fn named_modules(code: &str, parent: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(parent) {
        let before = code[..at].chars().next_back();
        let rest = &code[at + parent.len()..];
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':')) {
            continue;
        }
        let ends = |c: char| !(c.is_alphanumeric() || c == '_');
        match rest.strip_prefix('{') {
            // `crate::{a, b::C}`: the first name of each part.
            Some(list) => {
                let list = list.split('}').next().unwrap_or_default();
                let first = |part: &str| part.trim().split(ends).next().map(str::to_owned);
                names.extend(list.split(',').filter_map(first));
            }
            None => names.extend(rest.split(ends).next().map(str::to_owned)),
        }
    }
    names
}

/// No circles: a module imports only from modules that its parent lists before it.
#[test]
fn modules_import_only_from_those_listed_before_them() {
    let files = source_files();
    let (mut wrong, mut lists) = (Vec::new(), 0);
    for root in &files {
        let Some(listed) = listed_modules(&root.text) else { continue };
        lists += 1;
        let folder = root.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let at_top = root.path.ends_with("/lib.rs") || root.path.ends_with("/main.rs");
        // Every module of the parent is in the list.
        for line in root.text.lines() {
            let name = line.rsplit_once("mod ").and_then(|(_, name)| name.strip_suffix(';'));
            let declared = line.starts_with("mod ") || line.starts_with("pub");
            if let Some(name) = name.filter(|_| declared)
                && !listed.iter().any(|known| known == name)
            {
                wrong.push(format!("{}: `{name}` is not in the order of modules", root.path));
            }
        }
        for (place, module) in listed.iter().enumerate() {
            let (file, inside) = (format!("{folder}/{module}.rs"), format!("{folder}/{module}/"));
            let of_module =
                |other: &&SourceFile| other.path == file || other.path.starts_with(&inside);
            let mut found = false;
            for other in files.iter().filter(of_module) {
                found = true;
                let code = other.text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let code = code.collect::<Vec<_>>().join("\n");
                let parent = if at_top { "crate::" } else { "super::" };
                // Below the top, `super` of a deeper file is another module.
                if !at_top && other.path != file {
                    continue;
                }
                for name in named_modules(&code, parent) {
                    let at = listed.iter().position(|known| *known == name);
                    if at.is_some_and(|at| at > place) {
                        let path = &other.path;
                        wrong.push(format!("{path}: `{module}` imports the later `{name}`"));
                    }
                }
            }
            if !found {
                wrong.push(format!("{}: there is no module `{module}`", root.path));
            }
        }
    }
    assert!(lists >= 5, "only {lists} orders of modules were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn definitions_and_imports_are_recognised() {
    assert_eq!(defined_type("pub struct A<'a>(&'a str);"), Some("A"));
    assert_eq!(defined_type("    pub(super) enum B {"), Some("B"));
    assert_eq!(defined_type("pub(in crate::a) unsafe trait C: D {"), Some("C"));
    assert_eq!(defined_type("struct E;"), None);
    assert_eq!(defined_type("pub fn f() {}"), None);
    let code = "use crate::{a, b::C};\nuse crate::d::E;\nlet f = other_crate::g();";
    assert_eq!(named_modules(code, "crate::"), ["a", "b", "d"]);
    let text = "//! Order of modules, as read: `a`, `b`;\n//! `c`.\n//!\n//! `d`\nmod a;";
    assert_eq!(listed_modules(text).unwrap(), ["a", "b", "c"]);
    let text = "a\n#[cfg(feature = \"x\")]\nb\n#[cfg(test)]\nmod tests {";
    assert_eq!(without_tests(text), "a\n#[cfg(feature = \"x\")]\nb\n");
}

/// Rooms of the host that know nothing of the command line, the terminal, the standard streams and
/// the system's clock: they are handed what they need, so that tests can hand them something else.
const CLOSED_ROOMS: [&str; 4] =
    ["host/src/pipeline/", "host/src/source/", "host/src/state/", "host/src/sink/"];
/// What these rooms never name.
const NEVER_NAMED: [&str; 10] = [
    "clap",
    "crate::cli",
    "crate::terminal",
    "SystemTime",
    "Instant::now",
    "io::stdout",
    "io::stderr",
    "println!",
    "print!",
    "IsTerminal",
];

/// The rooms around the loop name neither clap nor the terminal, standard output or the clock.
#[test]
fn the_loop_names_no_command_line_no_terminal_and_no_clock() {
    let (mut wrong, mut looked_at) = (Vec::new(), 0);
    for file in source_files() {
        if !CLOSED_ROOMS.iter().any(|room| file.path.starts_with(room)) {
            continue;
        }
        looked_at += 1;
        for (number, line) in file.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for name in NEVER_NAMED.iter().filter(|name| code.contains(**name)) {
                wrong.push(format!("{}:{} names {name}", file.path, number + 1));
            }
        }
    }
    assert!(looked_at > 15, "only {looked_at} files were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The loop holds nothing by a cell, and moves nothing to and fro between owners.
#[test]
fn the_loop_borrows_nothing_at_run_time() {
    let mut wrong = Vec::new();
    for file in source_files() {
        let is_loop = ["host/src/pipeline/", "host/src/source/", "crates/session/"];
        if !is_loop.iter().any(|room| file.path.starts_with(room)) {
            continue;
        }
        for (number, line) in file.text.lines().enumerate() {
            if line.contains("RefCell") {
                wrong.push(format!("{}:{}", file.path, number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "RefCell at {}", wrong.join(", "));
}
