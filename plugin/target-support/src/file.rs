//! A state in memory with its writes in a folder, for pipelines that keep none: it outlives a
//! restart and a kill at any moment.
//!
//! In and out: keys and values, and alerts that may have to be given again ([`Outbox`]);
//! [`FolderStore::commit`] appends what changed, all of it or nothing. It never stops judging: what
//! the folder refuses stays in memory, and every commit says so until it is put right. It never
//! locks (WASI has no locks) and never writes into a file that another instance may write into.
//!
//! ```text
//! folder/firstseen.7.log    a snapshot, then a frame for each commit        file/frame.rs
//! folder/firstseen.8.log    begun by the next instance, or when 7 grew too long: a snapshot of all
//!                           that 7 says, synced; then 7 is deleted           file/folder.rs
//! ```
//! All files are read, in the order of their numbers, so that a snapshot that was cut off adds
//! nothing false to the file before it. Whoever began the highest number owns the state; an older
//! instance notices at its next commit and goes on in memory.
//!
//! A killed process loses nothing that was committed. A machine that loses its power may lose the
//! appends since the last snapshot that its system had not yet put on the disk.

mod folder;
mod frame;
mod frame_1;
mod outbox;

pub use outbox::Outbox;

use crate::memory::BoundedMemory;
use firstseen_abi::kv::{Cas, Kv, KvError};
use folder::{Folder, Generation};
use std::path::Path;

/// A file is written anew when it is this long and [`GROWTH`] times its snapshot.
const ROLL_AT: u64 = 4 << 20;
const GROWTH: u64 = 4;

/// The outbox has this part of the limit, beside what the terms have.
const OUTBOX_PART: usize = 8;

/// After a failure the folder is tried again at the next commit, then after twice as many, up to
/// this: a snapshot is not written for each event while the disk is full.
const LONGEST_WAIT: u32 = 4_096;

/// A state in memory that is written to a folder.
#[derive(Debug)]
pub struct FolderStore {
    memory: BoundedMemory,
    outbox: Outbox,
    /// Keys written since the last commit.
    changed: Vec<Box<[u8]>>,
    folder: Folder,
    log: Log,
    notes: Vec<String>,
    roll_at: u64,
    told_forgotten: bool,
    /// How many alerts had left the outbox too early when it was told.
    told_dropped: u64,
}

/// Where commits go.
#[derive(Debug)]
enum Log {
    Open(Generation),
    /// Writing failed. It is tried again when so many commits have passed.
    Failed {
        fault: String,
        left: u32,
        wait: u32,
    },
    /// Nothing is ever written again.
    Closed(String),
}

impl FolderStore {
    /// Reads the folder's state and takes it over. What goes wrong is what the first commit says;
    /// the state is then kept in memory alone. At most `limit` bytes of it are held.
    #[must_use]
    pub fn open(folder: &str, limit: usize) -> Self {
        Self::open_with(Path::new(folder), limit, ROLL_AT)
    }

    fn open_with(folder: &Path, limit: usize, roll_at: u64) -> Self {
        let mut kept = Self {
            memory: BoundedMemory::new(limit),
            outbox: Outbox::new(limit / OUTBOX_PART),
            changed: Vec::new(),
            folder: Folder::new(folder),
            log: Log::Closed(String::new()),
            notes: Vec::new(),
            roll_at,
            told_forgotten: false,
            told_dropped: 0,
        };
        let opened = kept.folder.open(&mut kept.memory, &mut kept.outbox, &mut kept.notes);
        kept.log = match opened {
            Ok(generation) => Log::Open(generation),
            Err(fault) => {
                kept.notes.push(fault.clone());
                Log::Closed(fault)
            }
        };
        kept
    }

    /// Appends what was written since the last commit. To be called before the outcome goes out.
    ///
    /// # Errors
    /// `code: reason`: these writes are in memory alone, and what to do. Nothing is lost while this
    /// instance lives.
    pub fn commit(&mut self) -> Result<(), String> {
        let changed = std::mem::take(&mut self.changed);
        let is_new = !changed.is_empty() || self.outbox.has_new();
        if !is_new && !self.outbox.has_left() {
            return Ok(());
        }
        self.tell_forgotten();
        match &mut self.log {
            // What left the outbox and could not be written is given once more: no fault.
            Log::Closed(_) | Log::Failed { .. } if !is_new => return Ok(()),
            Log::Closed(fault) => return Err(fault.clone()),
            Log::Failed { fault, left, .. } if *left > 1 => {
                *left = left.saturating_sub(1);
                return Err(fault.clone());
            }
            Log::Failed { .. } => {}
            Log::Open(generation) => {
                match self.folder.append(generation, &self.memory, &changed, &self.outbox) {
                    Ok(()) => self.outbox.written(),
                    Err(fault) => return self.failed(fault),
                }
                if !generation.is_long(self.roll_at, GROWTH) {
                    return Ok(());
                }
            }
        }
        self.roll()
    }

    /// Begins a new file with all that is known.
    fn roll(&mut self) -> Result<(), String> {
        let owned = match &self.log {
            Log::Open(generation) => Some(generation.number()),
            _ => None,
        };
        match self.folder.roll(owned, &self.memory, &self.outbox) {
            Ok(generation) => {
                self.outbox.written();
                if matches!(self.log, Log::Failed { .. }) {
                    self.notes.push("state_file: the state is written again".to_owned());
                }
                self.log = Log::Open(generation);
                Ok(())
            }
            Err(fault) => self.failed(fault),
        }
    }

    fn failed(&mut self, fault: folder::FolderError) -> Result<(), String> {
        let text = fault.to_string();
        let wait = match &self.log {
            Log::Failed { wait, .. } => wait.saturating_mul(2).min(LONGEST_WAIT),
            _ => {
                self.notes.push(text.clone());
                1
            }
        };
        self.log = match fault {
            folder::FolderError::Final(_) => Log::Closed(text.clone()),
            folder::FolderError::Passing(_) => {
                Log::Failed { fault: text.clone(), left: wait, wait }
            }
        };
        Err(text)
    }

    fn tell_forgotten(&mut self) {
        if self.memory.forgotten() > 0 && !self.told_forgotten {
            self.told_forgotten = true;
            self.notes.push(crate::memory::FULL.to_owned());
        }
        let dropped = self.outbox.dropped();
        if dropped > self.told_dropped.saturating_mul(2) {
            self.told_dropped = dropped;
            self.notes.push(format!(
                "outbox_full: alerts that were given once and are not kept to be given again after \
                 a kill (build with a larger --state-limit or a shorter --outbox-time): {dropped}"
            ));
        }
    }

    /// Whether commits reach the folder. A program that can refuse to start asks before its first
    /// event: without what the folder knows, terms that were seen before would be new.
    ///
    /// # Errors
    /// `code: reason`, as [`FolderStore::commit`] would say it.
    pub fn check(&self) -> Result<(), String> {
        match &self.log {
            Log::Open(_) => Ok(()),
            Log::Failed { fault, .. } | Log::Closed(fault) => Err(fault.clone()),
        }
    }

    /// What an operator has to know once: sentences since they were last taken.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// The alerts that may have to be given again. What is kept there is in the next commit.
    pub const fn outbox_mut(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// What it holds.
    #[must_use]
    pub const fn memory(&self) -> &BoundedMemory {
        &self.memory
    }
}

impl Kv for FolderStore {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.memory.get(key)
    }

    fn cas(
        &mut self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: &[u8],
        ttl_ms: i64,
    ) -> Result<Cas, KvError> {
        let done = self.memory.cas(key, expected, value, ttl_ms)?;
        if done == Cas::Done {
            self.changed.push(key.into());
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests;
