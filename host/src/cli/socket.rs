//! `run tcp://HOST:PORT` and `run unix:/PATH`: lines over a socket, from any number of senders.
//!
//! In: connections. Out: what `run -` gives of their lines, in the order in which they arrive. A connection is read no
//! further before what was read of it is committed, so that a sender that is too fast waits. Nothing is answered: what a
//! sender wrote and nobody read is lost with the connection, as with a pipe.

use super::ExitStatus;
use super::observer::RunObserver;
use super::run::{RunArgs, run_from};
use super::served::{Opened, ServedRun};
use super::signal::Signals;
use crate::escape::escaped;
use crate::files::shown;
use crate::listening::listen;
use crate::observe::stages::Stages;
use crate::pipeline::{OutputStatus, Pipeline, Stop};
use crate::serve::ledger::BodyLedger;
use crate::serve::observer::Publish;
use crate::serve::queue::{BodyJob, BodyQueue, Request};
use crate::source::ReadLimits;
use crate::terminal::message;
use crate::waiting::{WaitEnd, wait_for};
use anyhow::{Context, bail};
use firstseen_runtime::Artifact;
use std::io::{self, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

/// What is read of a connection before it is judged.
const BLOCK: usize = 256 << 10;
/// Connections at once: each has a thread.
const CONNECTIONS: usize = 256;

/// Where lines are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SocketAddress {
    Tcp(String),
    Unix(PathBuf),
}

impl SocketAddress {
    /// The address that an input names, if it names one.
    pub(super) fn of(input: &Path) -> Option<Self> {
        let text = input.to_str()?;
        if let Some(address) = text.strip_prefix("tcp://") {
            return Some(Self::Tcp(address.to_owned()));
        }
        text.strip_prefix("unix:").map(|path| Self::Unix(PathBuf::from(path)))
    }
}

/// Takes lines until a signal ends it.
///
/// # Errors
/// An address that cannot be had; as for `run`.
pub(super) fn run(args: &RunArgs, signals: &Signals) -> anyhow::Result<ExitStatus> {
    let [input] = &args.common.inputs[..] else {
        bail!("a socket stands alone: give it a run of its own, with another --state");
    };
    let Some(address) = SocketAddress::of(input) else { bail!("{}: no socket", shown(input)) };
    for (option, is_given) in [
        ("--annotate", args.annotate),
        ("--resume", args.resume),
        ("--follow", args.follow),
        ("--hold", args.hold != 0),
        ("--schedule", args.schedule.schedule),
    ] {
        if is_given {
            bail!(
                "{option}: not with a socket; lines are judged in the order in which they arrive"
            );
        }
    }
    let listener = Listener::bind(&address)?;
    let (requests, queue) = channel();
    let open = Arc::new(Mutex::new(OpenConnections::default()));
    let wake = signals.wake().context("signals cannot be heard")?;
    let limit = args.common.judge.max_event;
    let name = listener.name(&address);
    let accepts = Accepts { listener, name: name.clone(), limit, open, requests };
    let mut run = args.clone();
    run.common.inputs = vec![PathBuf::from("-")];
    let mut served = SocketRun { name, ledger: BodyLedger::default(), queue: &queue, begins: None };
    served.begins = Some(Box::new(move || accepts.start(wake)));
    let status = run_from(&run, &mut io::stderr(), signals, Some(&mut served));
    if let SocketAddress::Unix(path) = address {
        // It is of no use any more.
        let _ = std::fs::remove_file(path);
    }
    status
}

/// Something that connections come from.
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn bind(address: &SocketAddress) -> anyhow::Result<Self> {
        match address {
            SocketAddress::Tcp(address) => {
                let listener = listen("tcp://", address)?;
                listener.set_nonblocking(true)?;
                if !listener.local_addr()?.ip().is_loopback() {
                    message::warning(&format!(
                        "tcp://{}: whoever reaches it may send events, and they can be read on the way; \
                         `firstseen serve` has tokens and TLS",
                        escaped(address)
                    ));
                }
                Ok(Self::Tcp(listener))
            }
            SocketAddress::Unix(path) => {
                let is_socket =
                    path.symlink_metadata().is_ok_and(|meta| meta.file_type().is_socket());
                // Nobody listens at what a killed process left.
                if is_socket && UnixStream::connect(path).is_err() {
                    std::fs::remove_file(path).with_context(|| shown(path))?;
                }
                let listener =
                    UnixListener::bind(path).with_context(|| format!("unix:{}", shown(path)))?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(listener))
            }
        }
    }

    /// Its address, with the port that the system chose.
    fn name(&self, address: &SocketAddress) -> String {
        match (self, address) {
            (Self::Tcp(listener), SocketAddress::Tcp(address)) => match listener.local_addr() {
                Ok(bound) => format!("tcp://{bound}"),
                Err(_) => format!("tcp://{}", escaped(address)),
            },
            (_, SocketAddress::Unix(path)) => format!("unix:{}", shown(path)),
            (Self::Unix(_), SocketAddress::Tcp(address)) => escaped(address).into_owned(),
        }
    }

    fn accept(&self) -> io::Result<Connection> {
        let connection = match self {
            Self::Tcp(listener) => Connection::Tcp(listener.accept()?.0),
            Self::Unix(listener) => Connection::Unix(listener.accept()?.0),
        };
        match &connection {
            Connection::Tcp(stream) => stream.set_nonblocking(false)?,
            Connection::Unix(stream) => stream.set_nonblocking(false)?,
        }
        Ok(connection)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Connection {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    /// What is read from now on is its end.
    fn end(&self) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Read),
            Self::Unix(stream) => stream.shutdown(Shutdown::Read),
        };
    }
}

impl Read for Connection {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(out),
            Self::Unix(stream) => stream.read(out),
        }
    }
}

/// Connections by their numbers, to end them.
#[derive(Default)]
struct OpenConnections {
    all: std::collections::HashMap<u64, Connection>,
    last: u64,
}

/// Takes connections.
struct Accepts {
    listener: Listener,
    name: String,
    limit: usize,
    open: Arc<Mutex<OpenConnections>>,
    requests: Sender<Request>,
}

impl Accepts {
    fn start(self, wake: UnixStream) -> io::Result<()> {
        std::thread::Builder::new().name("socket".to_owned()).spawn(move || self.accept(&wake))?;
        Ok(())
    }

    fn accept(self, wake: &UnixStream) {
        let mut readers: Vec<std::thread::JoinHandle<()>> = Vec::new();
        loop {
            if !matches!(wait_for(&self.listener, Some(wake), None), Ok(WaitEnd::Ready)) {
                break;
            }
            readers.retain(|reader| !reader.is_finished());
            match self.listener.accept() {
                Ok(connection) if readers.len() < CONNECTIONS => {
                    readers.extend(self.read(connection));
                }
                // It is closed at once, and its sender sees that.
                Ok(_) => message::warning(&format!(
                    "{}: more than {CONNECTIONS} connections; another one was closed",
                    self.name
                )),
                Err(_) => {}
            }
        }
        for connection in self.open.lock().unwrap_or_else(PoisonError::into_inner).all.values() {
            connection.end();
        }
        // What they have read is judged.
        for reader in readers {
            let _ = reader.join();
        }
        let _ = self.requests.send(Request::End);
    }

    fn read(&self, connection: Connection) -> Option<std::thread::JoinHandle<()>> {
        let ends = connection.try_clone().ok()?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.last += 1;
        let number = open.last;
        open.all.insert(number, ends);
        drop(open);
        let (requests, open, limit) = (self.requests.clone(), Arc::clone(&self.open), self.limit);
        let name: Arc<str> = format!("{} connection {number}", self.name).into();
        let reader = std::thread::Builder::new().name("lines".to_owned()).spawn(move || {
            Lines { requests, name, limit }.read(connection);
            open.lock().unwrap_or_else(PoisonError::into_inner).all.remove(&number);
        });
        reader.ok()
    }
}

/// Hands whole lines of one connection to the loop.
struct Lines {
    requests: Sender<Request>,
    name: Arc<str>,
    /// A line that is longer is handed on as it is: the loop says that it is too long.
    limit: usize,
}

impl Lines {
    fn read(&self, mut from: Connection) {
        let mut block = vec![0; BLOCK];
        let mut rest = Vec::new();
        loop {
            let read = match from.read(&mut block) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => 0,
            };
            rest.extend_from_slice(block.get(..read).unwrap_or_default());
            let whole = match memchr::memrchr(b'\n', &rest) {
                // What is there at the end counts, as with a file.
                _ if read == 0 => rest.len(),
                Some(newline) => newline + 1,
                None if rest.len() > self.limit.saturating_mul(2) => rest.len(),
                None => continue,
            };
            let behind = rest.split_off(whole);
            let lines = std::mem::replace(&mut rest, behind);
            if (!lines.is_empty() && !self.judge(lines)) || read == 0 {
                return;
            }
        }
    }

    /// Whether it was judged and committed.
    fn judge(&self, bytes: Vec<u8>) -> bool {
        let (done, is_done) = channel();
        let job = BodyJob {
            most_unpacked: u64::MAX,
            most_events: u64::MAX,
            bytes,
            name: Arc::clone(&self.name),
            wants_alerts: false,
            most_faults: 0,
            asker: None,
            answer: Box::new(move |_| {
                let _ = done.send(());
            }),
        };
        self.requests.send(Request::Judge(job)).is_ok() && is_done.recv().is_ok()
    }
}

/// What starts taking connections.
type Begins = Box<dyn FnOnce() -> io::Result<()>>;

/// The loop over lines from a socket.
struct SocketRun<'q> {
    name: String,
    ledger: BodyLedger,
    queue: &'q Receiver<Request>,
    begins: Option<Begins>,
}

impl ServedRun for SocketRun<'_> {
    fn ledger(&self) -> BodyLedger {
        self.ledger.clone()
    }

    fn stages(&self) -> Stages {
        Stages::default()
    }

    fn publish(&self, _: &[Artifact]) -> Publish<RunObserver> {
        Box::new(|_, _| {})
    }

    fn gives_repeats(&self) -> bool {
        false
    }

    fn serve(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        limits: ReadLimits,
        opened: &Opened,
    ) -> anyhow::Result<OutputStatus> {
        if let Some(begins) = self.begins.take() {
            begins().context("a thread for connections")?;
        }
        opened.tell(&format!("listening at {}", self.name));
        let ledger = self.ledger.clone();
        let mut queue = BodyQueue::new(self.queue, ledger, limits, None, Box::new(|| false));
        pipeline.serve(&mut queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_names_a_socket_is_one() {
        let of = |text: &str| SocketAddress::of(Path::new(text));
        assert_eq!(of("tcp://127.0.0.1:9000"), Some(SocketAddress::Tcp("127.0.0.1:9000".into())));
        assert_eq!(of("unix:/run/a.sock"), Some(SocketAddress::Unix("/run/a.sock".into())));
        assert_eq!((of("tcp"), of("-"), of("/unix:/a")), (None, None, None));
    }
}
