//! Modules that are refused before anything of them runs, and files that are none.
//!
//! In: nothing. Out: artifacts, most of them with more of something than is compiled, or with what the contract forbids.

use super::guest::HostileGuest;
use super::{Case, Held};

fn module(name: &str, word: &'static str, change: impl FnOnce(&mut HostileGuest)) -> Case {
    Case::guest(name, Held::Refused(word), change)
}

fn more(name: &str, word: &'static str, more: String) -> Case {
    module(name, word, |guest| guest.more = more)
}

/// More of something than is compiled.
pub(super) fn too_much() -> Vec<Case> {
    let function = |what: String| format!("(func {what})");
    let too_large = "too large to be compiled";
    let exports: String = (0..1_100).map(|n| format!("(export \"e{n}\" (func 0))")).collect();
    vec![
        more("100,000 functions", too_large, "(func)".repeat(100_000)),
        more("functions", too_large, "(func)".repeat(5_001)),
        more("variables", too_large, function(format!("(local {})", "i64 ".repeat(50_000)))),
        more("a body of 124 KB", too_large, function("nop ".repeat(124_000))),
        more("blocks", too_large, function("(block)".repeat(30_000))),
        more("branches", too_large, function("(br_if 0 (i32.const 0))".repeat(10_000))),
        more(
            "blocks inside each other",
            too_large,
            function(format!("{}{}", "(block ".repeat(900), ")".repeat(900))),
        ),
        more(
            "loops inside each other",
            too_large,
            function(format!("{}{}", "(loop ".repeat(500), ")".repeat(500))),
        ),
        more(
            "targets",
            too_large,
            function(format!("(br_table {} 0 (i32.const 1))", "0 ".repeat(40_000))),
        ),
        more(
            "variables in blocks",
            too_large,
            function(format!("(local {}) {}", "i32 ".repeat(390), "(block)".repeat(4_900))),
        ),
        more("variables times blocks", too_large, {
            let blocks = format!("(func (local {}) {})", "i32 ".repeat(300), "(block)".repeat(900));
            blocks.repeat(100)
        }),
        more(
            "types",
            too_large,
            (0..500)
                .map(|n| {
                    format!(
                        "(type (func (param {})))",
                        (0..9)
                            .map(|bit| if n >> bit & 1 == 1 { "i32 " } else { "i64 " })
                            .collect::<String>()
                    )
                })
                .collect(),
        ),
        more("parameters", too_large, function(format!("(param {})", "f64 ".repeat(500)))),
        more(
            "results",
            too_large,
            function(format!("(result {}) unreachable", "f64 ".repeat(500))),
        ),
        more("globals", too_large, "(global i32 (i32.const 1))".repeat(5_000)),
        more("tables", too_large, "(table 1 funcref)".repeat(50)),
        more("segments", too_large, "(data \"\")".repeat(20_000)),
        more(
            "elements",
            too_large,
            format!("(table 1 funcref) (elem func {})", "0 ".repeat(150_000)),
        ),
        more("exports", too_large, exports),
    ]
}

/// As much of several things as is compiled: what a compiler takes for it is for its limits to bound.
pub(super) fn costly() -> Vec<Case> {
    let whole = |name: &str, function: &str, n: usize| {
        Case::guest(name, Held::Honest, |guest| guest.more = function.repeat(n))
    };
    // Each variable has another value in each block, and all are joined behind each.
    let locals = |n: usize| format!("(local {})", "i32 ".repeat(n));
    let sets = |n: usize, from: usize| -> String {
        (0..n).map(|at| format!("(local.set {} (i32.const {at}))", (from + at) % n)).collect()
    };
    let joins = (0..14).map(|block| {
        format!("(if (local.get 0) (then {}) (else {}))", sets(390, block), sets(390, block + 7))
    });
    let joined = format!("(func {} {})", locals(390), joins.collect::<String>());
    let loops = |n: usize, depth: usize| {
        let open =
            format!("(loop (br_if 0 (local.get 0)) {}", "(local.set 1 (local.get 2))".repeat(3));
        let nest = format!("{}{}", open.repeat(depth), ")".repeat(depth));
        format!("(func {} {})", locals(n), nest)
    };
    let open = |at: usize| {
        format!(
            "(loop (br_if 0 (local.get {})) {}",
            at % 390,
            (0..50)
                .map(|n| format!("(local.set {} (i32.const 1))", (at * 50 + n) % 390))
                .collect::<String>()
        )
    };
    let open: String = (0..290).map(open).collect();
    let full = format!("(func {} {open} {})", locals(390), ")".repeat(290));
    let tables = format!(
        "(func {} {})",
        locals(200),
        format!("(block (br_table {} 0 (local.get 3)))", "0 ".repeat(90)).repeat(10),
    );
    let plain = format!(
        "(func {} {})",
        locals(390),
        "(local.set 1 (i32.add (local.get 2) (local.get 3)))".repeat(9_000)
    );
    let calls = format!("(func $f {})", "(call $f)".repeat(30_000));
    vec![
        whole("joins: one function", &joined, 1),
        whole("joins: thirty functions", &joined, 30),
        whole("loops: one function", &loops(390, 290), 1),
        whole("loops: ten functions", &loops(390, 290), 10),
        whole("loops: a full function", &full, 1),
        whole("loops: ten full functions", &full, 10),
        whole("tables: one function", &tables, 1),
        whole("tables: twelve functions", &tables, 12),
        whole("sums: one function", &plain, 1),
        whole("sums: twenty-six functions", &plain, 26),
        whole("calls: one function", &calls, 1),
        whole("nothing: 4,900 functions", "(func)", 4_900),
    ]
}

/// What the contract forbids.
pub(super) fn forbidden() -> Vec<Case> {
    let memory = |name: &str, word: &'static str, text: &str| {
        module(name, word, |guest| guest.memory = text.to_owned())
    };
    let import = |name: &str, text: &str| {
        module(name, "which no host provides", |guest| guest.imports = text.to_owned())
    };
    let mut all = vec![
        more("a start function", "a start function", "(func $s unreachable) (start $s)".to_owned()),
        more(
            "a start function that never ends",
            "a start function",
            "(func $s (loop $l (br $l))) (start $s)".to_owned(),
        ),
        memory(
            "a memory of 193 MiB",
            "begins with 3089 pages",
            "(memory (export \"memory\") 3088)",
        ),
        memory("a memory of 4 GiB less the plan", "pages", "(memory (export \"memory\") 65000)"),
        more("a table of 4 billion", "a table of", "(table 0xffffffff funcref)".to_owned()),
        more("a table of 100,001", "a table of 100001", "(table 100001 funcref)".to_owned()),
        module("memory is not exported", "does not export its memory", |guest| {
            guest.memory = "(memory 16)".to_owned()
        }),
        module("memory is a global", "does not export its memory", |guest| {
            guest.memory = "(memory 16) (global (export \"memory\") i32 (i32.const 0))".to_owned();
        }),
        module("an import of another type", "its import `log` is", |guest| {
            guest.imports = r#"(import "firstseen_v1" "log" (func (param i64)))"#.to_owned();
        }),
        import(
            "a function of WASI",
            r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#,
        ),
        import("a fourth function", r#"(import "firstseen_v1" "kv_del" (func (param i32 i32)))"#),
        import("a global of another name", r#"(import "firstseen_v1" "heap" (global i32))"#),
        module("a global", "`log` is global", |guest| {
            guest.imports = r#"(import "firstseen_v1" "log" (global i32))"#.to_owned();
        }),
        module("a table", "`log` is table", |guest| {
            guest.imports = r#"(import "firstseen_v1" "log" (table 1 funcref))"#.to_owned();
        }),
        import("a function of no namespace", r#"(import "" "" (func))"#),
        more("a tail call", "tail calls", "(func $t (return_call $t))".to_owned()),
        more(
            "relaxed SIMD",
            "relaxed",
            "(func (drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0))))"
                .to_owned(),
        ),
        more(
            "a function that is invalid",
            "type mismatch",
            "(func (result i32) (i64.const 1))".to_owned(),
        ),
        more("a data segment outside memory", "", "(data (i32.const 0xfffffff) \"x\")".to_owned()),
        more(
            "elements outside the table",
            "",
            "(table 1 funcref) (elem (i32.const 9) func 0)".to_owned(),
        ),
    ];
    for (name, body, word) in [
        ("contract 2", "(i32.const 2)", "contract 2"),
        ("contract 0", "(i32.const 0)", "contract 0"),
        ("contract -1", "(i32.const -1)", "contract -1"),
        ("a contract that traps", "unreachable", "unreachable"),
        ("a contract without end", "(call 0)", "stack"),
    ] {
        all.push(module(name, word, |guest| guest.bodies.push(("abi_version", body.to_owned()))));
    }
    for export in
        ["abi_version", "alloc", "reset", "configure", "keys", "decide", "evaluate", "explain"]
    {
        let exported = format!("(export \"{export}\")");
        all.push(module(&format!("no {export}"), "does not export", |guest| {
            guest.replaced.push((exported.clone(), String::new()));
        }));
        all.push(module(&format!("{export} of another type"), "instead of", |guest| {
            let replaced = format!("(export \"{export}\" (func $other)) (func ");
            guest.replaced.push((format!("(func {exported}"), replaced));
            guest.more = "(func $other (param f64) (result f32) unreachable)".to_owned();
        }));
    }
    all
}

/// Modules that the tool for text does not write, or `compose` does not take: with metadata behind them.
pub(super) fn raw() -> Vec<Case> {
    let meta = r#"{"format":1,"abi":1,"engine":"0","rules":[{"id":"hostile","name":"h","severity":"low",
        "new_terms":["a"],"window":"1d","window_ms":1,"key_prefix":"hostile:0011:","literals":[]}]}"#;
    let with = |wasm: &[u8], meta: &str| {
        [wasm, &custom("firstseen.rules", meta.as_bytes()), &custom("firstseen.source", b"x")]
            .concat()
    };
    let of_text = |memory: &str| {
        let text = HostileGuest { memory: memory.to_owned(), ..HostileGuest::default() }.text();
        wat::parse_str(text).unwrap()
    };
    let honest = HostileGuest::default();
    let engine = wat::parse_str(honest.text()).unwrap();
    let whole = honest.wasm();
    let refused = |name: &str, word, wasm| Case::new(name, Held::Refused(word), wasm);
    let exported = "(memory (export \"memory\") 16)";
    let mut all = vec![
        refused(
            "two memories",
            "two memories",
            with(&of_text(&format!("{exported} (memory 1)")), meta),
        ),
        refused(
            "shared memory",
            "shared memory",
            with(&of_text("(memory (export \"memory\") 16 16 shared)"), meta),
        ),
        refused("a tag", "exceptions", with(&of_text(&format!("{exported} (tag)")), meta)),
        refused("no bytes", "empty file", Vec::new()),
        refused("only the name of the format", "", b"\0asm".to_vec()),
        refused("an empty module", "not a rule", b"\0asm\x01\0\0\0".to_vec()),
        refused("a component", "component", b"\0asm\x0d\0\x01\0".to_vec()),
        refused("another version", "", b"\0asm\x02\0\0\0".to_vec()),
        refused("no metadata", "not a rule", engine.clone()),
        refused("metadata twice", "twice", with(&with(&engine, meta), meta)),
        refused("every section twice", "", [&whole[..], &whole[8..]].concat()),
        refused("metadata of no JSON", "damaged", with(&engine, "{")),
        refused("metadata of 200,000 levels", "damaged", with(&engine, &"[".repeat(200_000))),
        refused(
            "metadata of format 2",
            "format 2",
            with(&engine, &meta.replace("\"format\":1", "\"format\":2")),
        ),
        refused(
            "metadata of contract 9",
            "contract 9",
            with(&engine, &meta.replace("\"abi\":1", "\"abi\":9")),
        ),
        refused(
            "metadata without rules",
            "damaged",
            with(&engine, r#"{"format":1,"abi":1,"engine":"0","rules":[]}"#),
        ),
        refused(
            "metadata of a pipeline",
            "was built for",
            with(&engine, &meta.replace("\"rules\"", "\"target\":\"x\\u001b[2J\",\"rules\"")),
        ),
        refused(
            "a section longer than the file",
            "",
            [&whole[..], &[0, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat(),
        ),
        refused(
            "300,000 empty sections",
            "200000",
            [&with(&engine, meta)[..], &[0, 1, 0].repeat(300_000)].concat(),
        ),
        refused(
            "300,000 types",
            "200000",
            [
                b"\0asm\x01\0\0\0".to_vec(),
                with_types(300_000),
                custom("firstseen.rules", meta.as_bytes()),
            ]
            .concat(),
        ),
    ];
    for (name, prefix) in [
        ("a prefix of everything", "*"),
        ("a prefix of nothing", ""),
        ("a prefix of one part", "hostile:"),
        ("a prefix without an end", "hostile:0011"),
        ("a prefix of escapes", "a:b\\u001b:"),
    ] {
        all.push(refused(
            name,
            "key prefix",
            with(&engine, &meta.replace("hostile:0011:", prefix)),
        ));
    }
    let long = format!("{}:{}:", "a".repeat(90), "b".repeat(90));
    all.push(refused(
        "a long prefix",
        "key prefix",
        with(&engine, &meta.replace("hostile:0011:", &long)),
    ));
    for part in 1..12 {
        let cut = whole.len() * part / 12;
        all.push(refused(&format!("{part} twelfths of an artifact"), "", whole[..cut].to_vec()));
    }
    all
}

fn with_types(n: usize) -> Vec<u8> {
    let content = [leb(n), [0x60, 0, 0].repeat(n)].concat();
    [vec![1], leb(content.len()), content].concat()
}

/// A custom section.
pub(super) fn custom(name: &str, data: &[u8]) -> Vec<u8> {
    let content = [&leb(name.len())[..], name.as_bytes(), data].concat();
    [&[0][..], &leb(content.len()), &content].concat()
}

fn leb(n: usize) -> Vec<u8> {
    let last = n < 0x80;
    let byte = [n as u8 & 0x7f | if last { 0 } else { 0x80 }];
    if last { byte.to_vec() } else { [&byte[..], &leb(n >> 7)].concat() }
}

/// Metadata that cost or say too much, around an honest guest.
pub(super) fn metadata() -> Vec<Case> {
    let honest =
        |name: &str, change: fn(&mut HostileGuest)| Case::guest(name, Held::Honest, change);
    let left_out = |name: &str, literals: Vec<Vec<String>>| {
        let held = Held::Told("are too many or too long to search events for");
        Case::guest(name, held, |guest| guest.rule.literals = literals)
    };
    let numbered = |n: usize, text: &str| (0..n).map(|n| format!("{text}{n}")).collect::<Vec<_>>();
    vec![
        left_out("20,000 literals in a clause", vec![numbered(20_000, "a literal ")]),
        left_out(
            "20,000 clauses",
            numbered(20_000, "b").into_iter().map(|text| vec![text]).collect(),
        ),
        left_out("a literal of 1 MB", vec![vec!["x".repeat(1_000_000)]]),
        left_out("literals inside each other", vec![(1..600).map(|n| "a".repeat(n)).collect()]),
        left_out("200,000 empty literals", vec![vec![String::new(); 200_000]]),
        honest("a name that controls a terminal", |guest| {
            guest.rule.name = "\x1b[2J\x07\u{202e}name".to_owned();
        }),
        honest("a window of no time", |guest| guest.rule.window_ms = i64::MIN),
        honest("a window of all time", |guest| guest.rule.window_ms = i64::MAX),
        honest("a name of 1 MB", |guest| guest.rule.name = "n".repeat(1 << 20)),
        honest("10,000 tags", |guest| guest.rule.tags = vec!["t".repeat(50); 10_000]),
        honest("10,000 patterns of indices", |guest| {
            guest.rule.index = vec!["*a*b*c*d*".to_owned(); 10_000]
        }),
    ]
}
