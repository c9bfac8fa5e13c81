//! The paths of the service.
//!
//! In: requests whose sender may send. Out: answers in the form that their sender reads: JSON of ours, Elasticsearch's,
//! Firehose's. What is no path here is 404, with a sentence that names those that are.

use super::access::SenderAccess;
use super::bulk::{BulkRequest, MOST_ITEMS};
use super::exchange::{
    Exchange, Refusal, Wanted, alerts, body_name, discard, json_response, no_answer, report,
    with_retry,
};
use super::firehose::{self, FirehoseRequest};
use crate::pipeline::Clock;
use crate::source::body::unpacked_body;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use serde_json::json;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Faults that are named in an answer to `/events`.
const MOST_FAULTS: usize = 100;
/// The version of Elasticsearch whose `_bulk` this is; clients ask for it before they send.
const ELASTICSEARCH: &str = "8.19.0";

/// The address of a sender.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) Option<SocketAddr>);

/// What all handlers share.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) exchange: Arc<Exchange>,
    pub(super) access: Option<SenderAccess>,
    pub(super) clock: Arc<dyn Clock + Send + Sync>,
}

/// The router of a service.
pub(super) fn router(service: Service) -> Router {
    let open = Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .method_not_allowed_fallback(other_method);
    let guarded = Router::new()
        .route("/events", post(events))
        .route("/firehose", post(firehose_events))
        .route("/metrics", get(metrics))
        .route("/_bulk", post(bulk_of_items).put(bulk_of_items))
        .route("/{index}/_bulk", post(bulk_of_index).put(bulk_of_index))
        // What Elasticsearch's clients and shippers ask before they send.
        .route("/", get(elasticsearch).head(elasticsearch))
        .route("/_license", get(license))
        .route("/_cluster/health", get(cluster_health))
        .route("/_cat/health", get(cat_health))
        .fallback(any(nothing))
        .method_not_allowed_fallback(other_method)
        .layer(middleware::from_fn_with_state(service.clone(), admit));
    open.merge(guarded).layer(middleware::from_fn(named_product)).with_state(service)
}

/// Lets those through who may send.
async fn admit(State(service): State<Service>, request: Request, next: Next) -> Response {
    let is_admitted = match &service.access {
        Some(access) => access.admit(request.headers()),
        None => true,
    };
    if is_admitted {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    discard(&head.headers, body).await;
    let is_delivery = head.uri.path() == "/firehose";
    let reason = match (is_delivery, head.headers.contains_key(firehose::ACCESS_KEY)) {
        (true, true) => "the access key is none that is known: give Firehose a token of --auth",
        (true, false) => {
            "the access key is missing: give Firehose a token of --auth as its access key"
        }
        (false, _) => "no credential, or none that is known: send Authorization: Bearer TOKEN",
    };
    let refusal = counted(&service, Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", reason));
    let mut response = if is_delivery {
        // Of a stranger no body is kept.
        refused_delivery(&service, &head.headers, "", &refusal)
    } else {
        refusal.into_response()
    };
    let challenge = HeaderValue::from_static("Bearer, Basic realm=\"firstseen\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// Clients of Elasticsearch refuse answers without it.
async fn named_product(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let product = HeaderValue::from_static("Elasticsearch");
    response.headers_mut().insert("x-elastic-product", product);
    response
}

async fn events(
    State(service): State<Service>,
    Extension(Peer(peer)): Extension<Peer>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let wants_alerts = match wants_alerts(query.as_deref(), &headers) {
        Ok(wants_alerts) => wants_alerts,
        Err(refusal) => return counted(&service, refusal).into_response(),
    };
    let exchange = &service.exchange;
    let judged = async {
        let body = exchange.receive(&headers, body).await?;
        let name = body_name("/events", peer);
        exchange.judge(body, Wanted { name, alerts: wants_alerts, faults: MOST_FAULTS }).await
    };
    let result = match judged.await {
        Ok(result) => result,
        Err(refusal) => return counted(&service, refusal).into_response(),
    };
    if wants_alerts && result.failed.is_none() {
        return alerts(result).await;
    }
    // What came before the fault was judged; the rest will never be readable.
    let status = match result.failed {
        None => StatusCode::OK,
        Some(_) if result.is_too_long.load(Ordering::Relaxed) => StatusCode::PAYLOAD_TOO_LARGE,
        Some(_) => StatusCode::BAD_REQUEST,
    };
    json_response(status, &report(&result).to_string())
}

/// Whether a request asks for its alerts: `?alerts`, or by what it accepts. One that asks for something else would
/// not get it.
fn wants_alerts(query: Option<&str>, headers: &HeaderMap) -> Result<bool, Refusal> {
    let mut asked = false;
    for part in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, "true"));
        if name != "alerts" {
            let reason =
                format!("/events knows no parameter {:?}; it knows ?alerts", beginning(name));
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "bad_query", reason));
        }
        asked |= !matches!(value, "false" | "0" | "no");
    }
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    Ok(asked || accepts.is_some_and(|accept| accept.contains("application/x-ndjson")))
}

async fn bulk_of_items(
    service: State<Service>,
    peer: Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    bulk(service.0, peer.0.0, None, headers, body).await
}

async fn bulk_of_index(
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
            bulk_refusal(&headers, &counted(&service.0, refusal))
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
        let mut body = exchange.receive(&headers, body).await?;
        let read = move |bytes, most| {
            let bytes = unpacked(bytes, most)?;
            let mut request = BulkRequest::read(&bytes, index.as_deref())
                .map_err(|reason| Refusal::new(StatusCode::BAD_REQUEST, "bad_bulk", reason))?;
            let lines = std::mem::take(&mut request.lines);
            Ok((request, lines))
        };
        let request = exchange.take_apart(&mut body, read).await?;
        let wanted = Wanted { name: body_name("/_bulk", peer), alerts: false, faults: MOST_ITEMS };
        let result = if body.bytes.is_empty() {
            crate::serve::ledger::BodyResult::default()
        } else {
            exchange.judge(body, wanted).await?
        };
        Ok((request, result))
    };
    let (request, result) = match judged.await {
        Ok(judged) => judged,
        Err(refusal) => return bulk_refusal(&headers, &counted(&service, refusal)),
    };
    exchange.counts.bulk_items.fetch_add(request.len() as u64, Ordering::Relaxed);
    exchange.counts.bulk_items_refused.fetch_add(request.refused(), Ordering::Relaxed);
    let took_ms = service.clock.now_ms().saturating_sub(began_ms).max(0);
    let answer = request.answer(&result, took_ms.unsigned_abs());
    let compatible = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let mut response = json_response(StatusCode::OK, &answer.to_string());
    if let Some(version) = compatible.and_then(|kind| kind.split("compatible-with=").nth(1)) {
        let version = version.get(..1).unwrap_or("8");
        let kind = format!("application/vnd.elasticsearch+json;compatible-with={version}");
        if let Ok(kind) = HeaderValue::from_str(&kind) {
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
    }
    response
}

fn unpacked(bytes: Vec<u8>, most: u64) -> Result<Vec<u8>, Refusal> {
    unpacked_body(bytes, most).map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error.to_string())
        }
        _ => Refusal::new(StatusCode::BAD_REQUEST, "bad_body", error.to_string()),
    })
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

async fn firehose_events(
    State(service): State<Service>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let exchange = &service.exchange;
    let mut id = String::new();
    let judged = async {
        let mut body = exchange.receive(&headers, body).await?;
        let read = |bytes, most| {
            let bytes = unpacked(bytes, most)?;
            Ok(match FirehoseRequest::read(&bytes, most) {
                Ok(request) => ((request.id, None), request.lines),
                Err(fault) => ((fault.id, Some(fault.reason)), Vec::new()),
            })
        };
        let fault;
        (id, fault) = exchange.take_apart(&mut body, read).await?;
        if let Some(reason) = fault {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "bad_delivery", reason));
        }
        let name = body_name("/firehose", peer);
        exchange.judge(body, Wanted { name, alerts: false, faults: 0 }).await
    };
    match judged.await {
        Ok(_) => {
            let answer = firehose::answer(&id, service.clock.now_ms(), None);
            json_response(StatusCode::OK, &answer)
        }
        Err(refusal) => refused_delivery(&service, &headers, &id, &counted(&service, refusal)),
    }
}

/// `id` is that of the body, where it was read.
fn refused_delivery(
    service: &Service,
    headers: &HeaderMap,
    id: &str,
    refusal: &Refusal,
) -> Response {
    let of_header = headers.get("x-amz-firehose-request-id").and_then(|id| id.to_str().ok());
    let now_ms = service.clock.now_ms();
    let answer = firehose::answer(of_header.unwrap_or(id), now_ms, Some(&refusal.reason));
    with_retry(json_response(refusal.status, &answer), refusal.retry_after())
}

fn counted(service: &Service, refusal: Refusal) -> Refusal {
    let counts = &service.exchange.counts;
    match refusal.status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            counts.put_off.fetch_add(1, Ordering::Relaxed);
        }
        status => counts.refuse(status.as_u16()),
    }
    refusal
}

async fn health() -> &'static str {
    "ok\n"
}

async fn ready(State(service): State<Service>) -> (StatusCode, &'static str) {
    if *service.exchange.is_ready.borrow() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting or stopping\n")
    }
}

async fn metrics(State(service): State<Service>) -> Response {
    let text = service.exchange.counts.page();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn elasticsearch() -> Response {
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

async fn license() -> Response {
    let license =
        json!({ "status": "active", "uid": "firstseen", "type": "basic", "mode": "basic" });
    json_response(StatusCode::OK, &json!({ "license": license }).to_string())
}

async fn cluster_health() -> Response {
    let answer = json!({ "cluster_name": "firstseen", "status": "green", "timed_out": false, "number_of_nodes": 1 });
    json_response(StatusCode::OK, &answer.to_string())
}

async fn cat_health() -> &'static str {
    "firstseen green 1 1 0 0 0 0 0 0 - 100.0%\n"
}

/// So much of what a sender wrote as an answer repeats.
fn beginning(text: &str) -> &str {
    text.get(..text.floor_char_boundary(80)).unwrap_or_default()
}

async fn other_method(State(service): State<Service>, method: Method, uri: Uri) -> Response {
    let path = beginning(uri.path());
    let reason = format!("{path} does not take {method}");
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", reason);
    counted(&service, refusal).into_response()
}

async fn nothing(State(service): State<Service>, method: Method, uri: Uri) -> Response {
    let path = beginning(uri.path());
    let reason = format!(
        "no {method} {path} here: POST /events, /_bulk, /INDEX/_bulk or /firehose; GET /metrics, /healthz or /readyz"
    );
    counted(&service, Refusal::new(StatusCode::NOT_FOUND, "not_found", reason)).into_response()
}
