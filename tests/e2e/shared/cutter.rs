//! Sockets in front of the servers, which break connections and kill workers at chosen moments.
//!
//! In: what a worker sends. Out: the same to the server; at one of its writes something else. The moment is a
//! number of writes, never a time.

use std::io::{Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What happens at a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// It does not reach the server, and the connection breaks.
    Request,
    /// It reaches the server, and the connection breaks before the answer.
    Answer,
    /// It reaches the server, and the worker dies before the answer.
    Worker,
}

/// What is to happen, and what has.
#[derive(Debug, Default)]
pub(super) struct CutPlan {
    /// The write at which it happens, counted down, and what.
    pub(super) next: Option<(u32, Cut)>,
    /// The process that asks.
    pub(super) worker: Option<rustix::process::Pid>,
    /// What has happened.
    pub(super) done: Vec<Cut>,
}

/// A connection of either kind.
trait TwoWay: Read + Write + Send + Sized + 'static {
    fn twice(&self) -> Result<Self>;
    fn close(&self, how: Shutdown) -> Result<()>;
}

impl TwoWay for UnixStream {
    fn twice(&self) -> Result<Self> {
        self.try_clone()
    }

    fn close(&self, how: Shutdown) -> Result<()> {
        self.shutdown(how)
    }
}

impl TwoWay for TcpStream {
    fn twice(&self) -> Result<Self> {
        self.try_clone()
    }

    fn close(&self, how: Shutdown) -> Result<()> {
        self.shutdown(how)
    }
}

/// Ports of servers, and those that stand for them: of as many digits.
type PortNames = Arc<Vec<(String, String)>>;

/// The sockets of one worker.
pub(super) struct Cutter {
    address: String,
    pub(super) plan: Arc<Mutex<CutPlan>>,
}

impl Cutter {
    /// Listens, in front of this server's socket.
    pub(super) fn before(server: &Path, path: PathBuf) -> Self {
        let listener = UnixListener::bind(&path).unwrap();
        let plan: Arc<Mutex<CutPlan>> = Arc::default();
        let (server, shared) = (server.to_owned(), Arc::clone(&plan));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                // While the server is away the connection ends as it began.
                let Ok(server) = UnixStream::connect(&server) else { continue };
                let plan = Arc::clone(&shared);
                std::thread::spawn(move || pass(client, server, &plan, &PortNames::default()));
            }
        });
        Self { address: format!("redis+unix://{}", path.display()), plan }
    }

    /// Listens in front of each server of a cluster, which names these sockets in their place.
    pub(super) fn before_cluster(ports: &[u16]) -> Self {
        let plan: Arc<Mutex<CutPlan>> = Arc::default();
        let listeners: Vec<(u16, TcpListener)> =
            ports.iter().map(|port| (*port, TcpListener::bind("127.0.0.1:0").unwrap())).collect();
        let own = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let names = listeners.iter().map(|(port, listener)| {
            let (server, socket) = (format!(":{port}\r\n"), format!(":{}\r\n", own(listener)));
            assert_eq!(server.len(), socket.len());
            (server, socket)
        });
        let names: PortNames = Arc::new(names.collect());
        let address = format!("redis+cluster://127.0.0.1:{}", own(&listeners[0].1));
        for (port, listener) in listeners {
            let (names, plan) = (Arc::clone(&names), Arc::clone(&plan));
            std::thread::spawn(move || {
                for client in listener.incoming() {
                    let Ok(client) = client else { return };
                    let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                    let (names, plan) = (Arc::clone(&names), Arc::clone(&plan));
                    std::thread::spawn(move || pass(client, server, &plan, &names));
                }
            });
        }
        Self { address, plan }
    }

    pub(super) fn address(&self) -> String {
        self.address.clone()
    }
}

/// Passes answers back, with the names of the sockets.
fn pass_back(from: &mut impl Read, to: &mut impl Write, names: &PortNames) -> Result<()> {
    let mut buffer = [0; 1 << 16];
    while let length @ 1.. = from.read(&mut buffer)? {
        let answer = &mut buffer[..length];
        for (server, socket) in names.iter() {
            let places = memchr::memmem::find_iter(&*answer, server).collect::<Vec<_>>();
            for at in places {
                answer[at..at + socket.len()].copy_from_slice(socket.as_bytes());
            }
        }
        to.write_all(answer)?;
    }
    Ok(())
}

/// Passes requests on, and answers back, until one of the two ends or the plan says so.
fn pass<S: TwoWay>(mut client: S, mut server: S, plan: &Mutex<CutPlan>, names: &PortNames) {
    let (mut answers, mut to_client) = (server.twice().unwrap(), client.twice().unwrap());
    let names = Arc::clone(names);
    let back = std::thread::spawn(move || {
        let _ = pass_back(&mut answers, &mut to_client, &names);
        let _ = to_client.close(Shutdown::Both);
    });
    let mut buffer = [0; 1 << 16];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let request = &buffer[..length];
        let cut = if is_write(request) { due(plan) } else { None };
        if cut.is_some() {
            // No answer comes back from here on.
            let _ = client.close(Shutdown::Write);
        }
        if cut != Some(Cut::Request) && server.write_all(request).is_err() {
            break;
        }
        if cut == Some(Cut::Worker)
            && let Some(worker) = plan.lock().unwrap().worker
        {
            let _ = rustix::process::kill_process(worker, rustix::process::Signal::KILL);
        }
        if cut.is_some() {
            // The server has read the request once it has closed this end.
            let _ = server.close(Shutdown::Write);
            break;
        }
    }
    let _ = server.close(Shutdown::Write);
    back.join().unwrap();
    let _ = client.close(Shutdown::Both);
}

fn is_write(request: &[u8]) -> bool {
    request.windows(7).any(|word| word == b"EVALSHA")
}

/// Counts a write; what happens at it.
fn due(plan: &Mutex<CutPlan>) -> Option<Cut> {
    let mut plan = plan.lock().unwrap();
    let (left, cut) = plan.next?;
    if left > 0 {
        plan.next = Some((left - 1, cut));
        return None;
    }
    plan.next = None;
    plan.done.push(cut);
    Some(cut)
}
