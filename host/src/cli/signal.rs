//! Ctrl-C and SIGTERM: the run ends cleanly, and its exit status says why. So does a stream whose
//! output nobody reads any more.
//!
//! In: signals, and the other end of standard output. Out: a request to end, which the pipeline looks
//! at between two blocks, and a wake-up for a source that waits. A second signal ends the process at
//! once, and so does the first while nothing is decided: a file of an option may be a FIFO that nobody
//! opens at its other end.

use super::place::StopMarks;
use crate::pipeline::Stop;
use crate::source::Wake;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What signals ask of a run.
pub struct Signals {
    /// The signal that was received, or 0.
    which: Arc<AtomicUsize>,
    /// Whether the next signal ends the process at once.
    at_once: Arc<AtomicBool>,
    /// Whoever read standard output is gone.
    closed: Arc<AtomicBool>,
    wake: UnixStream,
    to_wake: UnixStream,
}

impl Signals {
    /// Listens from now on; until [`Self::begin`] a signal ends the process at once.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn listen() -> io::Result<Self> {
        let (wake, to_wake) = UnixStream::pair()?;
        let which = Arc::new(AtomicUsize::new(0));
        let at_once = Arc::new(AtomicBool::new(true));
        // A shell starts what runs in the background with these ignored: then they stay so.
        for signal in [SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal)) {
            // In this order: the second signal finds the first one's mark.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&at_once))?;
            flag::register(signal, Arc::clone(&at_once))?;
            flag::register_usize(signal, Arc::clone(&which), signal as usize)?;
            low_level::pipe::register(signal, to_wake.try_clone()?)?;
        }
        Ok(Self { which, at_once, closed: Arc::default(), wake, to_wake })
    }

    /// Listens to nothing: the run ends by itself.
    ///
    /// # Errors
    /// When the system gives no pair of sockets.
    pub fn none() -> io::Result<Self> {
        let (wake, to_wake) = UnixStream::pair()?;
        let (which, at_once, closed) = (Arc::default(), Arc::default(), Arc::default());
        Ok(Self { which, at_once, closed, wake, to_wake })
    }

    /// What was read has to be decided from now on: the first signal asks the run to end.
    pub fn begin(&self) {
        self.at_once.store(false, Ordering::SeqCst);
    }

    /// All is decided and committed: a signal ends the process at once again.
    pub fn end(&self) {
        self.at_once.store(true, Ordering::SeqCst);
    }

    /// Listens from now on whether standard output is still read. A write would say it too, but a stream
    /// may be quiet for long, and the state is locked until its run ends.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn watch_output(&self) -> io::Result<()> {
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        let kind = FileType::from_raw_mode(fstat(&output)?.st_mode);
        // Nothing else has somebody at its other end.
        if !matches!(kind, FileType::Fifo | FileType::Socket) {
            return Ok(());
        }
        let (closed, mut to_wake) = (Arc::clone(&self.closed), self.to_wake.try_clone()?);
        std::thread::Builder::new().name("output".to_owned()).spawn(move || {
            if is_closed_at_last(&output) {
                closed.store(true, Ordering::SeqCst);
                // A source that does not wait looks at the mark.
                let _ = to_wake.write_all(b"x");
            }
        })?;
        Ok(())
    }

    /// What asks the run to end, for a store that waits.
    #[must_use]
    pub fn marks(&self) -> StopMarks {
        StopMarks { signal: Arc::clone(&self.which), closed: Arc::clone(&self.closed) }
    }

    /// Whether whoever read standard output was found to be gone.
    #[must_use]
    pub fn output_is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// The signal that ended the run.
    #[must_use]
    pub fn received(&self) -> Option<u8> {
        u8::try_from(self.which.load(Ordering::SeqCst)).ok().filter(|signal| *signal != 0)
    }
}

/// Waits until nobody is at the other end; false where that cannot be known.
fn is_closed_at_last(output: &OwnedFd) -> bool {
    loop {
        // The end is told of whatever is asked for.
        let mut ready = [PollFd::new(output, PollFlags::empty())];
        match poll(&mut ready, None) {
            Err(Errno::INTR) => {}
            Err(_) => return false,
            Ok(_) => return ready[0].revents().intersects(PollFlags::ERR | PollFlags::HUP),
        }
    }
}

/// Whether this process was started with the signal ignored; where the system does not say it: not.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

impl Stop for Signals {
    fn is_requested(&self) -> bool {
        self.received().is_some() || self.output_is_closed()
    }

    fn wake(&self) -> Option<Wake> {
        self.wake.try_clone().ok()
    }
}
