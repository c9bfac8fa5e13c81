//! Events for who has none at hand: made-up CloudTrail, the same at each call.
//!
//! In: nothing. Out: a temporary file of NDJSON, which goes with its owner. One event in 200 is a CreateStack.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// So many events.
const EVENTS: u64 = 20_000;
/// The first one is of 2025-03-03T00:00:00Z; there is one each minute.
const FIRST_DAY: (i64, u64) = (2025, 3);
const CALLS: [(&str, &str); 8] = [
    ("ec2.amazonaws.com", "DescribeInstances"),
    ("s3.amazonaws.com", "GetObject"),
    ("sts.amazonaws.com", "AssumeRole"),
    ("kms.amazonaws.com", "Decrypt"),
    ("iam.amazonaws.com", "GetRole"),
    ("iam.amazonaws.com", "CreateUser"),
    ("logs.amazonaws.com", "CreateLogStream"),
    ("lambda.amazonaws.com", "GetFunction"),
];
const STACK: (&str, &str) = ("cloudformation.amazonaws.com", "CreateStack");

/// The file.
pub(super) struct MadeUpEvents(NamedTempFile);

impl MadeUpEvents {
    /// Writes it.
    ///
    /// # Errors
    /// When the folder for temporary files has no room.
    pub(super) fn write() -> io::Result<Self> {
        let file =
            tempfile::Builder::new().prefix("firstseen-bench-").suffix(".ndjson").tempfile()?;
        let mut out = BufWriter::new(file.as_file());
        let mut line = String::new();
        for number in 0..EVENTS {
            line.clear();
            // Writing to a string cannot fail.
            let _ = event(&mut line, number);
            out.write_all(line.as_bytes())?;
        }
        out.flush()?;
        drop(out);
        Ok(Self(file))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// An event, and a line end.
fn event(out: &mut String, number: u64) -> std::fmt::Result {
    let ((year, month), minutes) = (FIRST_DAY, number);
    let (day, hour, minute) = (3 + minutes / 1440, minutes / 60 % 24, minutes % 60);
    let at = usize::try_from(number % 8).unwrap_or_default();
    let (source, name) =
        if number % 200 == 199 { STACK } else { CALLS.get(at).copied().unwrap_or(STACK) };
    // Few people do most.
    let user = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 59;
    let account = 111_122_223_333 + number % 3;
    write!(
        out,
        r#"{{"eventVersion":"1.11","userIdentity":{{"type":"IAMUser","principalId":"AIDAEXAMPLE{user:09}","arn":"arn:aws:iam::{account}:user/user-{user}","accountId":"{account}","accessKeyId":"AKIAEXAMPLE{user:09}","userName":"user-{user}","sessionContext":{{"attributes":{{"creationDate":"{year}-{month:02}-{day:02}T00:00:00Z","mfaAuthenticated":"false"}}}}}},"eventTime":"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z","eventSource":"{source}","eventName":"{name}","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.{}","userAgent":"aws-cli/2.24.14 md/awscrt#0.23.8 ua/2.1 os/linux#6.8.0","requestParameters":{{"name":"object-{number}","maxResults":100,"filter":["state","running"]}},"responseElements":null,"requestID":"00000000-0000-4000-9000-{number:012}","eventID":"00000000-0000-4000-8000-{number:012}","readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"{account}","eventCategory":"Management","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"{source}"}}}}"#,
        user % 200
    )?;
    out.push('\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_events_of_one_month() {
        let events = MadeUpEvents::write().unwrap();
        let text = std::fs::read_to_string(events.path()).unwrap();
        let (mut count, mut stacks, mut last) = (0, 0, String::new());
        for line in text.lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            let time = event["eventTime"].as_str().unwrap();
            assert!(firstseen_value::parse_time_ms(time).is_some(), "{time}");
            assert!(last.as_str() < time, "{time}");
            time.clone_into(&mut last);
            count += 1;
            stacks += u64::from(event["eventName"] == "CreateStack");
        }
        assert_eq!((count, stacks), (EVENTS, EVENTS / 200));
        assert!(last.starts_with("2025-03-16T21:19"), "{last}");
    }
}
