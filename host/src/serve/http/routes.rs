//! The paths of the service.
//!
//! In: requests whose sender may send. Out: answers in the form that their sender reads: JSON of ours, Elasticsearch's,
//! Firehose's. What is no path here is 404, with a sentence that names those that are.

use super::access::{SenderAccess, is_ambiguous};
use super::elasticsearch::{
    bulk_of_index, bulk_of_items, cat_health, cluster_health, elasticsearch, license,
};
use super::exchange::{
    Exchange, Refusal, Wanted, alerts, body_name, discard, json_response, name_of, report,
    with_retry,
};
use super::firehose::{self, FirehoseRequest};
use super::metrics::RefusedRequest;
use super::room::RoomShare;
use crate::pipeline::Clock;
use crate::source::body::unpacked_body;
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, RawQuery, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Faults that are named in an answer to `/events`.
const MOST_FAULTS: usize = 100;
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
    let Some(access) = &service.access else { return next.run(request).await };
    let is_ambiguous = is_ambiguous(request.headers());
    if !is_ambiguous && access.admit(request.headers()) {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    discard(&head.headers, body).await;
    let is_delivery = head.uri.path() == "/firehose";
    let has_key = head.headers.contains_key(firehose::ACCESS_KEY);
    let (status, code) = match is_ambiguous {
        true => (StatusCode::BAD_REQUEST, "several_credentials"),
        false => (StatusCode::UNAUTHORIZED, "unauthorized"),
    };
    let reason = match (is_delivery, has_key) {
        _ if is_ambiguous => "several credentials: send one header Authorization",
        (true, true) => "the access key is none that is known: give Firehose a token of --auth",
        (true, false) => {
            "the access key is missing: give Firehose a token of --auth as its access key"
        }
        (false, _) => "no credential, or none that is known: send Authorization: Bearer TOKEN",
    };
    let refusal = Refusal::new(status, code, reason);
    let refusal = counted(&service, &request_name(&head), refusal);
    let mut response = if is_delivery {
        // Of a stranger no body is kept.
        refused_delivery(&service, &head.headers, "", &refusal)
    } else {
        refusal.into_response()
    };
    if !is_ambiguous {
        let challenge = HeaderValue::from_static("Bearer, Basic realm=\"firstseen\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
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
    let name = body_name("/events", peer);
    let wants_alerts = match wants_alerts(query.as_deref(), &headers) {
        Ok(wants_alerts) => wants_alerts,
        Err(refusal) => return counted(&service, &name, refusal).into_response(),
    };
    let exchange = &service.exchange;
    let judged = async {
        let body = exchange.receive(&headers, body).await?;
        let name = name.clone();
        let wanted = Wanted { name, alerts: wants_alerts, faults: MOST_FAULTS };
        exchange.judge(body, wanted).await.map(|judged| judged.result)
    };
    let result = match judged.await {
        Ok(result) => result,
        Err(refusal) => return counted(&service, &name, refusal).into_response(),
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
    if status != StatusCode::OK {
        // Why, was told as it was read.
        let _ = exchange.counts.refuse(status.as_u16());
    }
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

async fn firehose_events(
    State(service): State<Service>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let exchange = &service.exchange;
    let mut id = String::new();
    let judged = async {
        let body = exchange.receive(&headers, body).await?;
        let read = |bytes: Vec<u8>, most, room: &mut RoomShare| {
            let sent = bytes.len();
            let bytes = unpacked_body(bytes, most, |bytes| room.hold_apart(sent + bytes))?;
            let held = bytes.len();
            let request =
                FirehoseRequest::read(&bytes, most, &mut |bytes| room.hold_apart(held + bytes));
            Ok(match request {
                Ok(request) => ((request.id, None), request.lines),
                Err(fault) => ((fault.id, Some(fault.refusal)), Vec::new()),
            })
        };
        let (of_body, mut body) = exchange.take_apart(body, read).await?;
        let fault;
        (id, fault) = of_body;
        if let Some(refusal) = fault {
            return Err(refusal);
        }
        // What was sent is gone.
        body.room.hold(body.bytes.len())?;
        let name = body_name("/firehose", peer);
        exchange.judge(body, Wanted { name, alerts: false, faults: 0 }).await
    };
    match judged.await {
        Ok(_) => {
            let answer = firehose::answer(&id, service.clock.now_ms(), None);
            json_response(StatusCode::OK, &answer)
        }
        Err(refusal) => {
            let name = body_name("/firehose", peer);
            refused_delivery(&service, &headers, &id, &counted(&service, &name, refusal))
        }
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

/// The refusal of a request of this name, which is counted and, where it is for good, told.
pub(super) fn counted(service: &Service, name: &str, refusal: Refusal) -> Refusal {
    let counts = &service.exchange.counts;
    match refusal.status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            counts.put_off.fetch_add(1, Ordering::Relaxed);
        }
        status => {
            let (status, code, reason) = (status.as_u16(), refusal.code, &*refusal.reason);
            let count = counts.refuse(status);
            counts.tell(&RefusedRequest { name, status, count, code, reason });
        }
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

/// What to call a request in messages.
fn request_name(head: &Parts) -> String {
    let peer = head.extensions.get().and_then(|Peer(peer)| *peer);
    name_of(beginning(head.method.as_str()), beginning(head.uri.path()), peer)
}

/// So much of what a sender wrote as an answer repeats.
fn beginning(text: &str) -> &str {
    text.get(..text.floor_char_boundary(80)).unwrap_or_default()
}

async fn other_method(State(service): State<Service>, head: Parts) -> Response {
    let reason = format!("{} does not take {}", beginning(head.uri.path()), head.method);
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", reason);
    counted(&service, &request_name(&head), refusal).into_response()
}

async fn nothing(State(service): State<Service>, head: Parts) -> Response {
    let (method, path) = (&head.method, beginning(head.uri.path()));
    let reason = format!(
        "no {method} {path} here: POST /events, /_bulk, /INDEX/_bulk or /firehose; GET /metrics, /healthz or /readyz"
    );
    let refusal = Refusal::new(StatusCode::NOT_FOUND, "not_found", reason);
    counted(&service, &request_name(&head), refusal).into_response()
}
