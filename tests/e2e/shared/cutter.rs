//! A socket in front of the server, which breaks connections and kills workers at chosen moments.
//!
//! In: what a worker sends. Out: the same to the server; at one of its writes something else. The moment is a
//! number of writes, never a time.

use std::io::{Read, Write};
use std::net::Shutdown;
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

/// The socket.
pub(super) struct Cutter {
    path: PathBuf,
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
                std::thread::spawn(move || pass(client, server, &plan));
            }
        });
        Self { path, plan }
    }

    pub(super) fn address(&self) -> String {
        format!("redis+unix://{}", self.path.display())
    }
}

/// Passes requests on, and answers back, until one of the two ends or the plan says so.
fn pass(mut client: UnixStream, mut server: UnixStream, plan: &Mutex<CutPlan>) {
    let (mut answers, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let back = std::thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let mut buffer = [0; 1 << 16];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let request = &buffer[..length];
        let cut = if is_write(request) { due(plan) } else { None };
        if cut.is_some() {
            // No answer comes back from here on.
            let _ = client.shutdown(Shutdown::Write);
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
            let _ = server.shutdown(Shutdown::Write);
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
    back.join().unwrap();
    let _ = client.shutdown(Shutdown::Both);
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
