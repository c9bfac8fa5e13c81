//! `build --target js`: a rule as an npm package.
//!
//! In: an artifact of the contract, settings. Out: a folder with the engine for JavaScript, its glue,
//! the library around them, types, and the rule's plan; the same files for the same rule. It writes
//! into a new or empty folder, or over a package that it wrote before, and nowhere else.

use crate::files::{shown, write_whole};
use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firstseen_artifact::{Meta, StandardMetadata};
use firstseen_compiler::Target;
use firstseen_engines::EngineMissing;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The files of a package that are the same for every rule.
macro_rules! source {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../../plugin/targets/js/package/", $name)))
    };
}
const FILES: [(&str, &str); 5] = [
    source!("index.js"),
    source!("index.d.ts"),
    source!("node.js"),
    source!("web.js"),
    source!("workerd.js"),
];
const PACKAGE: &str = include_str!("../../../../plugin/targets/js/package/package.json");
const README: &str = include_str!("../../../../plugin/targets/js/package/README.md");
/// The file that says that a folder is a package of ours.
const PLAN: &str = "plan.js";
/// npm takes no longer names.
const MAX_NAME: usize = 200;

/// Writes the package of an artifact's rules; its size. `stem` names it, `license` is that of the
/// rules as registries write it, `settings` what they run under.
pub(super) fn write(
    to: &Path,
    stem: &str,
    wasm: &[u8],
    license: &str,
    settings: &str,
) -> anyhow::Result<usize> {
    let files = package(stem, wasm, license, settings)?;
    check(to)?;
    fs::create_dir_all(to).with_context(|| shown(to))?;
    for (name, bytes) in &files {
        write_whole(&to.join(name), bytes)?;
    }
    Ok(files.iter().map(|(_, bytes)| bytes.len()).sum())
}

/// What a folder of other things holds is not to be mixed with a package.
fn check(to: &Path) -> anyhow::Result<()> {
    if to.is_file() {
        bail!("{}: a file, and a package is a folder", shown(to));
    }
    let mut entries = match fs::read_dir(to) {
        Ok(entries) => entries,
        Err(_) => return Ok(()),
    };
    if entries.next().is_some() && !to.join(PLAN).is_file() {
        bail!("{}: a folder that holds something else; name a new one", shown(to));
    }
    Ok(())
}

type Files = Vec<(&'static str, Vec<u8>)>;

fn package(stem: &str, wasm: &[u8], license: &str, settings: &str) -> anyhow::Result<Files> {
    let name = package_name(stem);
    let meta = Meta::read(wasm)?;
    let plan = firstseen_artifact::plan(wasm).map_err(anyhow::Error::msg)?;
    let titles: Vec<&str> = meta.rules.iter().map(|rule| &*rule.name).collect();
    let license_of_all = match StandardMetadata::spdx(license).as_deref() {
        Some("Apache-2.0") => "Apache-2.0".to_owned(),
        // The engine is ours, the rule somebody's.
        Some(rules) => format!("Apache-2.0 AND ({rules})"),
        None => "SEE LICENSE IN README.md".to_owned(),
    };
    let about = described(&[
        ("name", &name),
        ("version", env!("CARGO_PKG_VERSION")),
        ("description", &titles.join("; ")),
        ("license", &license_of_all),
    ])?;
    let quoted = |text: &str| serde_json::to_string(text);
    let plan = format!(
        "// The rule, as the engine reads it, and the settings that it runs under.\n\
         export const plan = {};\nexport const settings = {};\n",
        quoted(&STANDARD.encode(plan))?,
        quoted(settings)?,
    );
    let mut readme = README.replace("\"NAME\"", &quoted(&name)?);
    readme.push_str("\nThe engine is under Apache-2.0. The rules inside:\n\n");
    for rule in &meta.rules {
        let license = if license.is_empty() { "no licence is stated" } else { license };
        readme.push_str(&format!("- {} ({}; {})\n", markdown(&rule.name), rule.id, license));
    }
    let mut files: Files = FILES.iter().map(|(name, text)| (*name, (*text).into())).collect();
    let (engine, glue) =
        firstseen_engines::javascript().ok_or_else(|| EngineMissing::of(Target::Js))?;
    files.push(("engine.js", glue.into()));
    files.push(("engine.wasm", engine.to_vec()));
    files.push((PLAN, plan.into_bytes()));
    files.push(("README.md", readme.into_bytes()));
    files.push(("package.json", about.into_bytes()));
    Ok(files)
}

/// package.json with these members. Its text is kept: the order of conditions in `exports` has a
/// meaning, and a JSON value here would lose it.
fn described(members: &[(&str, &str)]) -> anyhow::Result<String> {
    let old: Value = serde_json::from_str(PACKAGE)?;
    let mut out = PACKAGE.to_owned();
    for (name, text) in members {
        let was = format!("  \"{name}\": {},\n", old[*name]);
        let is = format!("  \"{name}\": {},\n", json!(text));
        if !out.contains(&was) {
            bail!("package.json of the library has no line for `{name}`");
        }
        out = out.replacen(&was, &is, 1);
    }
    Ok(out)
}

/// A rule's name is text, not markup.
fn markdown(text: &str) -> String {
    let special = |c: char| c.is_ascii_punctuation() && !".,:-'()/".contains(c);
    text.chars().fold(String::new(), |mut out, c| {
        if special(c) {
            out.push('\\');
        }
        out.push(if c.is_control() { ' ' } else { c });
        out
    })
}

/// `firstseen-` and the file's name as npm allows it: small letters, digits, `-`.
fn package_name(stem: &str) -> String {
    let mut name = String::from("firstseen");
    let words = stem.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    for word in words {
        name.push('-');
        name.push_str(&word.to_ascii_lowercase());
    }
    name.truncate(MAX_NAME);
    name
}

#[cfg(all(test, feature = "targets"))]
mod tests {
    use super::*;
    use firstseen_engines::flagship;

    #[test]
    fn a_package_has_what_its_package_json_names_and_always_the_same_bytes() {
        let made = || package("My Rule_1", flagship(), "Elastic License v2", r#"{"tenant":"a"}"#);
        let files = made().unwrap();
        assert_eq!(files, made().unwrap());
        let text = |name: &str| {
            let file = files.iter().find(|(found, _)| *found == name);
            String::from_utf8(file.unwrap_or_else(|| panic!("no {name}")).1.clone()).unwrap()
        };
        let about = text("package.json");
        // The first condition that holds counts, and this one always does.
        assert!(about.find("\"default\"") > about.find("\"node\""), "{about}");
        let about: Value = serde_json::from_str(&about).unwrap();
        assert_eq!(about["name"], "firstseen-my-rule-1");
        for (condition, file) in about["exports"]["."].as_object().unwrap() {
            let file = file.as_str().unwrap().trim_start_matches("./");
            assert!(files.iter().any(|(name, _)| *name == file), "{condition}: {file}");
        }
        assert!(text(PLAN).contains(r#"settings = "{\"tenant\":\"a\"}""#));
        assert!(text("README.md").contains("firstseen-my-rule-1"));
    }

    #[test]
    fn a_folder_of_other_things_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("package");
        write(&to, "x", flagship(), "", "").unwrap();
        write(&to, "x", flagship(), "", "").unwrap();
        fs::write(folder.path().join("notes"), "mine").unwrap();
        let error = write(folder.path(), "x", flagship(), "", "").unwrap_err();
        assert!(error.to_string().contains("something else"), "{error}");
        assert!(write(&folder.path().join("notes"), "x", flagship(), "", "").is_err());
    }

    #[test]
    fn names_are_such_as_npm_takes() {
        assert_eq!(package_name("First_Time..Stack"), "firstseen-first-time-stack");
        assert_eq!(package_name("é"), "firstseen");
        assert_eq!(package_name(&"x".repeat(900)).len(), MAX_NAME);
    }
}
