//! Kinesis Data Firehose's HTTP endpoint: records in base64, each of them events in any form.
//!
//! In: an unpacked body, untrusted. Out: all records behind each other, a line or more each, with the id of the
//! request that the answer has to repeat. A record that is packed, as those of CloudWatch Logs are, is unpacked.
//!
//! Source: AWS, "HTTP endpoint delivery request and response specifications".

use crate::source::body::unpacked_body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use std::borrow::Cow;

/// What Firehose sends.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivery<'a> {
    #[serde(borrow)]
    request_id: Cow<'a, str>,
    #[serde(borrow)]
    records: Vec<DeliveryRecord<'a>>,
}

#[derive(Deserialize)]
struct DeliveryRecord<'a> {
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// The header with the access key.
pub(super) const ACCESS_KEY: &str = "x-amz-firehose-access-key";

/// Why a request cannot be read.
#[derive(Debug)]
pub(super) struct DeliveryFault {
    /// What the answer repeats; empty where the body does not say it.
    pub(super) id: String,
    /// What was wrong.
    pub(super) reason: String,
}

/// A request, taken apart.
#[derive(Debug)]
pub(super) struct FirehoseRequest {
    /// What the answer repeats.
    pub(super) id: String,
    /// What is judged.
    pub(super) lines: Vec<u8>,
}

impl FirehoseRequest {
    /// Takes a body apart, of which so many bytes may be unpacked.
    ///
    /// # Errors
    /// Where it is no such request, or a record cannot be read: nothing of it was judged.
    pub(super) fn read(body: &[u8], most: u64) -> Result<Self, DeliveryFault> {
        let delivery: Delivery<'_> = serde_json::from_slice(body).map_err(|error| {
            DeliveryFault { id: String::new(), reason: format!("no request of Firehose: {error}") }
        })?;
        let id = delivery.request_id.into_owned();
        match Self::lines(&delivery.records, most) {
            Ok(lines) => Ok(Self { id, lines }),
            Err(reason) => Err(DeliveryFault { id, reason }),
        }
    }

    fn lines(records: &[DeliveryRecord<'_>], most: u64) -> Result<Vec<u8>, String> {
        let mut lines = Vec::new();
        for (number, record) in records.iter().enumerate() {
            let fault = |error: &dyn std::fmt::Display| format!("record {number}: {error}");
            let data = STANDARD
                .decode(record.data.as_bytes())
                .map_err(|error| fault(&format_args!("its data is no base64: {error}")))?;
            let room = most.saturating_sub(lines.len() as u64);
            let data = unpacked_body(data, room).map_err(|error| fault(&error))?;
            if data.len() as u64 > room {
                return Err(fault(&"more than is taken at once; let Firehose buffer less"));
            }
            lines.extend_from_slice(&data);
            if !lines.ends_with(b"\n") {
                lines.push(b'\n');
            }
        }
        Ok(lines)
    }
}

/// The answer, as Firehose wants it: the id of the request, the time, and what went wrong.
pub(super) fn answer(id: &str, now_ms: i64, error: Option<&str>) -> String {
    let mut answer = json!({ "requestId": id, "timestamp": now_ms });
    if let Some(error) = error {
        // It is cut at 8 KiB there.
        let error = error.get(..error.floor_char_boundary(1024)).unwrap_or_default();
        answer["errorMessage"] = json!(error);
    }
    answer.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn body(records: &[&[u8]]) -> Vec<u8> {
        let records = records.iter().map(|data| json!({ "data": STANDARD.encode(data) }));
        let records: Vec<_> = records.collect();
        json!({ "requestId": "r-1", "timestamp": 1, "records": records }).to_string().into_bytes()
    }

    #[test]
    fn records_are_unpacked_and_follow_each_other() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"{\"b\":2}").unwrap();
        let packed = packed.finish().unwrap();
        let request =
            FirehoseRequest::read(&body(&[b"{\"a\":1}\n", &packed, b""]), 1 << 20).unwrap();
        assert_eq!(request.lines, b"{\"a\":1}\n{\"b\":2}\n");
        assert_eq!(request.id, "r-1");
        assert_eq!(answer("r-1", 5, None), r#"{"requestId":"r-1","timestamp":5}"#);
        assert!(answer("r-1", 5, Some("no")).contains(r#""errorMessage":"no""#));
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_its_record() {
        let packed = zstd::encode_all(&[b'x'; 5000][..], 1).unwrap();
        for (records, most, said) in [
            (&[&b"x"[..], &packed][..], 1000, "record 1: it unpacks to more than"),
            (&[&b"xxxxxxxxxx"[..], &[b'x'; 20]][..], 16, "record 1: more than is taken"),
        ] {
            let error = FirehoseRequest::read(&body(records), most).unwrap_err();
            assert!(error.reason.contains(said) && error.id == "r-1", "{error:?}");
        }
        for text in [
            "",
            "[]",
            r#"{"requestId":"r"}"#,
            r#"{"requestId":"r","records":[{"data":7}]}"#,
            r#"{"requestId":"r","records":[{"data":"%"}]}"#,
        ] {
            assert!(FirehoseRequest::read(text.as_bytes(), 100).is_err(), "{text}");
        }
    }
}
