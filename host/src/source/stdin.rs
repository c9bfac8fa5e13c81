//! Standard input, pipes and devices, whose blocking reads a signal can interrupt.
//!
//! In: standard input, or a path that is no regular file. Out: what one read gives; [`WOKEN`] once
//! somebody asked the run to end, because a read that waits for a quiet pipe would keep it from ending
//! cleanly; [`QUIET`] once nothing came for as long as the reader wants to wait.

use crate::waiting::{WaitEnd, wait_for};
use rustix::fs::OFlags;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// Becomes readable when the run should end.
pub type Wake = UnixStream;

/// The kind of error that says that the run should end.
pub(super) const WOKEN: io::ErrorKind = io::ErrorKind::ConnectionAborted;

/// The kind of error that says that nothing came for as long as was to be waited.
pub(super) const QUIET: io::ErrorKind = io::ErrorKind::TimedOut;

/// How long a read may wait; whoever reads sets it before.
pub(super) type Patience = Rc<Cell<Option<Duration>>>;

/// The first blocks are this small together, so that the first alerts are early.
const FIRST_BYTES: usize = 8 << 10;

/// Something that may be quiet for long, up to its end or until it is woken.
pub(super) struct WakingReader {
    /// Without a buffer: what waits in one, `poll` does not see.
    input: File,
    wake: Option<Wake>,
    patience: Patience,
    /// How much of the first bytes is still to be read.
    first: usize,
}

impl WakingReader {
    /// Standard input.
    pub(super) fn stdin(wake: Option<Wake>, patience: Patience) -> io::Result<Self> {
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Self { input, wake, patience, first: FIRST_BYTES })
    }

    /// A named pipe or a device. Opening it does not wait for a writer; reading does.
    pub(super) fn open(path: &Path, wake: Option<Wake>) -> io::Result<Self> {
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let input = File::options().read(true).custom_flags(flags).open(path)?;
        Ok(Self { input, wake, patience: Patience::default(), first: 0 })
    }

    /// Waits until there is something to read.
    fn wait(&self) -> io::Result<()> {
        match wait_for(&self.input, self.wake.as_ref(), self.patience.get())? {
            WaitEnd::Ready => Ok(()),
            WaitEnd::Woken => Err(WOKEN.into()),
            WaitEnd::Quiet => Err(QUIET.into()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::OwnedFd;

    #[test]
    fn a_quiet_pipe_ends_the_wait_and_loses_nothing() {
        let (theirs, ours) = UnixStream::pair().unwrap();
        let (mut wake, woken) = UnixStream::pair().unwrap();
        let mut theirs = theirs;
        let patience = Patience::default();
        let mut reader = WakingReader {
            input: File::from(OwnedFd::from(ours)),
            wake: Some(woken),
            patience: Rc::clone(&patience),
            first: 0,
        };
        let mut out = [0; 8];
        patience.set(Some(Duration::ZERO));
        assert_eq!(reader.read(&mut out).unwrap_err().kind(), QUIET);
        theirs.write_all(b"ab").unwrap();
        assert_eq!(reader.read(&mut out).unwrap(), 2);
        assert_eq!(reader.read(&mut out).unwrap_err().kind(), QUIET);
        theirs.write_all(b"c").unwrap();
        patience.set(None);
        assert_eq!((reader.read(&mut out).unwrap(), out[0]), (1, b'c'));
        wake.write_all(b"x").unwrap();
        assert_eq!(reader.read(&mut out).unwrap_err().kind(), WOKEN);
    }
}
