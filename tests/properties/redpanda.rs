//! The data transform for Redpanda in a host that implements its interface: the vectors, and input
//! that must never make it trap, lose a record silently or exceed its memory.

use firstseen_compiler::TargetChoices;
use firstseen_rule::source::EventTime;
use firstseen_tests::broker::{End, MEMORY, Ran, Record, Setup, artifact, run};
use firstseen_tests::rules::{FLAGSHIP_TOML, PACK};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::OnceLock;

fn flagship() -> &'static [u8] {
    static WASM: OnceLock<Vec<u8>> = OnceLock::new();
    WASM.get_or_init(|| {
        artifact(&[("flagship", FLAGSHIP_TOML)], EventTime::Timestamp, &TargetChoices::default())
            .unwrap()
    })
}

/// Runs batches of records through the flagship and expects success.
#[track_caller]
fn waits(batches: &[Vec<Record>]) -> Ran {
    let ran = run(flagship(), batches, Setup::default()).unwrap();
    assert_eq!(ran.end, End::Waiting, "{}", ran.log);
    assert!(ran.memory <= MEMORY);
    ran
}

/// An event that the flagship alerts on, with an additional member.
fn event(id: &str, user: &Value, more: Value) -> String {
    json!({
        "@timestamp": "2025-04-01T08:00:00Z",
        "event": {
            "id": id, "dataset": "aws.cloudtrail", "provider": "cloudformation.amazonaws.com",
            "action": "CreateStack", "outcome": "success",
        },
        "cloud": {"account": {"id": "111122223333"}},
        "user": {"name": user},
        "more": more,
    })
    .to_string()
}

fn plain(id: &str, user: &str) -> Record {
    Record::new("k", event(id, &json!(user), json!(1)))
}

#[test]
fn vectors_give_the_same_alerts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut done, mut skipped) = (0, Vec::new());
    let mut paths: Vec<_> =
        root.join("vectors").read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|end| end == "json")) {
        let vector: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let name = vector["name"].as_str().unwrap().to_owned();
        let steps = vector["steps"].as_array().unwrap();
        // The transform has no clock, and its own state.
        let needs_more = |step: &Value| step["now_ms"].as_i64().unwrap_or(0) != 0;
        if vector.get("before").is_some() || steps.iter().any(needs_more) {
            skipped.push(name);
            continue;
        }
        let files: Vec<&str> = match &vector["rule"] {
            Value::String(file) => vec![file],
            files => files.as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect(),
        };
        let texts: Vec<String> = files
            .iter()
            .map(|file| std::fs::read_to_string(root.join("..").join(file)).unwrap())
            .collect();
        let rules: Vec<_> = files.iter().copied().zip(texts.iter().map(String::as_str)).collect();
        let settings = vector.get("settings").map(ToString::to_string);
        let event_time = match vector["event_time"].as_str() {
            Some("timestamp_override") => EventTime::TimestampOverride,
            _ => EventTime::Timestamp,
        };
        let wasm =
            artifact(&rules, event_time, &TargetChoices { settings, ..TargetChoices::default() });
        let wasm = wasm.unwrap_or_else(|e| panic!("{name}: {e}"));
        let (mut records, mut expected) = (Vec::new(), Vec::new());
        for step in steps {
            let bytes = match step.get("event") {
                Some(text) => text.as_str().unwrap().as_bytes().to_vec(),
                None => firstseen_tests::vectors::unhex(step["event_hex"].as_str().unwrap()),
            };
            let record = Record { key: Some(b"k".to_vec()), value: Some(bytes), headers: vec![] };
            let alerts = [&step["alerts"], &step["repeats"]];
            for alert in alerts.iter().flat_map(|list| list.as_array().unwrap()) {
                expected.push((None, alert.as_str().unwrap().as_bytes().to_vec()));
            }
            if let Some(code) = step["error"].as_str() {
                expected.push((Some(code.to_owned()), record.value.clone().unwrap()));
            }
            records.push(record);
        }
        // An event that exceeds a transform's memory is not evaluated; another test covers that.
        let memory = if name == "large-event-is-shortened" { 16 << 20 } else { MEMORY };
        let ran = run(&wasm, &[records], Setup { memory, ..Setup::default() }).unwrap();
        assert_eq!(ran.end, End::Waiting, "{name}: {}", ran.log);
        let code = |record: &Record| {
            let error: Value = serde_json::from_str(&record.error()?).unwrap();
            Some(error["code"].as_str().unwrap().to_owned())
        };
        let got: Vec<_> = ran.records.iter().map(|r| (code(r), r.value.clone().unwrap())).collect();
        assert!(got == expected, "{name}: {:?}\n{}", ran.records, ran.log);
        assert!(ran.records.iter().all(|r| r.key.as_deref() == Some(b"k")), "{name}");
        done += 1;
    }
    // Vectors with a store of the host or with a clock are skipped.
    assert!(done >= 40 && skipped.len() < done / 2, "{done} ran, skipped: {skipped:?}");
}

#[test]
fn batches_share_one_state_and_redelivery_repeats() {
    let batch = vec![plain("1", "ann"), plain("2", "ann"), plain("3", "bob")];
    let ran = waits(&[batch.clone(), vec![], batch, vec![plain("4", "eve")]]);
    let ids: Vec<String> = ran
        .records
        .iter()
        .map(|r| serde_json::from_str::<Value>(r.text()).unwrap()["event"]["id"].to_string())
        .collect();
    assert_eq!(ids, ["\"1\"", "\"3\"", "\"1\"", "\"3\"", "\"4\""]);
    assert_eq!(ran.records[0], ran.records[2]);
    assert_eq!(ran.log, "");
}

#[test]
fn records_that_are_not_events_are_skipped_or_forwarded_unchanged() {
    let null = Record { value: None, ..plain("1", "ann") };
    let headers = (0..63u8).map(|n| (vec![b'h', n], (n % 2 == 0).then(|| vec![n]))).collect();
    let broken = Record { key: None, value: Some(b"{\"CreateStack".to_vec()), headers };
    let other = Record::new("k", "{\"eventName\":\"ListBuckets\"}");
    let ran = waits(&[vec![null, broken.clone(), other, plain("1", "ann")]]);
    assert_eq!(ran.records.len(), 2, "{:?}", ran.records);
    assert!(ran.records[0].error().unwrap().contains("\"code\":\"bad_json\""));
    let mut without = ran.records[0].clone();
    without.headers.pop();
    assert_eq!(without, broken);
    assert_eq!(ran.records[1].error(), None);
}

#[test]
fn hostile_events_neither_trap_nor_stop_other_events() {
    let many = |n: usize| json!((0..n).map(|i| format!("u{i}")).collect::<Vec<_>>());
    let words = r#""CreateStack cloudformation.amazonaws.com""#;
    let deep = |n: usize| format!("{{{words}:{}1{}}}", "[".repeat(n), "]".repeat(n));
    let mut hostile = vec![
        event("t", &many(256), json!(1)),
        event("t", &many(257), json!(1)),
        event("t", &many(5000), json!(1)),
        event("t", &json!("u".repeat(20_000)), json!(1)),
        deep(100),
        deep(126),
        deep(5_000),
        deep(50_000),
        format!("{{{words}:\"{}\"}}", "\\u0000".repeat(20_000)),
    ];
    // Two lists, so that each value is in many combinations.
    let mut two: Value = serde_json::from_str(&event("t", &many(16), json!(1))).unwrap();
    let long: Vec<String> = (0..16).map(|i| format!("{i}{}", "x".repeat(1_500))).collect();
    two["cloud"]["account"]["id"] = json!(long);
    hostile.push(two.to_string());
    // Content that needs most memory for each byte, in sizes around the limit: it must be refused
    // in time.
    for size in [1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384] {
        let kib = size * 1024;
        for unit in ["1,", "[],", "{},", "\"\",", "[[[[1]]]],"] {
            let list = format!("[{}0]", unit.repeat(kib / unit.len()));
            hostile.push(event("x", &json!("x"), json!("@")).replace("\"@\"", &list));
        }
        let members: String = (0..kib / 16).map(|i| format!("\"m{i:x}\":{i},")).collect();
        let members = format!("{{{members}\"z\":0}}");
        hostile.push(event("x", &json!("x"), json!("@")).replace("\"@\"", &members));
        hostile.push(event("x", &json!("x"), json!("a".repeat(kib))));
        hostile.push(event("x", &json!("x"), json!("\u{1}".repeat(kib / 6))));
        hostile.push(event("x", &many(kib / 32), json!("a".repeat(kib))));
    }
    // Each can be read; another test covers records that cannot.
    assert!(hostile.iter().all(|text| text.len() < 512 << 10));
    // A full state, so that no memory is left over from it.
    let others: Vec<Record> =
        (0..1500).map(|i| plain(&format!("o{i}"), &format!("o{i}"))).collect();
    let mut evaluated = 0;
    for (number, text) in hostile.into_iter().enumerate() {
        // Each with a new term, so that its alert is created: twice in one instance, between other
        // events.
        let text = text.replace("\"x\"", &format!("\"x{number}\""));
        let head: String = text.chars().take(300).collect();
        let record = Record::new("k", text.clone());
        let batches = [others.clone(), vec![record.clone()], vec![record, plain("b", "bob")]];
        let ran = run(flagship(), &batches, Setup::default()).unwrap();
        let length = text.len();
        assert_eq!(ran.end, End::Waiting, "{number}, {length} bytes: {}\n{head}", ran.log);
        let last = ran.records.last().unwrap();
        assert!(last.error().is_none() && last.text().contains("bob"), "{number}: {head}");
        // The two results are the same: first an alert, then its repeat.
        let of_it = ran.records.len() - others.len() - 1;
        assert!(of_it.is_multiple_of(2), "{number}: {of_it}, {head}");
        assert!(ran.log.contains("state is full") && ran.log.lines().count() == 1, "{}", ran.log);
        evaluated += usize::from(ran.records[others.len()].error().is_none());
    }
    // The estimate is on the safe side but does not refuse everything.
    assert!(evaluated >= 30, "{evaluated}");
}

#[test]
fn ordinary_large_events_are_evaluated() {
    // CloudTrail's records have 1 to 5 KB; one of 16 KiB is long.
    let more = json!(
        (0..16 * 1024 / 60)
            .map(|i| json!({
                "parameterKey": format!("Key{i}"), "parameterValue": "a value of some length"
            }))
            .collect::<Vec<_>>()
    );
    let text = event("1", &json!("ann"), more);
    assert!(text.len() > 16 << 10);
    let ran = waits(&[vec![Record::new("k", text)]]);
    assert_eq!((ran.records.len(), ran.records[0].error()), (1, None));
}

#[test]
fn unreadable_record_ends_its_batch_and_is_reported() {
    let large = Record::new("k", "x".repeat(1_900_000));
    let ran = waits(&[vec![plain("1", "ann"), large, plain("2", "bob")], vec![plain("3", "eve")]]);
    let [first, error, last] = &ran.records[..] else { panic!("{:?}", ran.records.len()) };
    assert!(first.text().contains("ann") && last.text().contains("eve"));
    assert!(error.text().starts_with("{\"firstseen_error\":{\"code\":\"too_large\""));
    assert!(error.text().contains("2 records of the batch from offset 0"), "{}", error.text());
    assert!(ran.log.contains("too_large") && ran.log.lines().count() == 1, "{}", ran.log);
}

#[test]
fn state_stays_within_its_limit_with_100_000_terms() {
    let batches: Vec<Vec<Record>> = (0..100)
        .map(|b| (0..1000).map(|i| plain(&format!("{b}-{i}"), &format!("u{b}-{i}"))).collect())
        .collect();
    let ran = waits(&batches);
    assert_eq!(ran.records.len(), 100_000);
    assert!(
        ran.log.contains("the state is full at ") && ran.log.lines().count() == 1,
        "{}",
        ran.log
    );
    let full: usize =
        ran.log.split("full at ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((800..5_000).contains(&full), "{full} terms");
}

#[test]
fn too_little_memory_and_refused_writes_are_reported() {
    let state_limit = Some(4 << 20);
    let choices = TargetChoices { state_limit, ..TargetChoices::default() };
    let wasm = artifact(&[("flagship", FLAGSHIP_TOML)], EventTime::Timestamp, &choices).unwrap();
    let batch = [vec![plain("1", "ann")]];
    let ran = run(&wasm, &batch, Setup::default()).unwrap();
    assert_eq!(ran.end, End::Exit(1));
    assert!(ran.log.contains("--state-limit"), "{}", ran.log);
    let ran = run(&wasm, &batch, Setup { memory: 16 << 20, refuses: true }).unwrap();
    assert_eq!((ran.end, ran.records.len()), (End::Waiting, 0));
    assert!(ran.log.contains("record at offset 0 was not written: -3"), "{}", ran.log);
}

#[test]
fn pack_fits_into_memory() {
    let wasm = artifact(PACK, EventTime::Timestamp, &TargetChoices::default()).unwrap();
    let ran = run(&wasm, &[vec![plain("1", "ann")]], Setup::default()).unwrap();
    assert_eq!(ran.end, End::Waiting, "{}", ran.log);
}
