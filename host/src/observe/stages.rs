//! Which stage of the work a thread is at, for whoever measures it.
//!
//! In: calls where a stage begins and ends, once for a block or a batch, never for an event. Out: the same, to a
//! [`StageClock`]; nothing where nobody measures. It knows no clock.

use std::fmt;
use std::sync::Arc;

/// A stage of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunStage {
    /// Bytes are read as they are stored.
    Read,
    /// They are unpacked.
    Inflate,
    /// Events are found in them, and searched for the rules' literals.
    Scan,
    /// Rules say which events match, and with which terms.
    Keys,
    /// Matches are put in order.
    Order,
    /// Rules and state say what is new.
    Decide,
    /// Alerts are written.
    Output,
}

impl RunStage {
    /// All of them, in the order in which an event goes through them.
    pub const ALL: [Self; 7] = [
        Self::Read,
        Self::Inflate,
        Self::Scan,
        Self::Keys,
        Self::Order,
        Self::Decide,
        Self::Output,
    ];

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Inflate => "inflate",
            Self::Scan => "scan",
            Self::Keys => "keys",
            Self::Order => "order",
            Self::Decide => "decide",
            Self::Output => "output",
        }
    }
}

/// Measures stages; several threads call it.
pub trait StageClock: Send + Sync {
    /// This thread is at this stage from now on, or at none. Returns where it was.
    fn enter(&self, stage: Option<RunStage>) -> Option<RunStage>;
}

/// Tells the clock of a run, where it has one, at which stage a thread is.
#[derive(Clone, Default)]
pub struct Stages(Option<Arc<dyn StageClock>>);

impl Stages {
    /// Stages that this clock measures.
    #[must_use]
    pub fn measured(clock: Arc<dyn StageClock>) -> Self {
        Self(Some(clock))
    }

    /// This thread is at this stage until the guard goes, and back then at the one before.
    pub fn enter(&self, stage: RunStage) -> StageGuard<'_> {
        StageGuard(self.0.as_deref().map(|clock| (clock, clock.enter(Some(stage)))))
    }
}

impl fmt::Debug for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Stages(measured)" } else { "Stages" })
    }
}

/// A stage that lasts as long as this.
#[must_use]
pub struct StageGuard<'c>(Option<(&'c dyn StageClock, Option<RunStage>)>);

impl Drop for StageGuard<'_> {
    fn drop(&mut self) {
        if let Some((clock, before)) = self.0 {
            clock.enter(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Log(Mutex<Vec<Option<RunStage>>>);

    impl StageClock for Log {
        fn enter(&self, stage: Option<RunStage>) -> Option<RunStage> {
            let mut log = self.0.lock().unwrap();
            let before = log.last().copied().flatten();
            log.push(stage);
            before
        }
    }

    #[test]
    fn a_stage_ends_where_it_began() {
        let log = Arc::new(Log::default());
        let stages = Stages::measured(Arc::clone(&log) as Arc<dyn StageClock>);
        {
            let _scan = stages.enter(RunStage::Scan);
            drop(stages.enter(RunStage::Read));
            let _keys = stages.enter(RunStage::Keys);
        }
        let [scan, read, keys] = [RunStage::Scan, RunStage::Read, RunStage::Keys].map(Some);
        assert_eq!(*log.0.lock().unwrap(), [scan, read, scan, keys, scan, None]);
        // Nobody measures.
        drop(Stages::default().enter(RunStage::Scan));
    }
}
