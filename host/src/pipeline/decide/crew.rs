//! Threads that decide, each with rules of its own.
//!
//! In: groups of matches of one artifact, which have no state key in common, and a store. Out: what became of them,
//! as if one had decided them. The store stays with the caller: a member that needs it waits for [`Crew::serve`], which
//! answers all of them at once. So the store hears the same questions whatever the number of threads is, and nobody
//! locks anything.

use super::part::{DecidePart, PartContext, PartEnd, decide_part};
use super::serve::serve;
use crate::observe::stages::{RunStage, Stages};
use crate::state::StateStore;
use anyhow::anyhow;
use firstseen_session::{Round, Rules};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

/// Threads that decide.
pub(super) struct Crew {
    members: Vec<Member>,
    /// Those that have matches.
    busy: Vec<usize>,
    end: PartEnd,
}

struct Member {
    /// Nothing once it has to end.
    to: Option<Sender<ToMember>>,
    from: Receiver<FromMember>,
    thread: Option<JoinHandle<()>>,
}

enum ToMember {
    /// Matches of the artifact of this number.
    Part(usize, DecidePart, PartContext),
    /// What it asked the state for.
    Answered(Round),
}

enum FromMember {
    /// It needs the state.
    Asks(Round),
    Done(anyhow::Result<PartEnd>),
}

impl Crew {
    /// A member for each of these sets of rules.
    ///
    /// # Errors
    /// When a thread cannot begin.
    pub(super) fn new(rules: Vec<Vec<Box<dyn Rules>>>, stages: &Stages) -> std::io::Result<Self> {
        let member = |rules| Member::new(rules, stages.clone());
        let members = rules.into_iter().map(member).collect::<std::io::Result<_>>();
        Ok(Self { members: members?, busy: Vec::new(), end: PartEnd::default() })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Begins to decide: a group for each member, at most.
    pub(super) fn begin(&mut self, artifact: usize, groups: Vec<DecidePart>, with: &PartContext) {
        debug_assert!(self.busy.is_empty() && groups.len() <= self.members.len());
        self.busy = (0..groups.len()).collect();
        for (member, group) in self.members.iter().zip(groups) {
            member.send(ToMember::Part(artifact, group, with.clone()));
        }
    }

    /// Waits until all who are at work need the state or are done, and answers them; whether all are done.
    ///
    /// # Errors
    /// When the state failed.
    pub(super) fn serve(
        &mut self,
        store: &mut dyn StateStore,
        newest_ms: i64,
    ) -> anyhow::Result<bool> {
        let (mut asking, mut rounds) = (Vec::new(), Vec::new());
        for at in std::mem::take(&mut self.busy) {
            let Some(member) = self.members.get_mut(at) else { continue };
            match member.receive()? {
                FromMember::Asks(round) => {
                    asking.push(at);
                    rounds.push(round);
                }
                FromMember::Done(end) => self.end.join(end?),
            }
        }
        serve(&mut rounds, store, newest_ms)?;
        for (at, round) in asking.iter().zip(rounds) {
            if let Some(member) = self.members.get(*at) {
                member.send(ToMember::Answered(round));
            }
        }
        self.busy = asking;
        Ok(self.busy.is_empty())
    }

    /// What became of the matches, once all are done.
    pub(super) fn take_end(&mut self) -> PartEnd {
        std::mem::take(&mut self.end)
    }
}

impl Member {
    fn new(mut rules: Vec<Box<dyn Rules>>, stages: Stages) -> std::io::Result<Self> {
        let (to, inbox) = channel();
        let (outbox, from) = channel();
        let work = move || work(&mut rules, &stages, &inbox, &outbox);
        let thread = Builder::new().name("decide".to_owned()).spawn(work)?;
        Ok(Self { to: Some(to), from, thread: Some(thread) })
    }

    /// Who has ended does not take it: that shows when its answer is waited for.
    fn send(&self, what: ToMember) {
        if let Some(to) = &self.to {
            to.send(what).ok();
        }
    }

    fn receive(&mut self) -> anyhow::Result<FromMember> {
        if let Ok(said) = self.from.recv() {
            return Ok(said);
        }
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(panic)) => resume_unwind(panic),
            _ => Err(ended_early()),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.to = None;
        if let Some(thread) = self.thread.take() {
            // A panic was passed on where its answer was waited for.
            let _ = thread.join();
        }
    }
}

fn ended_early() -> anyhow::Error {
    anyhow!("a thread that decides ended early")
}

/// What a member does until nobody has work for it.
fn work(
    rules: &mut [Box<dyn Rules>],
    stages: &Stages,
    inbox: &Receiver<ToMember>,
    outbox: &Sender<FromMember>,
) {
    while let Ok(ToMember::Part(artifact, part, context)) = inbox.recv() {
        let Some(rules) = rules.get_mut(artifact) else { break };
        let mut state = |round| {
            outbox.send(FromMember::Asks(round)).map_err(|_| ended_early())?;
            match inbox.recv() {
                Ok(ToMember::Answered(round)) => Ok(round),
                _ => Err(ended_early()),
            }
        };
        let mut end = PartEnd::default();
        let done = {
            let _decide = stages.enter(RunStage::Decide);
            decide_part(part, &context, &mut **rules, &mut state, &mut end)
        };
        if outbox.send(FromMember::Done(done.map(|()| end))).is_err() {
            break;
        }
    }
}
