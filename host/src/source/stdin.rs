//! Standard input, whose blocking read a signal can interrupt.
//!
//! In: a pipe, a terminal or a file. Out: what one read gives; [`WOKEN`] once somebody asked the run
//! to end, because a read that waits for a quiet pipe would keep it from ending cleanly.

use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// Becomes readable when the run should end.
pub type Wake = UnixStream;

/// The kind of error that says that the run should end.
pub(super) const WOKEN: io::ErrorKind = io::ErrorKind::ConnectionAborted;

/// Standard input up to its end, or until it is woken.
pub(super) struct WakingStdin {
    /// Without a buffer: what waits in one, `poll` does not see.
    input: File,
    wake: Option<Wake>,
}

impl WakingStdin {
    pub(super) fn new(wake: Option<Wake>) -> io::Result<Self> {
        Ok(Self { input: File::from(io::stdin().as_fd().try_clone_to_owned()?), wake })
    }
}

impl Read for WakingStdin {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(wake) = &self.wake {
            let mut ready = [
                PollFd::from_borrowed_fd(self.input.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(wake.as_fd(), PollFlags::IN),
            ];
            poll(&mut ready, None)?;
            if !ready[1].revents().is_empty() {
                return Err(WOKEN.into());
            }
        }
        self.input.read(out)
    }
}
