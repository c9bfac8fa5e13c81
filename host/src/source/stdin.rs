//! Standard input, pipes and devices, whose blocking reads a signal can interrupt.
//!
//! In: standard input, or a path that is no regular file. Out: what one read gives; [`WOKEN`] once
//! somebody asked the run to end, because a read that waits for a quiet pipe would keep it from ending
//! cleanly.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Becomes readable when the run should end.
pub type Wake = UnixStream;

/// The kind of error that says that the run should end.
pub(super) const WOKEN: io::ErrorKind = io::ErrorKind::ConnectionAborted;

/// The first blocks are this small together, so that the first alerts are early.
const FIRST_BYTES: usize = 8 << 10;

/// Something that may be quiet for long, up to its end or until it is woken.
pub(super) struct WakingReader {
    /// Without a buffer: what waits in one, `poll` does not see.
    input: File,
    wake: Option<Wake>,
    /// How much of the first bytes is still to be read.
    first: usize,
}

impl WakingReader {
    /// Standard input.
    pub(super) fn stdin(wake: Option<Wake>) -> io::Result<Self> {
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Self { input, wake, first: FIRST_BYTES })
    }

    /// A named pipe or a device. Opening it does not wait for a writer; reading does.
    pub(super) fn open(path: &Path, wake: Option<Wake>) -> io::Result<Self> {
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let input = File::options().read(true).custom_flags(flags).open(path)?;
        Ok(Self { input, wake, first: 0 })
    }

    /// Waits until there is something to read.
    fn wait(&self) -> io::Result<()> {
        let input = PollFd::from_borrowed_fd(self.input.as_fd(), PollFlags::IN);
        let Some(wake) = &self.wake else {
            poll(&mut [input], None)?;
            return Ok(());
        };
        let mut ready = [input, PollFd::from_borrowed_fd(wake.as_fd(), PollFlags::IN)];
        poll(&mut ready, None)?;
        if ready[1].revents().is_empty() { Ok(()) } else { Err(WOKEN.into()) }
    }
}

impl Read for WakingReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let room = if self.first > 0 { out.len().min(self.first) } else { out.len() };
        loop {
            self.wait()?;
            match self.input.read(&mut out[..room]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(read) => {
                    self.first = self.first.saturating_sub(read);
                    return Ok(read);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
