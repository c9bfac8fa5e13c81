//! The content of an artifact, for a person.
//!
//! In: an artifact that was read. Out: text of 80 columns; everything in it that came from the file is
//! escaped.

use super::InspectedArtifact;
use crate::escape::escaped;
use crate::terminal::guide::title;
use crate::terminal::wrap::wrapped;
use firstseen_artifact::RuleMeta;

/// Columns of the names on the left.
const LEFT: usize = 13;

/// The page.
pub(super) fn page(seen: &InspectedArtifact, colour: bool) -> String {
    let InspectedArtifact { name, wasm, digest, meta, look } = seen;
    let standard = |name: &str| look.standard.get(name).map_or("", String::as_str);
    let mut out = title(standard("name"), colour);
    out += &wrapped(&escaped(&standard("description").replace('\n', " ")), "  ", "  ");
    out.push('\n');
    row(&mut out, "file", name);
    let beside = format!("{} bytes, {} beside its text", wasm.len(), look.engine_bytes());
    row(&mut out, "size", &beside);
    row(&mut out, "engine", &format!("{}, contract {}", meta.engine, meta.abi));
    if let Some((least, most)) = look.memory {
        let most = most.map_or(String::new(), |most| format!(", at most {most}"));
        row(&mut out, "memory", &format!("{least} pages of 64 KiB{most}"));
    }
    for name in ["version", "authors", "licenses", "source", "revision", "homepage"] {
        row(&mut out, name, standard(name));
    }
    // On a line of its own, as it fills one.
    out += &format!("{digest}\n");
    for rule in &meta.rules {
        out.push('\n');
        out += &title(&rule.name, colour);
        self::rule(&mut out, rule);
    }
    out.push('\n');
    out += &title("Imports", colour);
    for (from, name, kind) in &look.imports {
        out += &wrapped(&escaped(&format!("{from}.{name} {kind}")), "  ", "      ");
    }
    out += &title("Exports", colour);
    for (name, kind) in &look.exports {
        out += &wrapped(&escaped(&format!("{name} {kind}")), "  ", "      ");
    }
    out += &title("Sections", colour);
    for section in &look.sections {
        let custom = if section.custom { " (text)" } else { "" };
        out += &format!("  {:>10}  {}{custom}\n", section.size, escaped(&section.name));
    }
    out
}

fn rule(out: &mut String, rule: &RuleMeta) {
    row(out, "rule id", &rule.id);
    let risk = rule.risk_score.map_or(String::new(), |risk| format!(", risk score {risk}"));
    row(out, "severity", &format!("{}{risk}", rule.severity));
    row(out, "version", &rule.version.map_or(String::new(), |version| version.to_string()));
    row(out, "new terms", &rule.new_terms.join(", "));
    row(out, "window", &rule.window);
    row(out, "event time", rule.event_time.as_deref().unwrap_or("@timestamp"));
    row(out, "query", &rule.query.split_whitespace().collect::<Vec<_>>().join(" "));
    let literals: Vec<String> = rule.literals.iter().map(|any| any.join(" or ")).collect();
    row(out, "looks for", &literals.join("; and "));
    row(out, "state keys", &rule.key_prefix);
    if rule.exceptions > 0 {
        row(out, "exceptions", &rule.exceptions.to_string());
    }
    for threat in &rule.threat {
        let mut parts = vec![threat.tactic.clone()];
        parts.extend((!threat.tactic_name.is_empty()).then(|| threat.tactic_name.clone()));
        parts.extend((!threat.techniques.is_empty()).then(|| threat.techniques.join(", ")));
        row(out, "threat", &format!("{}: {}", threat.framework, parts.join(" ")));
    }
    row(out, "tags", &rule.tags.join("; "));
    row(out, "indices", &rule.index.join(", "));
    let upstream = match rule.interval.as_str() {
        "" => String::new(),
        interval => format!("every {interval} from {}", rule.from),
    };
    row(out, "upstream", &upstream);
}

/// A name and what there is to say; nothing where there is nothing.
fn row(out: &mut String, name: &str, text: &str) {
    if !text.is_empty() {
        let first = format!("  {name:<LEFT$}");
        *out += &wrapped(&escaped(text), &first, &" ".repeat(LEFT + 2));
    }
}
