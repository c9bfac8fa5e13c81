//! Calls `keys` of each artifact with the events that its rules may match.
//!
//! In: events with their places and the artifacts that they may matter to. Out: what the rules say
//! of them, item by item; faults in the order of the events, and each event's own fault once, however
//! many artifacts found it.

use firstseen_abi::{Item, ItemKind};
use firstseen_envelope::Place;
use firstseen_event::{BitSet, TEXT_NOT_OPENED};
use firstseen_session::{CallError, EventBatch, ItemVisitor, RuleRef, Rules};

/// Where a gathered event is.
#[derive(Debug, Clone, Copy)]
pub struct EventSpot {
    /// The event, or the line that it is.
    pub place: Place,
    /// Its text is at the place as it is, byte for byte.
    pub as_is: bool,
    /// It came out of a text that the rules could not read as one event.
    pub is_part: bool,
}

/// Events gathered for one call of `keys`.
#[derive(Debug, Default)]
pub struct EventGathering {
    batch: EventBatch,
    spots: Vec<EventSpot>,
    /// For each artifact of several, its events.
    wanted: Vec<Vec<u32>>,
    /// The events of one artifact, gathered from the batch.
    part: EventBatch,
}

/// The answer of the rules about the events, without the items.
#[derive(Debug, Default)]
pub struct GatheredResult {
    /// Events that were read: neither bad nor documents that hold no event.
    pub events: u64,
    /// Matches of an event and a rule.
    pub matched: u64,
    /// What the operator should know of single events, in the order of the events.
    pub notes: Vec<EventNote>,
    /// What the rules logged.
    pub log: Vec<String>,
}

/// A note about one event.
#[derive(Debug)]
pub struct EventNote {
    /// Which of the batch.
    pub event: usize,
    /// `Bad`, `NoEvents`, `Future` or `TooManyTerms`.
    pub kind: ItemKind,
    /// `code: reason`, or what the document is.
    pub text: String,
    /// The rule that matched, where one did.
    pub rule: Option<RuleRef>,
    /// The match is there too, with terms that are judged.
    pub is_judged: bool,
}

/// Takes the items about matches.
pub trait MatchVisitor {
    /// An item: the artifact, the event's place, its text, and the answer of the rule.
    fn item(&mut self, artifact: usize, spot: EventSpot, raw: &[u8], item: &Item<'_>);
}

impl EventGathering {
    /// Gathers an event; `artifacts` are those it may matter to, of `count`.
    pub fn push(&mut self, spot: EventSpot, event: &[u8], artifacts: &BitSet, count: usize) {
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

    /// Whether it is time for a call.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.batch.is_full()
    }

    /// Whether nothing was gathered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Where an event is, and its text.
    #[must_use]
    pub fn event(&self, event: usize) -> (EventSpot, &[u8]) {
        let nowhere = Place { offset: 0, line: 0, record: None };
        let spot = self.spots.get(event).copied();
        let nothing = EventSpot { place: nowhere, as_is: false, is_part: false };
        (spot.unwrap_or(nothing), self.batch.event(event))
    }

    /// Runs the events through the artifacts. A match that is dated later than `latest_ms` is refused,
    /// whatever an artifact says.
    pub fn run(
        &mut self,
        rules: &mut [Box<dyn Rules>],
        now_ms: i64,
        latest_ms: i64,
        to: &mut dyn MatchVisitor,
    ) -> GatheredResult {
        let mut result = GatheredResult::default();
        let (mut unread, mut noted) = (BitSet::default(), BitSet::default());
        let mut part = std::mem::take(&mut self.part);
        for (artifact, rules) in rules.iter_mut().enumerate() {
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
            let (gathering, notes) = (&*self, &mut result.notes);
            let mut router = ItemRouter {
                gathering,
                artifact,
                wanted,
                notes,
                unread: &mut unread,
                noted: &mut noted,
                last_matched: None,
                latest_ms,
                to: &mut *to,
            };
            let counts = batch.keys(&mut **rules, now_ms, &mut router);
            result.matched += u64::from(counts.matched);
            result.log.extend(rules.take_log().into_iter().map(|(_, line)| line));
        }
        self.part = part;
        result.notes.sort_by_key(|note| note.event);
        result.events = self.spots.len().saturating_sub(unread.iter().count()) as u64;
        result
    }

    /// Forgets the events and keeps the room.
    pub fn clear(&mut self) {
        self.batch.clear();
        self.part.clear();
        self.spots.clear();
        self.wanted.iter_mut().for_each(Vec::clear);
    }
}

/// Routes what one artifact says.
struct ItemRouter<'g> {
    gathering: &'g EventGathering,
    artifact: usize,
    /// The artifact's events, where they are not all.
    wanted: Option<&'g Vec<u32>>,
    notes: &'g mut Vec<EventNote>,
    /// Events that were none, or could not be read.
    unread: &'g mut BitSet,
    /// Events with a text in them that was not opened.
    noted: &'g mut BitSet,
    /// The event and the rule of the last match with terms.
    last_matched: Option<(usize, u16)>,
    latest_ms: i64,
    to: &'g mut dyn MatchVisitor,
}

impl ItemRouter<'_> {
    /// The event's number in the batch.
    fn number(&self, event: usize) -> usize {
        match self.wanted {
            Some(wanted) => wanted.get(event).map_or(usize::MAX, |number| *number as usize),
            None => event,
        }
    }

    fn note(&mut self, event: usize, kind: ItemKind, text: String, rule: Option<RuleRef>) {
        // What is left out of a match follows it.
        let is_judged = rule.is_some_and(|rule| self.last_matched == Some((event, rule.rule)));
        self.notes.push(EventNote { event, kind, text, rule, is_judged });
    }
}

impl ItemVisitor for ItemRouter<'_> {
    fn item(&mut self, event: usize, item: &Item<'_>) {
        let event = self.number(event);
        match item.kind {
            ItemKind::NoEvents if item.text.starts_with(TEXT_NOT_OPENED) => {
                if self.noted.insert(event) {
                    self.note(event, item.kind, item.text.to_owned(), None);
                }
            }
            // What one artifact cannot read, none can: noted once.
            ItemKind::Bad | ItemKind::NoEvents => {
                if self.unread.insert(event) {
                    self.note(event, item.kind, item.text.to_owned(), None);
                }
            }
            ItemKind::Matched if item.time_ms > self.latest_ms => {
                let artifact = u16::try_from(self.artifact).unwrap_or(u16::MAX);
                let rule = RuleRef { artifact, rule: item.rule };
                let text = format!(
                    "future_event: the rule says {} ms, the clock allows {} ms",
                    item.time_ms, self.latest_ms
                );
                self.note(event, ItemKind::Future, text, Some(rule));
            }
            ItemKind::Future | ItemKind::TooManyTerms => {
                let artifact = u16::try_from(self.artifact).unwrap_or(u16::MAX);
                let rule = RuleRef { artifact, rule: item.rule };
                self.note(event, item.kind, item.text.to_owned(), Some(rule));
            }
            ItemKind::Matched | ItemKind::Missing | ItemKind::Excepted | ItemKind::OtherIndex => {
                if item.kind == ItemKind::Matched {
                    self.last_matched = Some((event, item.rule));
                }
                let (spot, raw) = self.gathering.event(event);
                self.to.item(self.artifact, spot, raw, item);
            }
        }
    }

    fn failed(&mut self, event: usize, error: &CallError) {
        let event = self.number(event);
        // What a rule that is stopped does not judge is read by the others, and noted of each such rule.
        let is_stopped = matches!(error, CallError::Stopped { .. });
        if is_stopped || self.unread.insert(event) {
            self.note(event, ItemKind::Bad, error.coded(), None);
        }
    }
}
