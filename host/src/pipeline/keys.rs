//! Gathered events through the guests, each through those whose rules it may match.
//!
//! In: events with their places and the artifacts that they may matter to. Out: what the guests say
//! of them, item by item; faults in the order of the events, and each event's own fault once,
//! however many guests found it.

use firstseen_abi::{Item, ItemKind};
use firstseen_envelope::Place;
use firstseen_event::BitSet;
use firstseen_runtime::batch::Sort;
use firstseen_runtime::{Batch, CallError, Guest};

/// Where an event stands.
#[derive(Debug, Clone, Copy)]
pub struct Spot {
    /// The event, or the line that it is.
    pub place: Place,
    /// Its text stands at the place as it is.
    pub as_is: bool,
}

/// Events gathered for one crossing.
#[derive(Debug, Default)]
pub struct Crossing {
    batch: Batch,
    spots: Vec<Spot>,
    /// For each artifact of several, its events.
    wanted: Vec<Vec<u32>>,
    /// The events of one artifact, gathered from the batch.
    part: Batch,
}

/// What came of a crossing, but for the items.
#[derive(Debug, Default)]
pub struct Crossed {
    /// Events that were read: neither bad nor documents that hold no event.
    pub events: u64,
    /// Matches of an event and a rule.
    pub matched: u64,
    /// What the operator should know of single events, in the order of the events.
    pub notes: Vec<Note>,
    /// What the guests logged.
    pub log: Vec<String>,
}

/// A note about one event.
#[derive(Debug)]
pub struct Note {
    /// Which of the batch.
    pub event: usize,
    /// `Bad`, `NoEvents`, `Future` or `TooManyTerms`.
    pub kind: ItemKind,
    /// `code: reason`, or what the document is.
    pub text: String,
}

/// Takes the items that are no notes.
pub trait Take {
    /// An item: the artifact, the event's place, its text, and what the guest said.
    fn item(&mut self, artifact: usize, spot: Spot, raw: &[u8], item: &Item<'_>);
}

impl Crossing {
    /// Gathers an event; `artifacts` are those it may matter to, of `count`.
    pub fn push(&mut self, spot: Spot, event: &[u8], artifacts: &BitSet, count: usize) {
        if count > 1 {
            self.wanted.resize_with(count, Vec::new);
            let number = self.spots.len() as u32;
            for artifact in artifacts.iter() {
                if let Some(wanted) = self.wanted.get_mut(artifact) {
                    wanted.push(number);
                }
            }
        }
        self.batch.push(event);
        self.spots.push(spot);
    }

    /// Whether it is time for a crossing.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.batch.is_full()
    }

    /// Whether nothing was gathered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Where an event stands, and its text.
    #[must_use]
    pub fn event(&self, event: usize) -> (Spot, &[u8]) {
        let nowhere = Place { offset: 0, line: 0, record: None };
        let spot = self.spots.get(event).copied();
        (spot.unwrap_or(Spot { place: nowhere, as_is: false }), self.batch.event(event))
    }

    /// Runs the events through the guests.
    pub fn run(&mut self, guests: &mut [Guest], now_ms: i64, to: &mut dyn Take) -> Crossed {
        let mut crossed = Crossed::default();
        let mut unread = BitSet::default();
        let mut part = std::mem::take(&mut self.part);
        for (artifact, guest) in guests.iter_mut().enumerate() {
            let wanted = self.wanted.get(artifact).filter(|w| w.len() < self.spots.len());
            let batch = match wanted {
                Some(events) if events.is_empty() => continue,
                Some(events) => {
                    part.clear();
                    events.iter().for_each(|event| part.push(self.batch.event(*event as usize)));
                    &part
                }
                None => &self.batch,
            };
            let (crossing, notes) = (&*self, &mut crossed.notes);
            let mut sorter =
                Sorter { crossing, artifact, wanted, notes, unread: &mut unread, to: &mut *to };
            let counts = batch.keys(guest, now_ms, &mut sorter);
            crossed.matched += u64::from(counts.matched);
            crossed.log.extend(guest.take_log().into_iter().map(|(_, line)| line));
        }
        self.part = part;
        crossed.notes.sort_by_key(|note| note.event);
        crossed.events = self.spots.len().saturating_sub(unread.iter().count()) as u64;
        crossed
    }

    /// Forgets the events and keeps the room.
    pub fn clear(&mut self) {
        self.batch.clear();
        self.part.clear();
        self.spots.clear();
        self.wanted.iter_mut().for_each(Vec::clear);
    }
}

/// Sorts what one guest says.
struct Sorter<'c> {
    crossing: &'c Crossing,
    artifact: usize,
    /// The guest's events, where they are not all.
    wanted: Option<&'c Vec<u32>>,
    notes: &'c mut Vec<Note>,
    /// Events that were none, or could not be read.
    unread: &'c mut BitSet,
    to: &'c mut dyn Take,
}

impl Sorter<'_> {
    /// The event's number in the batch.
    fn number(&self, event: usize) -> usize {
        match self.wanted {
            Some(wanted) => wanted.get(event).map_or(usize::MAX, |number| *number as usize),
            None => event,
        }
    }

    fn note(&mut self, event: usize, kind: ItemKind, text: String) {
        self.notes.push(Note { event, kind, text });
    }
}

impl Sort for Sorter<'_> {
    fn item(&mut self, event: usize, item: &Item<'_>) {
        let event = self.number(event);
        match item.kind {
            // What one guest cannot read, no guest can: told once.
            ItemKind::Bad | ItemKind::NoEvents => {
                if self.unread.insert(event) {
                    self.note(event, item.kind, item.text.to_owned());
                }
            }
            ItemKind::Future | ItemKind::TooManyTerms => {
                self.note(event, item.kind, item.text.to_owned());
            }
            ItemKind::Matched | ItemKind::Missing | ItemKind::Excepted => {
                let (spot, raw) = self.crossing.event(event);
                self.to.item(self.artifact, spot, raw, item);
            }
        }
    }

    fn failed(&mut self, event: usize, error: &CallError) {
        let event = self.number(event);
        if self.unread.insert(event) {
            self.note(event, ItemKind::Bad, format!("rule_failed: {error}"));
        }
    }
}
