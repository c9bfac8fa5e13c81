//! Ctrl-C and SIGTERM: the run ends cleanly, and its exit status says why.
//!
//! In: signals. Out: a request to end, which the pipeline looks at between two blocks, and a wake-up
//! for a source that waits. A second signal ends the process at once.

use crate::pipeline::Stop;
use crate::source::Wake;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What signals ask of a run.
pub struct Signals {
    /// The signal that was received, or 0.
    which: Arc<AtomicUsize>,
    wake: UnixStream,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn listen() -> io::Result<Self> {
        let (wake, to_wake) = UnixStream::pair()?;
        let which = Arc::new(AtomicUsize::new(0));
        let again = Arc::new(AtomicBool::new(false));
        // A shell starts what runs in the background with these ignored: then they stay so.
        for signal in [SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal)) {
            // In this order: the second signal finds the first one's mark.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again))?;
            flag::register(signal, Arc::clone(&again))?;
            flag::register_usize(signal, Arc::clone(&which), signal as usize)?;
            low_level::pipe::register(signal, to_wake.try_clone()?)?;
        }
        Ok(Self { which, wake })
    }

    /// Listens to nothing: the run ends by itself.
    ///
    /// # Errors
    /// When the system gives no pair of sockets.
    pub fn none() -> io::Result<Self> {
        let (wake, _) = UnixStream::pair()?;
        Ok(Self { which: Arc::default(), wake })
    }

    /// The signal that ended the run.
    #[must_use]
    pub fn received(&self) -> Option<u8> {
        u8::try_from(self.which.load(Ordering::SeqCst)).ok().filter(|signal| *signal != 0)
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
        self.received().is_some()
    }

    fn wake(&self) -> Option<Wake> {
        self.wake.try_clone().ok()
    }
}
