//! Waits for one thing, or until somebody asks for the end.
//!
//! In: something that becomes readable, what becomes readable when the run should end, a limit. Out: which of them came
//! first. It reads neither.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitEnd {
    /// There is something to read, or an end of it.
    Ready,
    /// The run should end, whatever there is to read.
    Woken,
    /// Nothing came for as long as was to be waited.
    Quiet,
}

/// Waits for `one`, until `wake` is readable, and no longer than `limit`.
///
/// # Errors
/// Those of the system; none because of a signal.
pub(crate) fn wait_for(
    one: &impl AsFd,
    wake: Option<&impl AsFd>,
    limit: Option<Duration>,
) -> io::Result<WaitEnd> {
    // Longer than a timespec can say is for ever.
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    loop {
        let first = PollFd::new(one, PollFlags::IN);
        // Where nobody wakes it, it waits for the same twice.
        let second = wake.map_or(first.clone(), |wake| PollFd::new(wake, PollFlags::IN));
        let mut both = [first, second];
        let polled = match wake {
            Some(_) => poll(&mut both, limit.as_ref()),
            None => poll(&mut both[..1], limit.as_ref()),
        };
        return match polled {
            Err(Errno::INTR) => continue,
            Err(error) => Err(error.into()),
            Ok(0) => Ok(WaitEnd::Quiet),
            Ok(_) if wake.is_some() && !both[1].revents().is_empty() => Ok(WaitEnd::Woken),
            Ok(_) => Ok(WaitEnd::Ready),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_end_comes_before_all_else() {
        let none = None::<&UnixStream>;
        let (one, mut to_one) = UnixStream::pair().unwrap();
        let (wake, mut to_wake) = UnixStream::pair().unwrap();
        let at_once = Some(Duration::ZERO);
        assert_eq!(wait_for(&one, none, at_once).unwrap(), WaitEnd::Quiet);
        assert_eq!(wait_for(&one, Some(&wake), at_once).unwrap(), WaitEnd::Quiet);
        to_one.write_all(b"x").unwrap();
        assert_eq!(wait_for(&one, none, None).unwrap(), WaitEnd::Ready);
        assert_eq!(wait_for(&one, Some(&wake), None).unwrap(), WaitEnd::Ready);
        to_wake.write_all(b"x").unwrap();
        assert_eq!(wait_for(&one, Some(&wake), None).unwrap(), WaitEnd::Woken);
        // The other end is gone: there is an end to read.
        drop(to_one);
        assert_eq!(wait_for(&one, none, Some(Duration::MAX)).unwrap(), WaitEnd::Ready);
    }
}
