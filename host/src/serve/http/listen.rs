//! Connections: how many there are, how long they may take, and how they end.
//!
//! In: an address, and what a request is handed to. Out: a thread of its own that speaks HTTP/1.1, with TLS or without,
//! until it is told to end: then it takes no more connections, lets open requests end, and says so. It
//! reads no body.

use super::HttpLimits;
use super::access::{Credentials, SenderAccess};
use super::exchange::{Exchange, NoAnswer};
use super::metrics::ServiceCounts;
use super::patience::PatientStream;
use super::routes::{Peer, Service, router};
use super::tls::{Tls, TlsFiles};
use crate::pipeline::Clock;
use crate::serve::queue::Request;
use anyhow::Context;
use axum::Extension;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// Buffers of one connection: its header and what is read ahead.
const CONNECTION_BUFFER: usize = 64 << 10;
/// What the system may keep of connections that were not taken yet.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What a service is made of.
pub struct HttpService {
    /// Where it listens.
    pub listener: StdListener,
    /// Its limits.
    pub limits: HttpLimits,
    /// Who may send; `None`: everybody.
    pub credentials: Option<Credentials>,
    /// Its certificate, if it has one.
    pub tls: Option<TlsFiles>,
    /// Where bodies go.
    pub requests: Sender<Request>,
    /// What is counted.
    pub counts: Arc<ServiceCounts>,
    /// What time it is.
    pub clock: Arc<dyn Clock + Send + Sync>,
}

/// A service that runs.
pub struct ServiceHandle {
    /// Where it listens.
    pub address: SocketAddr,
    ready: watch::Sender<bool>,
    end: watch::Sender<bool>,
    tls: Option<Arc<Tls>>,
    access: Option<SenderAccess>,
    thread: Option<JoinHandle<()>>,
}

impl HttpService {
    /// Starts it. It answers `/healthz`, and takes bodies once it is told to.
    ///
    /// # Errors
    /// Where the certificate cannot be read, or the system gives no thread.
    pub fn start(self) -> anyhow::Result<ServiceHandle> {
        let Self { listener, limits, credentials, tls, requests, counts, clock } = self;
        let address = listener.local_addr().context("the address of the service")?;
        let tls = tls.map(Tls::open).transpose()?.map(Arc::new);
        let (ready, is_ready) = watch::channel(false);
        let (end, ends) = watch::channel(false);
        let exchange = Exchange::new(limits, requests, Arc::clone(&counts), is_ready);
        let access = credentials.map(SenderAccess::new);
        let service = Service { exchange: Arc::new(exchange), access: access.clone(), clock };
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let secured = tls.clone();
        let thread = std::thread::Builder::new().name("http".to_owned()).spawn(move || {
            runtime.block_on(async move {
                // It was checked above: an address is bound.
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                Connections { limits, service, counts, tls: secured }.serve(listener, ends).await;
            });
        })?;
        Ok(ServiceHandle { address, ready, end, tls, access, thread: Some(thread) })
    }
}

impl ServiceHandle {
    /// Takes bodies from now on.
    pub fn begin(&self) {
        self.ready.send_replace(true);
    }

    /// Reads the certificate again, and knows these senders from now on, where it asked for any before.
    ///
    /// # Errors
    /// Where the certificate cannot be read: then everything stays.
    pub fn reload(&self, credentials: Option<Credentials>) -> anyhow::Result<()> {
        self.tls.as_ref().map_or(Ok(()), |tls| tls.reload())?;
        if let (Some(access), Some(credentials)) = (&self.access, credentials) {
            access.replace(credentials);
        }
        Ok(())
    }

    /// Takes no more connections. What is returned ends when open requests are answered, or took too long; the loop
    /// has to run meanwhile.
    pub fn end(&mut self) -> Option<JoinHandle<()>> {
        self.end.send_replace(true);
        self.thread.take()
    }
}

/// What each connection is served with.
struct Connections {
    limits: HttpLimits,
    service: Service,
    counts: Arc<ServiceCounts>,
    tls: Option<Arc<Tls>>,
}

impl Connections {
    async fn serve(self, listener: TcpListener, mut ends: watch::Receiver<bool>) {
        let room = Arc::new(Semaphore::new(self.limits.connections));
        let router = router(self.service.clone());
        let mut tasks = tokio::task::JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = ends.changed() => break,
                Some(_) = tasks.join_next() => continue,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(_) => {
                    // No file descriptors, most likely: others end meanwhile.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                self.counts.connections_refused.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            // Answers are small and waited for.
            let _ = stream.set_nodelay(true);
            let router = router.clone().layer(Extension(Peer(Some(peer))));
            let (tls, ends) = (self.tls.clone(), ends.clone());
            let (limits, counts) = (self.limits, Arc::clone(&self.counts));
            tasks.spawn(async move {
                counts.connections.fetch_add(1, Ordering::Relaxed);
                match tls {
                    None => speak(stream, router, limits, ends).await,
                    Some(tls) => {
                        let acceptor = tokio_rustls::TlsAcceptor::from(tls.config());
                        if let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(stream)).await {
                            speak(stream, router, limits, ends).await;
                        }
                    }
                }
                counts.connections.fetch_sub(1, Ordering::Relaxed);
                drop(permit);
            });
        }
        drop(listener);
        let drained = async { while tasks.join_next().await.is_some() {} };
        // What takes longer is cut off; its sender has no answer and sends it again.
        let _ = timeout(self.limits.drain, drained).await;
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    router: axum::Router,
    limits: HttpLimits,
    mut ends: watch::Receiver<bool>,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request| {
        let response = router.call(request);
        async move {
            let Ok(response) = response.await;
            match response.extensions().get::<NoAnswer>() {
                None => Ok(response),
                Some(no_answer) => Err(*no_answer),
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_buf_size(CONNECTION_BUFFER)
        .serve_connection(TokioIo::new(PatientStream::new(stream, limits.unread)), service);
    tokio::pin!(connection);
    loop {
        tokio::select! {
            // What went wrong on it, its sender knows better.
            _ = connection.as_mut() => return,
            changed = ends.changed() => {
                connection.as_mut().graceful_shutdown();
                if changed.is_err() {
                    let _ = connection.as_mut().await;
                    return;
                }
            }
        }
    }
}
