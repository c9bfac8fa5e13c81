//! One request: its body is read within limits, handed to the loop, and answered when it is committed.
//!
//! In: a request's head and body. Out: what was decided of it, or a status that says whether to send it again: 4xx for what will
//! never be taken, 429 and 503 with `Retry-After` for what will. A body is in memory as long as its answer is
//! waited for, and all of them together have a limit (`room`).

use super::HttpLimits;
use super::metrics::ServiceCounts;
use super::room::{BodyMemory, RoomShare};
use crate::numbers::counted;
use crate::serve::ledger::BodyResult;
use crate::serve::queue::{BodyJob, Request};
use crate::source::body::is_packed;
use axum::Extension;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde_json::json;
use std::io::{self, Read, Seek};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::timeout;

/// Bytes that are read on for a sender to hear that it is refused, and for how long.
const MOST_DISCARDED: usize = 64 << 20;
const DISCARDING: Duration = Duration::from_secs(5);

/// What all requests share.
pub(super) struct Exchange {
    pub(super) limits: HttpLimits,
    pub(super) counts: Arc<ServiceCounts>,
    /// Whether the loop takes bodies.
    pub(super) is_ready: watch::Receiver<bool>,
    memory: BodyMemory,
    /// Bodies that are unpacked at once.
    unpackers: Arc<Semaphore>,
    requests: Sender<Request>,
}

/// A body, with its share of the memory for all.
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    pub(super) room: RoomShare,
}

/// What was decided of a body, with the share of the memory that it had.
pub(super) struct Judged {
    pub(super) result: BodyResult,
    pub(super) room: RoomShare,
}

/// How a body is judged.
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) alerts: bool,
    pub(super) faults: usize,
}

/// Why a request has no result.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, reason: impl Into<String>) -> Self {
        Self { status, code, reason: reason.into() }
    }

    /// Whether the same request may be taken later.
    pub(super) fn is_temporary(&self) -> bool {
        self.status == StatusCode::REQUEST_TIMEOUT || self.retry_after().is_some()
    }

    /// After how many seconds it is worth sending again.
    pub(super) fn retry_after(&self) -> Option<&'static str> {
        match self.status {
            StatusCode::TOO_MANY_REQUESTS => Some("1"),
            StatusCode::SERVICE_UNAVAILABLE => Some("5"),
            _ => None,
        }
    }
}

/// A body that cannot be unpacked.
impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::FileTooLarge => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error.to_string())
            }
            _ => Self::new(StatusCode::BAD_REQUEST, "bad_body", error.to_string()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let retry = self.retry_after();
        let Self { status, code, reason } = self;
        let body =
            json!({ "error": { "code": code, "reason": reason }, "status": status.as_u16() });
        with_retry(json_response(status, &body.to_string()), retry)
    }
}

/// The response with `Retry-After`.
pub(super) fn with_retry(mut response: Response, retry: Option<&'static str>) -> Response {
    if let Some(retry) = retry {
        let value = header::HeaderValue::from_static(retry);
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// What a body says that it is packed with, where that is not read.
fn unknown_encoding(headers: &HeaderMap) -> Option<&str> {
    let encodings = headers.get(header::CONTENT_ENCODING)?.to_str().ok()?;
    let known = ["", "identity", "gzip", "x-gzip", "zstd"];
    let mut each = encodings.split(',').map(str::trim);
    each.find(|encoding| !known.iter().any(|known| encoding.eq_ignore_ascii_case(known)))
}

/// Reads on for a while what nobody wants: a connection that is closed with bytes unread may take the answer with it,
/// and a sender without an answer sends again. Who waits for a word before it sends is not kept.
pub(super) async fn discard(headers: &HeaderMap, mut body: Body) {
    if headers.contains_key(header::EXPECT) {
        return;
    }
    let rest = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, |data| data.len());
            if read > MOST_DISCARDED {
                return;
            }
        }
    };
    let _ = timeout(DISCARDING, rest).await;
}

/// In place of a response: the connection is closed without one.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("closed without an answer")]
pub(super) struct NoAnswer;

/// What stands for no response on its way to the connection.
pub(super) fn no_answer() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Extension(NoAnswer)).into_response()
}

/// A JSON document as the response.
pub(super) fn json_response(status: StatusCode, text: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{text}\n")).into_response()
}

impl Exchange {
    pub(super) fn new(
        limits: HttpLimits,
        requests: Sender<Request>,
        counts: Arc<ServiceCounts>,
        is_ready: watch::Receiver<bool>,
    ) -> Self {
        let memory = BodyMemory::new(limits.waiting);
        let unpackers = Arc::new(Semaphore::new(2));
        Self { limits, counts, is_ready, memory, unpackers, requests }
    }

    /// Reads a body.
    pub(super) async fn receive(
        &self,
        headers: &HeaderMap,
        mut body: Body,
    ) -> Result<Received, Refusal> {
        let most = self.limits.body;
        let too_long = || {
            Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!(
                    "the body is larger than {most} bytes; send less at once, or start with --max-body"
                ),
            )
        };
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > most as u64) {
            discard(headers, body).await;
            return Err(too_long());
        }
        self.is_begun().await?;
        let mut room = self.memory.share()?;
        let mut bytes = Vec::new();
        let received = timeout(self.limits.receive, async {
            while let Some(frame) = body.frame().await {
                let cut_off = |_| {
                    let reason = "the body did not arrive whole";
                    Refusal::new(StatusCode::BAD_REQUEST, "cut_off", reason)
                };
                let Ok(data) = frame.map_err(cut_off)?.into_data() else { continue };
                if bytes.len() + data.len() > most {
                    return Err(too_long());
                }
                // What arrived has room; what was only announced takes none from others.
                room.hold(bytes.len() + data.len())?;
                bytes.extend_from_slice(&data);
            }
            Ok(())
        });
        let received = received.await.map_err(|_| {
            let reason = "the body took too long to arrive";
            Refusal::new(StatusCode::REQUEST_TIMEOUT, "timeout", reason)
        })?;
        if let Err(refusal) = received {
            // Who is to come again sends all of it again, whether it reads why or not.
            if !refusal.is_temporary() {
                discard(headers, body).await;
            }
            return Err(refusal);
        }
        match unknown_encoding(headers) {
            Some(encoding) if !bytes.is_empty() && !is_packed(&bytes) => {
                let reason = format!(
                    "Content-Encoding {}: not read here; send gzip, zstd, or plain text",
                    crate::escape::escaped(encoding)
                );
                Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding", reason))
            }
            _ => Ok(Received { bytes, room }),
        }
    }

    /// Waits while the service starts. rsyslog gives up a bulk request that has 503 as its answer, and keeps one that
    /// has none yet; the body stays with its sender meanwhile.
    async fn is_begun(&self) -> Result<(), Refusal> {
        let mut is_ready = self.is_ready.clone();
        let begun = timeout(self.limits.answer, is_ready.wait_for(|is_ready| *is_ready)).await;
        match begun {
            Ok(Ok(_)) => Ok(()),
            _ => Err(unavailable("the service is starting or stopping")),
        }
    }

    /// Takes a body apart: away from the thread that speaks to all, two at a time. What it is made into takes its place;
    /// what both hold meanwhile has room.
    pub(super) async fn take_apart<T: Send + 'static>(
        &self,
        received: Received,
        read: impl FnOnce(Vec<u8>, u64, &mut RoomShare) -> Result<(T, Vec<u8>), Refusal>
        + Send
        + 'static,
    ) -> Result<(T, Received), Refusal> {
        let most = self.limits.unpacked;
        let Received { bytes, mut room } = received;
        let turn = Arc::clone(&self.unpackers).acquire_owned().await.map_err(|_| stopping())?;
        let read = tokio::task::spawn_blocking(move || {
            let read = read(bytes, most, &mut room);
            room.is_apart();
            drop(turn);
            read.map(|(read, bytes)| (read, Received { bytes, room }))
        });
        read.await.map_err(|_| stopping())?
    }

    /// Hands a body to the loop and waits for what was decided.
    pub(super) async fn judge(&self, body: Received, wanted: Wanted) -> Result<Judged, Refusal> {
        let Received { bytes, room } = body;
        let (send, answer) = oneshot::channel();
        // Gone with the connection, or when its time is over.
        let asker = Arc::new(());
        let job = BodyJob {
            bytes,
            name: wanted.name.into(),
            most_unpacked: self.limits.unpacked,
            most_events: self.limits.events,
            wants_alerts: wanted.alerts,
            most_faults: wanted.faults,
            asker: Some(Arc::downgrade(&asker)),
            answer: Box::new(move |result| {
                // Who waited may have gone; what was decided stays decided.
                let _ = send.send(Judged { result, room });
            }),
        };
        if self.requests.send(Request::Judge(job)).is_err() {
            return Err(stopping());
        }
        let answered = timeout(self.limits.answer, answer).await;
        drop(asker);
        match answered {
            Ok(Ok(judged)) if judged.result.has_too_many_events => {
                Err(too_many_events(self.limits.events))
            }
            Ok(Ok(judged)) => Ok(judged),
            Ok(Err(_)) => Err(unavailable("it was not committed; send it again")),
            Err(_) => Err(unavailable(
                "it is not committed yet: the state may be away, or much waits before it; send it again",
            )),
        }
    }
}

/// A body has more events than this.
pub(super) fn too_many_events(most: u64) -> Refusal {
    let reason = format!(
        "the body has more than {}; nothing of it was judged: send fewer at once, or start with \
         --max-body-events",
        counted(most, "event", "events")
    );
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_events", reason)
}

fn unavailable(reason: &str) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", reason)
}

fn stopping() -> Refusal {
    unavailable("the service is stopping")
}

/// The counts of a result, and what was wrong.
pub(super) fn report(result: &BodyResult) -> serde_json::Value {
    let faults = result.faults.iter().map(|fault| {
        json!({ "line": fault.line, "record": fault.record, "code": fault.code, "reason": fault.reason })
    });
    let (no_events, _) = &result.no_events;
    json!({
        "events": result.events,
        "matched": result.matched,
        "alerts": result.alerts,
        "repeats": result.repeats,
        "other_index": result.other_index,
        "not_judged": result.not_judged,
        "errors": faults.collect::<Vec<_>>(),
        "no_events": no_events,
        "failed": result.failed,
    })
}

/// The alerts of a result as a body, its counts in headers.
pub(super) async fn alerts(mut result: BodyResult) -> Response {
    if let Some(lost) = result.lost_lines() {
        let reason =
            format!("the alerts were committed, and could not be kept for the answer: {lost}");
        return unavailable(&reason).into_response();
    }
    let head = [
        ("firstseen-events", result.events),
        ("firstseen-matched", result.matched),
        ("firstseen-alerts", result.alerts),
        ("firstseen-repeats", result.repeats),
        ("firstseen-not-judged", result.not_judged),
    ];
    let Some(mut lines) = result.lines.take() else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let length = lines.stream_position();
    let body = match (length, lines.rewind()) {
        (Ok(length), Ok(())) if !lines.is_rolled() => {
            let mut all = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
            // It is in memory.
            let _ = lines.read_to_end(&mut all);
            Body::from(all)
        }
        (Ok(_), Ok(())) => match lines.into_file() {
            Ok(file) => Body::from_stream(tokio_util::io::ReaderStream::with_capacity(
                tokio::fs::File::from_std(file),
                64 << 10,
            )),
            Err(error) => return unavailable(&error.to_string()).into_response(),
        },
        (Err(error), _) | (_, Err(error)) => {
            return unavailable(&error.to_string()).into_response();
        }
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/x-ndjson"));
    for (name, count) in head {
        headers.insert(name, header::HeaderValue::from(count));
    }
    response
}

/// What a request's body is called in messages.
pub(super) fn body_name(path: &str, peer: Option<SocketAddr>) -> String {
    name_of("POST", path, peer)
}

/// A request, and who sent it.
pub(super) fn name_of(method: &str, path: &str, peer: Option<SocketAddr>) -> String {
    let from = peer.map_or_else(String::new, |peer| format!(" from {peer}"));
    format!("{method} {path}{from}")
}
