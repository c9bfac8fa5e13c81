//! One process at a time writes to a file.
//!
//! In: a file that is to be written. Out: a lock on it for as long as it is open, or a fault where another process has it. It
//! keeps no reader away, and leaves pipes, terminals and devices alone: they are there for several.

use std::fs::{File, TryLockError};
use std::io;
use std::time::Duration;

/// A process that ends lets go of its files one after the other: who has its state waits this often for the others.
const TRIES: u32 = 40;
const AGAIN: Duration = Duration::from_millis(50);

/// Holds a regular file against other writers.
///
/// # Errors
/// Where another process holds it.
pub(super) fn refuse_shared(file: &File) -> io::Result<()> {
    if !file.metadata()?.is_file() {
        return Ok(());
    }
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(AGAIN),
            // Some file systems know no locks: there it is as if nobody else wrote.
            Err(TryLockError::Error(_)) => return Ok(()),
        }
    }
    Err(io::Error::other(
        "another process writes to it (`fuser FILE` or `lsof FILE` says which), and their alerts would mix",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn one_writes_and_others_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts");
        std::fs::write(&path, "kept").unwrap();
        let open = || File::options().read(true).append(true).open(&path).unwrap();
        let first = open();
        refuse_shared(&first).unwrap();
        assert!(refuse_shared(&open()).unwrap_err().to_string().contains("another process"));
        let mut text = String::new();
        File::open(&path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "kept");
        drop(first);
        refuse_shared(&open()).unwrap();
        // A device is everybody's.
        let null = || File::options().write(true).open("/dev/null").unwrap();
        let (one, other) = (null(), null());
        refuse_shared(&one).and_then(|()| refuse_shared(&other)).unwrap();
    }
}
