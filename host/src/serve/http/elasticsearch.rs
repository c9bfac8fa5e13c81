//! What Elasticsearch's clients and shippers ask: `_bulk`, and who it is that they send to.
//!
//! In: requests whose sender may send. Out: answers in Elasticsearch's form, faults too.

use super::bulk::{BulkReading, BulkRequest, MOST_ITEMS};
use super::bulk_answer::BulkAnswer;
use super::exchange::{Judged, Refusal, Wanted, body_name, json_response, no_answer, with_retry};
use super::room::RoomShare;
use super::routes::{Peer, Service, counted};
use crate::serve::ledger::BodyResult;
use crate::source::body::unpacking;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

/// The version of Elasticsearch whose `_bulk` this is; clients ask for it before they send.
const ELASTICSEARCH: &str = "8.19.0";

pub(super) async fn bulk_of_items(
    service: State<Service>,
    peer: Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    bulk(service.0, peer.0.0, None, headers, body).await
}

pub(super) async fn bulk_of_index(
    service: State<Service>,
    peer: Extension<Peer>,
    index: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match index {
        Ok(Path(index)) => bulk(service.0, peer.0.0, Some(index), headers, body).await,
        Err(error) => {
            let refusal = Refusal::new(StatusCode::BAD_REQUEST, "bad_index", error.body_text());
            let name = body_name("/INDEX/_bulk", peer.0.0);
            bulk_refusal(&headers, &counted(&service.0, &name, refusal))
        }
    }
}

async fn bulk(
    service: Service,
    peer: Option<SocketAddr>,
    index: Option<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let exchange = &service.exchange;
    let began_ms = service.clock.now_ms();
    let judged = async {
        let body = exchange.receive(&headers, body).await?;
        let (most_events, max_event) = (exchange.limits.events, exchange.limits.event);
        let read = move |bytes: Vec<u8>, most, room: &mut RoomShare| {
            let sent = bytes.len();
            let body = unpacking(bytes, most)?;
            let holds = &mut |bytes| room.hold_apart(sent + bytes);
            let index = index.as_deref();
            let mut request =
                BulkRequest::read(body, &mut BulkReading { index, most_events, max_event, holds })?;
            // What was sent is gone.
            room.hold(request.size())?;
            let lines = std::mem::take(&mut request.lines);
            Ok((request, lines))
        };
        let (request, body) = exchange.take_apart(body, read).await?;
        let wanted = Wanted { name: body_name("/_bulk", peer), alerts: false, faults: MOST_ITEMS };
        let judged = if body.bytes.is_empty() {
            Judged { result: BodyResult::default(), room: body.room }
        } else {
            exchange.judge(body, wanted).await?
        };
        Ok((request, judged))
    };
    let (request, Judged { result, room }) = match judged.await {
        Ok(judged) => judged,
        Err(refusal) => {
            let name = body_name("/_bulk", peer);
            return bulk_refusal(&headers, &counted(&service, &name, refusal));
        }
    };
    exchange.counts.bulk_items.fetch_add(request.len() as u64, Ordering::Relaxed);
    exchange.counts.bulk_items_refused.fetch_add(request.refused(), Ordering::Relaxed);
    let took_ms = service.clock.now_ms().saturating_sub(began_ms).max(0);
    let answer = BulkAnswer::new(request, result, took_ms.unsigned_abs(), Some(room));
    let compatible = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let mut response =
        ([(header::CONTENT_TYPE, "application/json")], Body::new(answer)).into_response();
    if let Some(version) = compatible.and_then(|kind| kind.split("compatible-with=").nth(1)) {
        let version = version.get(..1).unwrap_or("8");
        let kind = format!("application/vnd.elasticsearch+json;compatible-with={version}");
        if let Ok(kind) = HeaderValue::from_str(&kind) {
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
    }
    response
}

/// As Elasticsearch says it.
///
/// rsyslog's omelasticsearch takes every answer without results for a refusal of the documents, and drops them; only where
/// there is no answer does it send them again, as all senders do. It is known by having no name.
fn bulk_refusal(headers: &HeaderMap, refusal: &Refusal) -> Response {
    if refusal.is_temporary() && !headers.contains_key(header::USER_AGENT) {
        return no_answer();
    }
    let kind = match refusal.status {
        StatusCode::TOO_MANY_REQUESTS => "es_rejected_execution_exception",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable_shards_exception",
        StatusCode::PAYLOAD_TOO_LARGE => "content_too_long_exception",
        _ => "illegal_argument_exception",
    };
    let cause = json!({ "type": kind, "reason": refusal.reason });
    let error = json!({ "root_cause": [cause], "type": kind, "reason": refusal.reason });
    let body = json!({ "error": error, "status": refusal.status.as_u16() });
    with_retry(json_response(refusal.status, &body.to_string()), refusal.retry_after())
}

pub(super) async fn elasticsearch() -> Response {
    let answer = json!({
        "name": "firstseen",
        "cluster_name": "firstseen",
        "cluster_uuid": "firstseen-takes-bulks-",
        "version": {
            "number": ELASTICSEARCH,
            "build_flavor": "default",
            "build_type": "firstseen",
            "lucene_version": "9.12.0",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        },
        "tagline": "firstseen: takes _bulk as Elasticsearch does, judges events and keeps none",
    });
    json_response(StatusCode::OK, &answer.to_string())
}

pub(super) async fn license() -> Response {
    let license =
        json!({ "status": "active", "uid": "firstseen", "type": "basic", "mode": "basic" });
    json_response(StatusCode::OK, &json!({ "license": license }).to_string())
}

pub(super) async fn cluster_health() -> Response {
    let answer = json!({ "cluster_name": "firstseen", "status": "green", "timed_out": false, "number_of_nodes": 1 });
    json_response(StatusCode::OK, &answer.to_string())
}

pub(super) async fn cat_health() -> &'static str {
    "firstseen green 1 1 0 0 0 0 0 0 - 100.0%\n"
}
