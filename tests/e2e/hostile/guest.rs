//! A guest whose parts are given: what it answers, what else is in it, and what its metadata say.
//!
//! In: changes to an honest guest, which has one alert of its only event. Out: the artifact's bytes. It runs nothing.

use super::modules::custom;
use firstseen_abi::{
    Counts, Decision, ItemKind, ItemTerm, KeysWriter, Outcome, OutcomeKind, Write,
};
use firstseen_artifact::{ArtifactParts, Meta, RuleMeta, StandardMetadata, compose};
use std::fmt::Write as _;

/// The only event that these guests are given.
pub(super) const EVENT: &str = r#"{"@timestamp":"2025-04-01T08:00:00Z","user":{"name":"ann"}}"#;
/// Its time.
pub(super) const TIME_MS: i64 = 1_743_494_400_000;
/// The only alert that one of them may give.
pub(super) const ALERT: &str = r#"{"kibana.alert.rule.rule_id":"hostile"}"#;
/// A key of its own.
pub(super) const KEY: &str = "default:hostile:0011:1";
/// Where the answers are in its memory, and how long the place is.
const KEYS_AT: u32 = 131_072;
const DECIDE_AT: u32 = 196_608;

/// A guest.
#[derive(Clone)]
pub(super) struct HostileGuest {
    /// What `keys` returns.
    pub(super) keys: Vec<u8>,
    /// What `decide` returns.
    pub(super) decide: Vec<u8>,
    /// Its memory.
    pub(super) memory: String,
    /// More of the module.
    pub(super) more: String,
    /// The imports.
    pub(super) imports: String,
    /// Instructions in place of those of an export.
    pub(super) bodies: Vec<(&'static str, String)>,
    /// Texts of the module that are replaced at the end.
    pub(super) replaced: Vec<(String, String)>,
    /// What it says of its rule.
    pub(super) rule: RuleMeta,
}

/// An item of the only event.
pub(super) fn item(writer: &mut KeysWriter<'_>, rule: u16, keys: &[&[u8]]) {
    let terms: Vec<_> = keys.iter().map(|key| ItemTerm { key, values: r#"["ann"]"# }).collect();
    let place = (0, EVENT.len() as u32);
    writer.item(ItemKind::Matched, rule, place, TIME_MS, &[7; 16], "", terms.into_iter());
}

/// What `keys` says with these items.
pub(super) fn keys(items: impl FnOnce(&mut KeysWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = KeysWriter::new(&mut out);
    writer.counts = Counts { read: 1, matched: 1, ..Counts::default() };
    items(&mut writer);
    writer.finish();
    out
}

/// What `decide` says with these writes and outcomes.
pub(super) fn decision(
    writes: &[(u32, &[u8], i64)],
    outcomes: &[(u32, u16, OutcomeKind, &str)],
) -> Vec<u8> {
    let mut out = Vec::new();
    let writes = writes.iter().map(|&(key, value, ttl_ms)| Write { key, value, ttl_ms });
    let outcome = |&(item, term, kind, text)| Outcome { item, term, kind, text };
    let outcomes = outcomes.iter().map(outcome).collect();
    Decision { writes: writes.collect(), outcomes }.write(&mut out);
    out
}

impl Default for HostileGuest {
    fn default() -> Self {
        Self {
            keys: keys(|writer| item(writer, 0, &[KEY.as_bytes()])),
            decide: decision(&[(0, b"value", 1000)], &[(0, 0, OutcomeKind::Alert, ALERT)]),
            memory: "(memory (export \"memory\") 16)".to_owned(),
            more: String::new(),
            imports: String::new(),
            bodies: Vec::new(),
            replaced: Vec::new(),
            rule: RuleMeta {
                id: "hostile".to_owned(),
                name: "A hostile rule".to_owned(),
                severity: "low".to_owned(),
                new_terms: vec!["user.name".to_owned()],
                window: "1d".to_owned(),
                window_ms: 86_400_000,
                key_prefix: "hostile:0011:".to_owned(),
                ..RuleMeta::default()
            },
        }
    }
}

/// Bytes as WebAssembly's text has them.
fn quoted(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "\\{byte:02x}").unwrap();
        out
    })
}

impl HostileGuest {
    fn body(&self, export: &str, honest: String) -> String {
        let given = self.bodies.iter().find(|(name, _)| *name == export);
        given.map_or(honest, |(_, body)| body.clone())
    }

    /// The module without a plan and metadata.
    pub(super) fn text(&self) -> String {
        let packed = |at: u32, bytes: &[u8]| {
            format!("(i64.const {})", u64::from(at) << 32 | bytes.len() as u64)
        };
        let Self { imports, memory, more, .. } = self;
        let mut out = format!(
            r#"(module {imports} {memory}
              (global (export "FIRSTSEEN_PLAN") i32 (i32.const 1024))
              (data (i32.const 1024) "\00\00\00\00\00\00\00\00")
              (data (i32.const {KEYS_AT}) "{}")
              (data (i32.const {DECIDE_AT}) "{}")
              {more}"#,
            quoted(&self.keys),
            quoted(&self.decide),
        );
        for (export, signature, honest) in [
            ("abi_version", "(result i32)", "(i32.const 1)".to_owned()),
            ("alloc", "(param i32) (result i32)", "(i32.const 2048)".to_owned()),
            ("reset", "", String::new()),
            ("configure", "(param i32 i32) (result i64)", packed(1032, b"{}")),
            ("keys", "(param i32 i32 i32 i32 i64) (result i64)", packed(KEYS_AT, &self.keys)),
            ("decide", "(param i32 i32) (result i64)", packed(DECIDE_AT, &self.decide)),
            ("evaluate", "(param i32 i32 i64) (result i64)", "(i64.const 0)".to_owned()),
            ("explain", "(param i32 i32) (result i64)", "(i64.const 0)".to_owned()),
        ] {
            let body = self.body(export, honest);
            writeln!(out, "(func (export \"{export}\") {signature} {body})").unwrap();
        }
        out.push_str("(data (i32.const 1032) \"{}\"))");
        for (from, to) in &self.replaced {
            assert!(out.contains(from.as_str()), "{from}");
            out = out.replace(from.as_str(), to);
        }
        out
    }

    /// The artifact.
    pub(super) fn wasm(&self) -> Vec<u8> {
        let text = self.text();
        let engine = wat::parse_str(&text).unwrap_or_else(|fault| panic!("{fault}\n{text:.2000}"));
        self.around(&engine)
    }

    /// The artifact of this engine; where nothing can be embedded in it, its metadata are behind it all the same.
    pub(super) fn around(&self, engine: &[u8]) -> Vec<u8> {
        let source = "[rule]\n";
        let composed = compose(&ArtifactParts {
            engine,
            engine_version: "0",
            abi: 1,
            plan: b"x",
            options: b"",
            target: "",
            renamed: None,
            rules: std::slice::from_ref(&self.rule),
            sources: &[source],
            standard: &StandardMetadata::default(),
        });
        composed.unwrap_or_else(|_| {
            let (engine_version, rules) = ("0".to_owned(), vec![self.rule.clone()]);
            let (target, options) = (String::new(), String::new());
            let meta = Meta { format: 1, abi: 1, engine: engine_version, target, options, rules };
            let meta = serde_json::to_vec(&meta).unwrap();
            [engine, &custom("firstseen.rules", &meta), &custom("firstseen.source", b"x")].concat()
        })
    }
}
