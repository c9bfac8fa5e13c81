//! How fast events are read: synthetic CloudTrail lines, a handful of asked fields, beside
//! serde_json reading whole values in the same run.
//!
//!     cargo run --release -p firstseen-event --example read_speed
//!
//! Prints GB/s of one thread, the best of several rounds each.

use firstseen_event::{EventReader, FieldRequest, Prefilter, ReadOutcome, Scratch};
use std::hint::black_box;
use std::time::{Duration, Instant};

const LINES: u64 = 20_000;
const ROUNDS: u32 = 7;

fn main() {
    let lines = lines();
    println!("{} events of {} bytes on average", LINES, lines.len() as u64 / LINES);
    let asks = ["event.provider", "event.action", "event.outcome", "cloud.account.id", "user.name"];
    let reader =
        EventReader::new(asks.iter().map(|ask| FieldRequest::Values((*ask).into())).collect());
    let mut scratch = Scratch::default();

    let whole = best(&lines, || {
        for line in lines.lines() {
            black_box(serde_json::from_str::<serde_json::Value>(line).is_ok());
        }
    });
    let skipped = best(&lines, || {
        for line in lines.lines() {
            let Ok(ReadOutcome::Event(fields)) = reader.read(line, &mut scratch) else { panic!() };
            black_box(fields.is_raw());
        }
    });
    let asked = best(&lines, || {
        for line in lines.lines() {
            let Ok(ReadOutcome::Event(fields)) = reader.read(line, &mut scratch) else { panic!() };
            let found: usize = (0..asks.len()).map(|ask| fields.values(ask).count()).sum();
            black_box((found, fields.time_ms().is_ok(), fields.id()));
        }
    });
    let clauses = vec![vec!["cloudformation.amazonaws.com".into()], vec!["CreateStack".into()]];
    let filter = Prefilter::new(&[clauses]);
    let mut passed = 0;
    let filtered = best(&lines, || {
        let mut from = 0;
        passed = 0;
        while let Some(line) = filter.next(lines.as_bytes(), from) {
            from = line.end + 1;
            passed += 1;
        }
        black_box(passed);
    });

    println!("serde_json::Value                {whole:6.2} GB/s");
    println!(
        "EventReader::read                     {skipped:6.2} GB/s  {:5.1} times",
        skipped / whole
    );
    println!("EventReader::read, fields, time, id   {asked:6.2} GB/s  {:5.1} times", asked / whole);
    println!("Prefilter::next ({passed} passed)     {filtered:6.2} GB/s");
}

/// GB/s of the fastest round.
fn best(lines: &str, mut round: impl FnMut()) -> f64 {
    let mut fastest = Duration::MAX;
    for _ in 0..ROUNDS {
        #[expect(clippy::disallowed_methods, reason = "a measurement")]
        let start = Instant::now();
        round();
        fastest = fastest.min(start.elapsed());
    }
    lines.len() as f64 / 1e9 / fastest.as_secs_f64()
}

/// NDJSON of the shape that CloudTrail writes; one event in 2,000 creates a stack.
fn lines() -> String {
    let calls = [
        ("s3", "GetBucketPolicyStatus"),
        ("ec2", "DescribeInstances"),
        ("sts", "AssumeRole"),
        ("kms", "Decrypt"),
        ("cloudformation", "DescribeStacks"),
    ];
    let mut lines = String::new();
    for n in 0..LINES {
        let (service, mut action) = calls[(n % 5) as usize];
        if n % 2000 == 4 {
            action = "CreateStack";
        }
        let (hour, minute, second) = (n / 3600 % 24, n / 60 % 60, n % 60);
        let (user, serial) = (n * 7919 % 400, n * 2_654_435_761 % 0xffff_ffff);
        lines.push_str(&format!(
            concat!(
                r#"{{"eventVersion":"1.08","userIdentity":{{"type":"AssumedRole","principalId":"AROAEXAMPLE{user:06}:session-{user}","#,
                r#""arn":"arn:aws:sts::111122223333:assumed-role/role-{user}/session-{user}","accountId":"111122223333","#,
                r#""accessKeyId":"ASIAEXAMPLE{user:08}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROAEXAMPLE{user:06}","#,
                r#""arn":"arn:aws:iam::111122223333:role/role-{user}","accountId":"111122223333","userName":"role-{user}"}},"#,
                r#""webIdFederationData":{{}},"attributes":{{"creationDate":"2024-05-01T06:00:00Z","mfaAuthenticated":"false"}}}}}},"#,
                r#""eventTime":"2024-05-01T{hour:02}:{minute:02}:{second:02}Z","eventSource":"{service}.amazonaws.com","eventName":"{action}","#,
                r#""awsRegion":"eu-central-1","sourceIPAddress":"198.51.100.{ip}","userAgent":"aws-cli/2.15.30 Python/3.11.8 Linux/6.1.0 exe/x86_64 prompt/off command/{service}","#,
                r#""requestParameters":{{"resourceName":"app-{serial:08x}","maxResults":100,"filterSet":{{"items":[{{"name":"tag:team","valueSet":{{"items":[{{"value":"team-{user}"}}]}}}}]}}}},"#,
                r#""responseElements":null,"requestID":"{serial:08x}-aaaa-4bbb-8ccc-{n:012x}","eventID":"{serial:08x}-dddd-4eee-8fff-{n:012x}","readOnly":true,"#,
                r#""eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management","#,
                r#""tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"{service}.eu-central-1.amazonaws.com"}}}}"#,
                "\n"
            ),
            ip = n % 250,
            n = n,
            user = user,
            serial = serial,
            hour = hour,
            minute = minute,
            second = second,
            service = service,
            action = action,
        ));
    }
    lines
}
