//! How fast the splitter is: `cargo run --release -p firstseen-envelope --example split_speed`.
//!
//! Makes CloudTrail events of real shape in memory, packs them as lines, as one `Records` array
//! and pretty-printed, and splits each several times in pieces of 1 MiB. Prints the medians.
#![allow(clippy::disallowed_methods)] // a measurement needs the clock

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Instant;

use firstseen_envelope::{EventSink, Place, SplitFault, SplitOptions, Splitter};

const EVENTS: usize = 100_000;
const ROUNDS: usize = 7;

#[derive(Default)]
struct Count {
    lines: usize,
    events: usize,
    bad: usize,
}

impl EventSink for Count {
    fn lines(&mut self, _: Place, chunk: &[u8]) -> ControlFlow<()> {
        self.lines += black_box(chunk).len();
        ControlFlow::Continue(())
    }
    fn event(&mut self, _: Place, text: &[u8]) -> ControlFlow<()> {
        black_box(text);
        self.events += 1;
        ControlFlow::Continue(())
    }
    fn no_events(&mut self, _: Place, _: &str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
    fn bad(&mut self, _: Place, _: SplitFault, _: &[u8]) -> ControlFlow<()> {
        self.bad += 1;
        ControlFlow::Continue(())
    }
}

fn event(number: usize) -> String {
    format!(
        concat!(
            r#"{{"eventVersion":"1.08","userIdentity":{{"type":"AssumedRole","principalId":"AROAEXAMPLE{n}:session","#,
            r#""arn":"arn:aws:sts::111122223333:assumed-role/deploy-{n}/session","accountId":"111122223333","#,
            r#""accessKeyId":"ASIAEXAMPLE","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROAEXAMPLE{n}","#,
            r#""arn":"arn:aws:iam::111122223333:role/deploy-{n}","accountId":"111122223333","userName":"deploy-{n}"}},"#,
            r#""webIdFederationData":{{}},"attributes":{{"creationDate":"2026-11-01T00:00:00Z","mfaAuthenticated":"false"}}}}}},"#,
            r#""eventTime":"2026-11-01T00:00:{s:02}Z","eventSource":"ec2.amazonaws.com","eventName":"DescribeInstances","#,
            r#""awsRegion":"eu-central-1","sourceIPAddress":"198.51.100.7","userAgent":"aws-cli/2.17 (\"linux\")","#,
            r#""requestParameters":{{"instancesSet":{{}},"filterSet":{{"items":[{{"name":"tag:a","valueSet":{{"items":[{{"value":"b"}}]}}}}]}}}},"#,
            r#""responseElements":null,"requestID":"00000000-0000-0000-0000-{n:012}","eventID":"11111111-0000-0000-0000-{n:012}","#,
            r#""readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","#,
            r#""eventCategory":"Management","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","#,
            r#""clientProvidedHostHeader":"ec2.eu-central-1.amazonaws.com"}}}}"#
        ),
        n = number,
        s = number % 60
    )
}

fn measure(name: &str, input: &[u8]) {
    let mut seconds = Vec::new();
    let mut count = Count::default();
    for _ in 0..ROUNDS {
        count = Count::default();
        let start = Instant::now();
        let mut splitter = Splitter::new(SplitOptions::default());
        for piece in input.chunks(1 << 20) {
            let _ = splitter.push(piece, &mut count);
        }
        let _ = splitter.finish(&mut count);
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    println!(
        "{name:16} {:6.2} GB/s   ({} bytes of lines, {} events, {} bad)",
        input.len() as f64 / seconds[ROUNDS / 2] / 1e9,
        count.lines,
        count.events,
        count.bad
    );
}

fn main() {
    let events: Vec<String> = (0..EVENTS).map(event).collect();
    measure("lines", events.join("\n").as_bytes());
    measure("Records", format!("{{\"Records\":[{}]}}", events.join(",")).as_bytes());
    measure("array of lines", format!("[\n{}\n]", events.join(",\n")).as_bytes());
    let pretty: Vec<String> = events
        .iter()
        .filter_map(|event| serde_json::from_str::<serde_json::Value>(event).ok())
        .filter_map(|value| serde_json::to_string_pretty(&value).ok())
        .collect();
    measure("pretty-printed", pretty.join("\n").as_bytes());
}
