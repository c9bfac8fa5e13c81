//! Where the program's state lives: in a folder that the runtime opened, or in memory.
//!
//! In: a folder's name, if one was given. Out: a store for the rule, and its commit. It holds no
//! format of its own: that is crate target's.

use firstseen_abi::kv::{Cas, Kv, KvError};
use firstseen_target_support::file::FolderStore;
use firstseen_target_support::memory::BoundedMemory;
use std::io;
use std::path::Path;

/// The folder that is looked for where none was named.
const FOLDER: &str = "state";

/// The state.
pub(crate) enum State {
    /// Gone when the program ends.
    Memory(BoundedMemory),
    /// In the folder of this name.
    Folder(Box<FolderStore>, String),
}

impl State {
    /// The state of a folder, or an empty one in memory where no folder was named and there is no
    /// `state`.
    pub(crate) fn open(folder: Option<&str>, limit: usize) -> io::Result<Self> {
        let name = folder.unwrap_or(FOLDER);
        match (Path::new(name).is_dir(), folder) {
            (true, _) => {
                let kept = FolderStore::open(name, limit);
                kept.check().map_err(io::Error::other)?;
                Ok(Self::Folder(Box::new(kept), name.to_owned()))
            }
            (false, None) => Ok(Self::Memory(BoundedMemory::new(limit))),
            (false, Some(_)) => Err(io::Error::other(format!(
                "{name:?} is no folder here: the runtime has to open it, as `--dir {name}` does"
            ))),
        }
    }

    /// For an operator, once.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Memory(_) => {
                format!("in memory, gone at the end; open a folder `{FOLDER}` to keep it")
            }
            Self::Folder(kept, name) => {
                format!("in {name}, {} terms known", kept.memory().len())
            }
        }
    }

    /// Puts what changed into the folder.
    pub(crate) fn commit(&mut self) -> io::Result<()> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Folder(kept, _) => kept.commit().map_err(io::Error::other),
        }
    }

    /// What an operator has to know: sentences since they were last taken.
    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        match self {
            Self::Memory(_) => Vec::new(),
            Self::Folder(kept, _) => kept.take_notes(),
        }
    }

    /// How many terms it forgot because of the limit.
    pub(crate) fn forgotten(&self) -> u64 {
        match self {
            Self::Memory(memory) => memory.forgotten(),
            Self::Folder(kept, _) => kept.memory().forgotten(),
        }
    }

    fn kv(&mut self) -> &mut dyn Kv {
        match self {
            Self::Memory(memory) => memory,
            Self::Folder(kept, _) => &mut **kept,
        }
    }
}

impl Kv for State {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.kv().get(key)
    }

    fn cas(
        &mut self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: &[u8],
        ttl_ms: i64,
    ) -> Result<Cas, KvError> {
        self.kv().cas(key, expected, value, ttl_ms)
    }
}
