//! Kinesis Data Firehose's HTTP endpoint: records in base64, each of them events in any form.
//!
//! In: an unpacked body, untrusted. Out: all records behind each other, a line or more each, with the id of the
//! request that the answer has to repeat. A record that is packed, as those of CloudWatch Logs are, is unpacked.
//!
//! Source: AWS, "HTTP endpoint delivery request and response specifications".

use super::exchange::Refusal;
use crate::numbers::number;
use crate::source::body::unpacked_body;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use std::borrow::Cow;
use std::fmt;
use std::io;

/// Records of a request.
const MOST_RECORDS: usize = 1_000_000;

/// What Firehose sends.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivery<'a> {
    #[serde(borrow)]
    request_id: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "records")]
    records: Vec<DeliveryRecord<'a>>,
}

#[derive(Deserialize)]
struct DeliveryRecord<'a> {
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// Records, up to a number of them.
fn records<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<DeliveryRecord<'a>>, D::Error> {
    struct Records;

    impl<'de> Visitor<'de> for Records {
        type Value = Vec<DeliveryRecord<'de>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of records")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut records = Vec::new();
            while let Some(record) = list.next_element()? {
                if records.len() == MOST_RECORDS {
                    let most = number(MOST_RECORDS as u64);
                    let reason = format!("more than {most} records; let Firehose buffer less");
                    return Err(A::Error::custom(reason));
                }
                records.push(record);
            }
            Ok(records)
        }
    }

    deserializer.deserialize_seq(Records)
}

/// The header with the access key.
pub(super) const ACCESS_KEY: &str = "x-amz-firehose-access-key";

/// Why a request cannot be read.
#[derive(Debug)]
pub(super) struct DeliveryFault {
    /// What the answer repeats; empty where the body does not say it.
    pub(super) id: String,
    /// What was wrong.
    pub(super) refusal: Refusal,
}

/// Why a record cannot be read.
enum RecordFault {
    Bad(String),
    Refused(Refusal),
}

impl From<io::Error> for RecordFault {
    fn from(error: io::Error) -> Self {
        Self::Bad(error.to_string())
    }
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
    /// Takes a body apart, of which so many bytes may be unpacked. `holds` hears how many there are by now, and refuses
    /// more.
    ///
    /// # Errors
    /// Where it is no such request, or a record cannot be read: nothing of it was judged.
    pub(super) fn read(
        body: &[u8],
        most: u64,
        holds: &mut dyn FnMut(usize) -> Result<(), Refusal>,
    ) -> Result<Self, DeliveryFault> {
        let delivery: Delivery<'_> = serde_json::from_slice(body).map_err(|error| {
            let refusal = bad(format!("no request of Firehose: {error}"));
            DeliveryFault { id: String::new(), refusal }
        })?;
        let id = delivery.request_id.into_owned();
        match Self::lines(&delivery.records, most, holds) {
            Ok(lines) => Ok(Self { id, lines }),
            Err(refusal) => Err(DeliveryFault { id, refusal }),
        }
    }

    fn lines(
        records: &[DeliveryRecord<'_>],
        most: u64,
        holds: &mut dyn FnMut(usize) -> Result<(), Refusal>,
    ) -> Result<Vec<u8>, Refusal> {
        let mut lines = Vec::new();
        for (number, record) in records.iter().enumerate() {
            let fault = |error: &dyn fmt::Display| bad(format!("record {number}: {error}"));
            let before = lines.len() + record.data.len();
            holds(before)?;
            let data = STANDARD
                .decode(record.data.as_bytes())
                .map_err(|error| fault(&format_args!("its data is no base64: {error}")))?;
            let room = most.saturating_sub(lines.len() as u64);
            let holds_more = |bytes| holds(before + bytes).map_err(RecordFault::Refused);
            let data = unpacked_body(data, room, holds_more).map_err(|error| match error {
                RecordFault::Bad(error) => fault(&error),
                RecordFault::Refused(refusal) => refusal,
            })?;
            if data.len() as u64 > room {
                return Err(fault(&"more than is taken at once; let Firehose buffer less"));
            }
            lines.extend_from_slice(&data);
            if !lines.ends_with(b"\n") {
                lines.push(b'\n');
            }
            holds(lines.len())?;
        }
        Ok(lines)
    }
}

fn bad(reason: String) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "bad_delivery", reason)
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
            FirehoseRequest::read(&body(&[b"{\"a\":1}\n", &packed, b""]), 1 << 20, &mut |_| Ok(()))
                .unwrap();
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
            let error = FirehoseRequest::read(&body(records), most, &mut |_| Ok(())).unwrap_err();
            assert!(error.refusal.reason.contains(said) && error.id == "r-1", "{error:?}");
        }
        for text in [
            "",
            "[]",
            r#"{"requestId":"r"}"#,
            r#"{"requestId":"r","records":[{"data":7}]}"#,
            r#"{"requestId":"r","records":[{"data":"%"}]}"#,
        ] {
            let read = FirehoseRequest::read(text.as_bytes(), 100, &mut |_| Ok(()));
            assert!(read.is_err(), "{text}");
        }
    }

    #[test]
    fn what_it_holds_is_told_and_records_have_a_limit() {
        let packed = zstd::encode_all(&[b'x'; 1 << 20][..], 1).unwrap();
        let busy = || Refusal::new(StatusCode::TOO_MANY_REQUESTS, "busy", "");
        let mut holds = |bytes| if bytes > 2 << 20 { Err(busy()) } else { Ok(()) };
        assert!(FirehoseRequest::read(&body(&[&packed]), 1 << 30, &mut holds).is_ok());
        let error =
            FirehoseRequest::read(&body(&[&packed[..]; 3]), 1 << 30, &mut holds).unwrap_err();
        assert_eq!(error.refusal.status, StatusCode::TOO_MANY_REQUESTS);
        let records = vec!["{\"data\":\"\"}"; MOST_RECORDS + 1].join(",");
        let many = format!("{{\"requestId\":\"r\",\"records\":[{records}]}}");
        let error = FirehoseRequest::read(many.as_bytes(), 100, &mut |_| Ok(())).unwrap_err();
        assert!(error.refusal.reason.contains("more than 1,000,000 records"), "{error:?}");
    }
}
