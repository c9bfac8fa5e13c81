//! HTTP in: events that any pipeline can send, answered once they are judged and committed.
//!
//! In: requests, from anybody who can reach the address, so all of it is untrusted. Out: bodies for the loop, answers for their senders.
//! Every limit is in [`HttpLimits`]. It judges nothing, and knows no rule but by its name in `/metrics`.
//!
//! | what | module |
//! | --- | --- |
//! | connections: how many, for how long, TLS | `listen`, `patience` |
//! | who may send | `access` |
//! | paths | `routes` |
//! | a body, read within limits, judged, answered | `exchange` |
//! | memory for bodies | `room` |
//! | Elasticsearch's paths | `elasticsearch` |
//! | its `_bulk`: requests, their lines, their answers | `bulk`, `bulk_lines`, `bulk_answer` |
//! | Kinesis Data Firehose | `firehose` |
//! | what Prometheus reads | `metrics`, `metrics_page` |

mod access;
mod bulk;
mod bulk_answer;
mod bulk_lines;
mod elasticsearch;
mod exchange;
mod firehose;
mod listen;
pub mod metrics;
mod metrics_page;
mod patience;
mod room;
mod routes;
mod tls;

pub use access::Credentials;
pub use listen::{HttpService, ServiceHandle};
pub use tls::TlsFiles;

use std::time::Duration;

/// The limits of a service.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Bytes of a body as it is sent.
    pub body: usize,
    /// Bytes of a body once it is unpacked.
    pub unpacked: u64,
    /// Events of a body.
    pub events: u64,
    /// Bytes of an event.
    pub event: usize,
    /// Bytes of all bodies that arrive or wait for their answers, and of what is made of them.
    pub waiting: usize,
    /// Connections that are open at once.
    pub connections: usize,
    /// How long a sender may take for a request's header, also between two requests.
    pub header: Duration,
    /// How long it may take for its body.
    pub receive: Duration,
    /// How long a request waits for its answer, before it is told to come again.
    pub answer: Duration,
    /// How long a sender may take none of its answer.
    pub unread: Duration,
    /// How long open requests have to end once the service is to stop.
    pub drain: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body: 16 << 20,
            unpacked: 256 << 20,
            events: 1_000_000,
            event: 16 << 20,
            waiting: 64 << 20,
            connections: 2048,
            header: Duration::from_secs(75),
            receive: Duration::from_secs(30),
            answer: Duration::from_secs(60),
            unread: Duration::from_secs(60),
            drain: Duration::from_secs(30),
        }
    }
}
