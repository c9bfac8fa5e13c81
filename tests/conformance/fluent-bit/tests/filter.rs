//! The filter in WAMR, called as by Fluent Bit, with Fluent Bit's default sizes.
//!
//! `FIRSTSEEN` is the path of the binary that builds the modules; the default is
//! `target/debug/firstseen`.

use firstseen_conformance_fluent_bit::{Answer, DEFAULT_SIZE, Filter};
use serde::Deserialize as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};
use tempfile::TempDir;

const FLAGSHIP: &str = "plugin/rules/first_time_cloudformation_stack_creation.toml";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().unwrap()
}

/// The binary, in the project's folder.
fn program() -> Command {
    let path = env::var_os("FIRSTSEEN")
        .map_or_else(|| root().join("target/debug/firstseen"), PathBuf::from);
    let mut program = Command::new(path);
    program.current_dir(root());
    program
}

/// Builds rules for Fluent Bit.
fn build(rules: &[&str], arguments: &[&str]) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("rule.wasm");
    let built = program()
        .args(["build", "--target", "fluent-bit", "-o"])
        .arg(&out)
        .args(arguments)
        .args((rules.len() > 1).then_some("--pack"))
        .args(rules)
        .output()
        .unwrap_or_else(|e| panic!("{e}; type: cargo build -p firstseen --features targets"));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    fs::read(out).unwrap()
}

fn load(wasm: &[u8], folders: &[&str]) -> Filter {
    Filter::load(wasm, folders, DEFAULT_SIZE).unwrap()
}

/// A record without escapes of surrogates: the filter takes half of a pair, serde_json does not.
fn without_surrogates(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let parts = text.split("\\u").enumerate().map(|(n, part)| match (n, part.as_bytes()) {
        (0, _) => part.to_owned(),
        (_, [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]) => {
            format!("\\ufffd{}", part.get(4..).unwrap_or_default())
        }
        _ => format!("\\u{part}"),
    });
    parts.collect()
}

/// Calls the filter and returns the record, which must be a JSON object.
fn goes(filter: &mut Filter, record: &[u8]) -> Value {
    let shown = String::from_utf8_lossy(&record[..record.len().min(300)]).into_owned();
    match filter.call(record) {
        Ok(Answer::Goes(text)) => {
            let value: Value = serde_json::from_str(&without_surrogates(&text))
                .unwrap_or_else(|e| panic!("{shown}: {e}"));
            assert!(value.is_object(), "{shown}: {value}");
            value
        }
        other => panic!("{shown}: {other:?}"),
    }
}

/// The texts of the alerts, cut out of the record.
fn alerts_of(text: &[u8]) -> String {
    let text = std::str::from_utf8(text).unwrap();
    let Some(at) = text.find(r#","firstseen_alerts":["#) else { return String::new() };
    let list = &text[at + r#","firstseen_alerts":["#.len()..];
    let end = list.rfind(r#"],"firstseen_error":"#).unwrap_or(list.len() - 2);
    list[..end].to_owned()
}

fn create_stack(user: &str, more: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.08","eventSource":"cloudformation.amazonaws.com","eventName":"CreateStack","eventTime":"2025-04-01T08:00:00Z","eventID":"{user}","recipientAccountId":"111122223333","awsRegion":"us-east-1","userIdentity":{{"type":"IAMUser","accountId":"111122223333","userName":"{user}"}},"responseElements":{{"stackId":"s"}}{more}}}"#
    )
}

/// The vectors of tests/vectors, byte for byte.
#[test]
fn vectors() {
    let mut paths: Vec<_> =
        fs::read_dir(root().join("tests/vectors")).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "json"));
    paths.sort();
    let (mut run, mut left) = (0, Vec::new());
    for path in paths {
        let vector: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let name = vector["name"].as_str().unwrap();
        let steps = vector["steps"].as_array().unwrap();
        // The filter has its own state and no clock.
        if vector.get("before").is_some()
            || steps.iter().any(|s| s.get("now_ms").is_some_and(|n| *n != 0))
        {
            left.push(name.to_owned());
            continue;
        }
        let folder = TempDir::new().unwrap();
        let mut arguments = Vec::new();
        let settings = folder.path().join("settings.json");
        if let Some(value) = vector.get("settings") {
            fs::write(&settings, value.to_string()).unwrap();
            arguments.extend(["--settings", settings.to_str().unwrap()]);
        }
        if let Some(value) = vector.get("event_time") {
            arguments.extend(["--event-time", value.as_str().unwrap()]);
        }
        let rules: Vec<&str> = match &vector["rule"] {
            Value::Array(rules) => rules.iter().map(|r| r.as_str().unwrap()).collect(),
            one => vec![one.as_str().unwrap()],
        };
        let mut filter = load(&build(&rules, &arguments), &[]);
        for (at, step) in steps.iter().enumerate() {
            let event = match step.get("event_hex") {
                Some(hex) => unhex(hex.as_str().unwrap()),
                None => step["event"].as_str().unwrap().as_bytes().to_vec(),
            };
            // Fluent Bit measures a record by its first NUL.
            if event.contains(&0) {
                left.push(format!("{name}, step {at}"));
                continue;
            }
            let answer = filter.call(&event);
            let Ok(Answer::Goes(text)) = answer else { panic!("{name}, step {at}: {answer:?}") };
            let record: Value = serde_json::from_slice(&text).unwrap();
            let listed = |name: &str| step[name].as_array().cloned().unwrap_or_default();
            let expected: Vec<String> = listed("alerts")
                .iter()
                .chain(&listed("repeats"))
                .map(|t| carried(t.as_str().unwrap()))
                .collect();
            assert_eq!(alerts_of(&text), expected.join(","), "{name}, step {at}");
            let code = record["firstseen_error"]["code"].as_str();
            match step["error"].as_str() {
                // The filter reports an error that a prefilter hides in other hosts: the record
                // must be JSON.
                None => assert!(
                    code.is_none() || serde_json::from_slice::<Value>(&event).is_err(),
                    "{name}, step {at}: {record}"
                ),
                error => assert_eq!(code, error, "{name}, step {at}"),
            }
        }
        run += 1;
    }
    println!("vectors: {run} run; not for a filter with its own state and no clock: {left:?}");
    assert!(run > 50);
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn records_without_alerts_are_unchanged_or_dropped() {
    let quiet = br#"{"a":1,"log":"x \u00e4"}"#;
    let mut annotate = load(&build(&[FLAGSHIP], &[]), &[]);
    assert_eq!(annotate.call(quiet), Ok(Answer::Goes(quiet.to_vec())));
    let first = goes(&mut annotate, create_stack("ann", "").as_bytes());
    assert_eq!(first["firstseen_alerts"].as_array().map(Vec::len), Some(1));
    assert_eq!(first["eventID"], "ann");
    drop(annotate);
    let mut alerts = load(&build(&[FLAGSHIP], &["--records", "alerts"]), &[]);
    assert_eq!(alerts.call(quiet), Ok(Answer::Dropped));
    assert!(goes(&mut alerts, create_stack("ann", "").as_bytes())["firstseen_alerts"].is_array());
    // Alerts and errors of another rule's filter are kept.
    goes(&mut alerts, br#"{"a":1,"firstseen_alerts":[{}]}"#);
    let record = goes(&mut alerts, br#"{"eventName":"CreateStack""#);
    assert_eq!(record["firstseen_error"]["code"], "bad_json");
    assert_eq!(record["log"], r#"{"eventName":"CreateStack""#);
}

#[test]
fn unparsed_line_gives_the_same_alert() {
    let event = create_stack("ann", "");
    let wasm = build(&[FLAGSHIP], &[]);
    let mut filter = load(&wasm, &[]);
    let Ok(Answer::Goes(parsed)) = filter.call(event.as_bytes()) else { panic!("dropped") };
    drop(filter);
    let line = json!({ "log": event }).to_string();
    let Ok(Answer::Goes(raw)) = load(&wasm, &[]).call(line.as_bytes()) else { panic!("dropped") };
    assert!(!alerts_of(&parsed).is_empty());
    assert_eq!(alerts_of(&raw), alerts_of(&parsed));
}

/// The alerts that the command gives for these events, each a line.
fn alerts_of_run(rule: &str, events: &[String]) -> BTreeSet<String> {
    let folder = TempDir::new().unwrap();
    let input = folder.path().join("events.ndjson");
    fs::write(&input, events.join("\n")).unwrap();
    let run = program().args(["run", "-q", "--rule", rule]).arg(&input).output().unwrap();
    let lines = String::from_utf8(run.stdout).unwrap();
    lines.lines().map(str::to_owned).collect()
}

/// Events of this many levels, nested at each place where an event can nest.
fn deep_events(levels: usize) -> Vec<String> {
    let mut events = Vec::new();
    let mut user = 0;
    let mut name = || {
        user += 1;
        format!("u{levels}-{user}")
    };
    let ecs = |name: &str, more: &str| {
        format!(
            r#"{{"@timestamp":"2025-04-01T08:00:00Z","event.id":"{name}","event.dataset":"aws.cloudtrail","event.provider":"cloudformation.amazonaws.com","event.action":"CreateStack","event.outcome":"success","cloud":{{"account":{{"id":"1"}}}},"user":{{"name":"{name}"}}{more}}}"#
        )
    };
    // The event itself is the first level.
    let inside = levels.saturating_sub(1);
    let dotted = vec!["d"; levels].join(".");
    let halves = ["d.", "d"].map(|end| "d.".repeat(inside / 2) + end);
    let both = format!("{}1{},\"{dotted}\":2", "\"d\":{".repeat(inside), "}".repeat(inside));
    let both = both.replacen("{1}", "{\"d\":1}", 1);
    for (open, close) in [("{\"a\":", "}"), ("[", "]"), ("[{\"a.b\":", "}]")] {
        let times = inside / close.len();
        let deep = format!("{}1{}", open.repeat(times), close.repeat(times));
        for place in [
            "requestParameters",
            "responseElements",
            "additionalEventData",
            "serviceEventDetails",
            "insightDetails",
            "resources",
            "own",
        ] {
            events.push(create_stack(&name(), &format!(",\"{place}\":{deep}")));
            if levels % 8 != 7 {
                continue;
            }
            // Of two of one name the last one counts.
            let twice = format!(",\"{place}\":{deep},\"{place}\":[{{\"accountId\":\"1\"}}]");
            events.push(create_stack(&name(), &twice));
        }
        events.push(create_stack(&name(), &format!(",\"resources\":{{\"ARN\":{deep}}}")));
        for place in ["own", "labels.own", "event.own", "@metadata"] {
            events.push(ecs(&name(), &format!(",\"{place}\":{deep}")));
        }
    }
    events.push(create_stack(&name(), &format!(",\"{dotted}\":1")));
    events.push(ecs(&name(), &format!(",\"{dotted}\":1")));
    events.push(ecs(&name(), &format!(",\"{}\":{{\"{}\":1}}", halves[1], halves[1])));
    events.push(ecs(&name(), &format!(",\"{}\":1", halves[0])));
    events.push(ecs(&name(), &format!(",{both}")));
    events
}

/// With Fluent Bit's 8 KB of stack an event may nest as deep as it can be read, as in other hosts. A
/// trap would lose the record.
#[test]
fn an_event_of_any_depth_gives_the_alert_of_other_hosts() {
    let mut filter = load(&build(&[FLAGSHIP], &[]), &[]);
    let (mut events, mut alerts) = (Vec::new(), BTreeSet::new());
    for levels in 2..=130 {
        for event in deep_events(levels) {
            let Ok(Answer::Goes(text)) = filter.call(event.as_bytes()) else {
                panic!("{levels}: {event}")
            };
            let alert = alerts_of(&text);
            assert_eq!(nesting(&event) > 127, alert.is_empty(), "{levels}: {event}");
            if alert.is_empty() {
                let text = String::from_utf8(text).unwrap();
                assert!(text.contains(r#""firstseen_error":{"code":"too_deep""#), "{text}");
                continue;
            }
            // As a line that Fluent Bit did not parse, which holds raw events alone.
            if levels % 8 == 7 && event.starts_with("{\"eventVersion") {
                let line = json!({ "log": event }).to_string();
                let Ok(Answer::Goes(text)) = filter.call(line.as_bytes()) else { panic!("{line}") };
                assert_eq!(alerts_of(&text), alert, "{line}");
            }
            alerts.insert(alert);
            events.push(event);
        }
    }
    let of_run = alerts_of_run(FLAGSHIP, &events);
    let of_run: BTreeSet<String> = of_run.iter().map(|alert| carried(alert)).collect();
    assert_eq!(alerts.len(), events.len());
    assert!(alerts == of_run, "{} differ", alerts.symmetric_difference(&of_run).count());
}

/// An alert as Fluent Bit can carry it in a record: of 63 levels, two of which are around the alert.
fn carried(alert: &str) -> String {
    fn cut(value: &mut Value, levels: usize) {
        match value {
            Value::Array(_) | Value::Object(_) if levels == 0 => *value = value.to_string().into(),
            Value::Array(items) => items.iter_mut().for_each(|item| cut(item, levels - 1)),
            Value::Object(members) => members.values_mut().for_each(|value| cut(value, levels - 1)),
            _ => {}
        }
    }
    // Brackets in strings may make it more than it is, which changes nothing.
    if nesting(alert) <= 61 {
        return alert.to_owned();
    }
    let mut reader = serde_json::Deserializer::from_str(alert);
    reader.disable_recursion_limit();
    let mut value = Value::deserialize(&mut reader).unwrap();
    cut(&mut value, 61);
    value.to_string()
}

/// The most containers around one place of a text whose strings hold no brackets, else about that.
fn nesting(text: &str) -> usize {
    let (mut deepest, mut open) = (0usize, 0usize);
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' => open += 1,
            b'}' | b']' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// The deepest event of CloudTrail that is usual.
#[test]
fn the_start_of_an_instance_alerts() {
    let rule = "tests/conformance/fluent-bit/tests/run_instances.toml";
    let event =
        fs::read_to_string(root().join("tests/conformance/fluent-bit/tests/run_instances.json"))
            .unwrap();
    let event = event.lines().map(str::trim).collect::<String>();
    assert_eq!(nesting(&event), 12);
    let mut filter = load(&build(&[rule], &[]), &[]);
    let Ok(Answer::Goes(text)) = filter.call(event.as_bytes()) else { panic!("dropped") };
    let of_run = alerts_of_run(rule, &[event]);
    assert_eq!(of_run.len(), 1);
    assert_eq!(BTreeSet::from([alerts_of(&text)]), of_run);
}

/// Records of 10 KB to 5 MB, for which the host allocates memory in the module.
#[test]
fn large_records_are_evaluated_in_bounded_memory() {
    let mut filter = load(&build(&[FLAGSHIP], &[]), &[]);
    let mut after = 0;
    for round in 0..3 {
        for size in [10_000, 100_000, 1_000_000, 5_000_000] {
            let more = format!(",\"requestParameters\":{{\"x\":\"{}\"}}", "y".repeat(size));
            let event = create_stack(&format!("u{size}"), &more);
            let record = goes(&mut filter, event.as_bytes());
            assert!(record["firstseen_alerts"].is_array(), "{size}");
        }
        if round == 0 {
            after = filter.memory();
        }
    }
    assert!(filter.memory() <= after + (8 << 20), "{after} to {}", filter.memory());
    assert!(after < 128 << 20, "{after}");
}

#[test]
fn state_outlives_the_instance_and_a_second_instance_is_detected() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_str().unwrap();
    let wasm = build(&[FLAGSHIP], &["--state", &format!("{path}/stacks")]);
    let events: Vec<String> = (0..20).map(|n| create_stack(&format!("u{n}"), "")).collect();
    for event in &events {
        // A new instance for each event: the module is not notified of its end.
        let mut filter = load(&wasm, &[path]);
        let record = goes(&mut filter, event.as_bytes());
        assert!(record["firstseen_alerts"].is_array(), "{record}");
        assert!(record.get("firstseen_error").is_none(), "{record}");
    }
    let mut filter = load(&wasm, &[path]);
    let carrier = goes(&mut filter, br#"{"a":1}"#);
    assert_eq!(carrier["firstseen_alerts"].as_array().map(Vec::len), Some(events.len()));
    for event in &events {
        let later =
            event.replace("08:00:00", "09:00:00").replace("\"eventID\":\"", "\"eventID\":\"x");
        let record = goes(&mut filter, later.as_bytes());
        assert!(record.get("firstseen_alerts").is_none(), "{record}");
    }
    drop(filter);
    // A folder that the module cannot access.
    let mut filter = load(&wasm, &[]);
    let record = goes(&mut filter, events[0].as_bytes());
    assert_eq!(record["firstseen_error"]["code"], "state_file", "{record}");
    assert!(record["firstseen_alerts"].is_array(), "the filter continues in memory");
}

/// Fluent Bit asks the filter, the filter stores, and a kill comes before the record is out: each new
/// instance gives the alert again, with the same bytes, whatever its first record is.
#[test]
fn an_alert_that_a_kill_took_comes_again() {
    let quiet = br#"{"a":1}"#;
    for records in ["annotate", "alerts"] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().to_str().unwrap();
        let state = format!("{path}/stacks");
        let wasm = build(&[FLAGSHIP], &["--state", &state, "--records", records]);
        let mut lost = Vec::new();
        for n in 0..20 {
            let event = create_stack(&format!("u{n}"), "");
            let mut filter = load(&wasm, &[path]);
            if n > 0 {
                let carrier = filter.call(quiet).unwrap();
                let Answer::Goes(text) = carrier else { panic!("{records}: dropped") };
                assert_eq!(alerts_of(&text), lost.join(","), "{records}, kill {n}");
                assert!(text.starts_with(br#"{"a":1,"#), "the carrier keeps its members");
            }
            let Ok(Answer::Goes(text)) = filter.call(event.as_bytes()) else { panic!("dropped") };
            lost.push(alerts_of(&text));
            // Once for each instance.
            let expected =
                if records == "annotate" { Answer::Goes(quiet.to_vec()) } else { Answer::Dropped };
            assert_eq!(filter.call(quiet), Ok(expected));
            // The kill: nothing of this instance's answers is delivered.
        }
        // A replay of the record: the alert is there, and once.
        let mut filter = load(&wasm, &[path]);
        let Ok(Answer::Goes(text)) = filter.call(create_stack("u3", "").as_bytes()) else {
            panic!("dropped")
        };
        let ids = |text: &[u8]| {
            let record: Value = serde_json::from_slice(text).unwrap();
            let alerts = record["firstseen_alerts"].as_array().unwrap().clone();
            alerts.iter().map(|a| a["kibana.alert.uuid"].to_string()).collect::<Vec<_>>()
        };
        let mut unique = ids(&text);
        assert_eq!(unique.len(), 20);
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), 20, "no alert twice in one record");
        drop(filter);
        // Not kept: the alert is lost with Fluent Bit's buffers.
        let state = format!("{path}/unkept");
        let wasm = build(&[FLAGSHIP], &["--state", &state, "--outbox-time", "0"]);
        goes(&mut load(&wasm, &[path]), create_stack("ann", "").as_bytes());
        assert_eq!(load(&wasm, &[path]).call(quiet), Ok(Answer::Goes(quiet.to_vec())));
    }
}

#[test]
fn a_record_carries_at_most_256_kb_and_the_next_one_the_rest() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_str().unwrap();
    let wasm = build(&[FLAGSHIP], &["--state", &format!("{path}/stacks"), "--records", "alerts"]);
    let more = format!(",\"requestParameters\":{{\"x\":\"{}\"}}", "y".repeat(20_000));
    let mut filter = load(&wasm, &[path]);
    let mut expected = Vec::new();
    for n in 0..30 {
        let event = create_stack(&format!("u{n}"), &more);
        let Ok(Answer::Goes(text)) = filter.call(event.as_bytes()) else { panic!("dropped") };
        expected.push(alerts_of(&text));
    }
    drop(filter);
    let mut filter = load(&wasm, &[path]);
    let (mut again, mut carriers) = (Vec::new(), 0);
    while let Ok(Answer::Goes(text)) = filter.call(br#"{"a":1}"#) {
        let alerts = alerts_of(&text);
        assert!(alerts.len() <= (256 << 10) + 100, "{}", alerts.len());
        again.push(alerts);
        carriers += 1;
    }
    assert!(carriers > 3, "{carriers}");
    assert_eq!(again.join(","), expected.join(","));
}

#[test]
fn an_event_in_msgpack_or_as_an_object_in_log_is_marked() {
    let mut filter = load(&build(&[FLAGSHIP], &["--records", "alerts"]), &[]);
    for count in 1..=3 {
        let Ok(Answer::Goes(text)) = filter.call(b"\x82\xa1a\x01\xa1b\xc3") else {
            panic!("dropped")
        };
        let tail = format!("were not judged and are lost: {count}");
        assert!(
            text.starts_with(b"\x81\xd9\x0ffirstseen_error\x82\xd9\x04code\xd9\x0cevent_format")
        );
        assert!(text.ends_with(tail.as_bytes()), "{}", String::from_utf8_lossy(&text));
    }
    let event: Value = serde_json::from_str(&create_stack("ann", "")).unwrap();
    let record =
        goes(&mut filter, json!({"log": event, "stream": "stdout"}).to_string().as_bytes());
    assert_eq!(record["firstseen_error"]["code"], "log_object", "{record}");
    assert_eq!(record["log"], event);
    // Something else in `log` is no event.
    assert_eq!(filter.call(br#"{"log":{"msg":"CreateStack"}}"#), Ok(Answer::Dropped));
}

/// A small generator, so that a seed reproduces a run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// Malformed records: none traps, each result is a JSON object, and memory is bounded.
#[test]
fn hostile_records_never_trap() {
    let seed = env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(20_251_123);
    println!("SEED={seed}");
    let mut random = Random(seed);
    let mut filter = load(&build(&[FLAGSHIP], &[]), &[]);
    let pieces: [&[u8]; 24] = [
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"",
        b"\\",
        b"nan",
        b"-inf",
        b"1e999",
        b"null",
        b"\"firstseen_alerts\":[{}]",
        b"\"firstseen_error\":1",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\x01",
        b"\"log\":\"{\\\"eventName\\\":\\\"CreateStack\\\"}\"",
        b"\\ud800",
        b" ",
        b"\"Records\":[{}]",
        b"CreateStack",
        b"\"message\":\"{\"",
        b"\"a\":1",
    ];
    let mut before = 0;
    for round in 0..20_000 {
        let mut record = Vec::new();
        match random.below(3) {
            0 => {
                for _ in 0..random.below(30) {
                    record.extend_from_slice(pieces[random.below(pieces.len())]);
                }
            }
            which => {
                record = create_stack(&format!("u{}", random.below(50)), "").into_bytes();
                if which == 2 {
                    record = json!({ "log": String::from_utf8(record).unwrap() })
                        .to_string()
                        .into_bytes();
                }
                for _ in 0..1 + random.below(3) {
                    let at = random.below(record.len());
                    match random.below(3) {
                        0 => record[at] = 1 + random.below(255) as u8,
                        1 => record.truncate(at.max(1)),
                        _ => {
                            let piece = pieces[random.below(pieces.len())];
                            record.splice(at..at, piece.iter().copied());
                        }
                    }
                }
            }
        }
        // A text in JSON never begins like a map of msgpack.
        if let Some(first @ (0x80..=0x8f | 0xde | 0xdf)) = record.first_mut() {
            *first = b'{';
        }
        goes(&mut filter, &record);
        if round == 2_000 {
            before = filter.memory();
        }
    }
    assert!(filter.memory() <= before + (1 << 20), "{before} to {}", filter.memory());
}
