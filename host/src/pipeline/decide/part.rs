//! Decides some matches of one artifact, whoever holds the state.
//!
//! In: matches with their turns, a rule, the files of their texts, somebody who asks the state. Out: what became
//! of their terms. Where the rule fails, the matches are halved until the one at fault is alone. It writes no alert
//! and holds no state.

use crate::pipeline::text::RereadTexts;
use firstseen_abi::OutcomeKind;
use firstseen_session::{
    CallError, EventAt, EventText, Match, Round, RoundEnd, RuleRef, Rules, Step, TermOutcome,
};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// How often matches are decided again where other processes were faster each time.
const MAX_ROUNDS: u32 = 64;
/// How the outcome of a key begins at which other writers were faster each time.
pub(super) const CONFLICT: &str = "conflict: ";

/// Matches of one artifact that are decided together.
#[derive(Debug, Default)]
pub(super) struct DecidePart {
    /// Of each its turn among all that were handed in together.
    pub(super) turns: Vec<usize>,
    pub(super) matches: Vec<Match>,
}

/// What matches are decided with, besides the rule and the state.
#[derive(Debug, Clone)]
pub(super) struct PartContext {
    /// The files that texts are read from again.
    pub(super) texts: RereadTexts,
    /// Keys of which nothing is decided.
    pub(super) closed: Arc<HashSet<Vec<u8>>>,
    /// Whether other processes write to the state.
    pub(super) is_shared: bool,
    /// Whether new terms mostly alert.
    pub(super) expects_texts: bool,
}

/// An outcome on its way to the sink.
#[derive(Debug)]
pub(super) struct DecidedTerm {
    /// The match's turn among all that were decided together.
    pub(super) turn: usize,
    pub(super) at: EventAt,
    pub(super) rule: RuleRef,
    pub(super) time_ms: i64,
    pub(super) kind: OutcomeKind,
    pub(super) text: String,
}

/// What became of matches.
#[derive(Debug, Default)]
pub(super) struct PartEnd {
    pub(super) decided: Vec<DecidedTerm>,
    /// Terms that were seen before, by rule.
    pub(super) seen: Vec<(RuleRef, u64)>,
    /// Keys of matches whose texts were lost.
    pub(super) closed: Vec<Vec<u8>>,
}

impl PartEnd {
    /// Takes what became of others.
    pub(super) fn join(&mut self, other: Self) {
        self.decided.extend(other.decided);
        self.seen.extend(other.seen);
        self.closed.extend(other.closed);
    }
}

/// Gives a round the values that it needs, or makes its writes.
pub(super) type AskState<'a> = dyn FnMut(Round) -> anyhow::Result<Round> + 'a;

/// Decides matches, and adds what became of them to `end`; halves them where the rule fails, until the one at fault
/// is alone.
///
/// # Errors
/// When the state failed; what was decided before that is in `end`.
pub(super) fn decide_part(
    part: DecidePart,
    context: &PartContext,
    rules: &mut dyn Rules,
    state: &mut AskState<'_>,
    end: &mut PartEnd,
) -> anyhow::Result<()> {
    // What is still to decide, the next part last.
    let (mut todo, mut rounds) = (vec![part], 0);
    while let Some(DecidePart { mut turns, matches }) = todo.pop() {
        if matches.is_empty() {
            continue;
        }
        let mut round = Round::new(matches);
        if context.expects_texts {
            round.expect_texts();
        }
        if !context.closed.is_empty() || !end.closed.is_empty() {
            round.close(|key| {
                context.closed.contains(key) || end.closed.iter().any(|closed| closed == key)
            });
        }
        let (round, decided) = drive(round, rules, &context.texts, state)?;
        if let Err(error) = decided {
            let mut matches = round.into_matches();
            // A rule that is stopped decides none of them.
            if matches.len() == 1 || matches!(error, CallError::Stopped { .. }) {
                end.decided.extend(turns.into_iter().zip(matches).map(|(turn, matched)| {
                    let (kind, text) = (OutcomeKind::Error, error.coded());
                    let Match { at, rule, time_ms, .. } = matched;
                    DecidedTerm { turn, at, rule, time_ms, kind, text }
                }));
                continue;
            }
            let half = matches.len() / 2;
            let rest =
                DecidePart { turns: turns.split_off(half), matches: matches.split_off(half) };
            todo.extend([rest, DecidePart { turns, matches }]);
            continue;
        }
        let RoundEnd { matches, mut outcomes, seen_by_rule, closed, .. } = round.finish();
        end.closed.extend(closed);
        end.seen.extend(seen_by_rule);
        // Others were faster again and again: those matches are decided once more, whose other
        // terms give the same alerts again then.
        if context.is_shared && rounds < MAX_ROUNDS {
            let lost = take_conflicts(&mut outcomes);
            let of = |at: &usize| Some((*turns.get(*at)?, matches.get(*at)?.clone()));
            let (turns, matches): (Vec<_>, Vec<_>) = lost.iter().filter_map(of).unzip();
            rounds += u32::from(!matches.is_empty());
            todo.push(DecidePart { turns, matches });
        }
        end.decided.extend(outcomes.into_iter().filter_map(|outcome| {
            let TermOutcome { at, kind, text, .. } = outcome;
            let (turn, matched) = (*turns.get(at)?, matches.get(at)?);
            let Match { at, rule, time_ms, .. } = *matched;
            Some(DecidedTerm { turn, at, rule, time_ms, kind, text })
        }));
    }
    Ok(())
}

/// Gives a round what it asks for, until it is done. Inside, [`CallError`] where the rule failed and nothing was
/// written.
fn drive(
    mut round: Round,
    rules: &mut dyn Rules,
    texts: &RereadTexts,
    state: &mut AskState<'_>,
) -> anyhow::Result<(Round, Result<(), CallError>)> {
    loop {
        match round.step(rules) {
            Ok(Step::Read | Step::Write) => round = state(round)?,
            Ok(Step::Text) => fetch(&mut round, texts),
            Ok(Step::Done) => return Ok((round, Ok(()))),
            Err(error) => return Ok((round, Err(error))),
        }
    }
}

/// Gives a round the texts that it asks for.
pub(super) fn fetch(round: &mut Round, texts: &RereadTexts) {
    let fetched: Vec<_> = round
        .texts_to_fetch()
        .map(|matched| match &matched.text {
            EventText::Carried(text) => Ok(text.clone()),
            EventText::At { input, offset, len, digest } => {
                texts.read(*input, *offset, *len, *digest)
            }
        })
        .collect();
    round.texts(fetched);
}

/// Takes the outcomes out at which other writers were faster: their matches.
fn take_conflicts(outcomes: &mut Vec<TermOutcome>) -> BTreeSet<usize> {
    let mut lost = BTreeSet::new();
    outcomes.retain(|outcome| {
        let is_lost = outcome.kind == OutcomeKind::Error && outcome.text.starts_with(CONFLICT);
        if is_lost {
            lost.insert(outcome.at);
        }
        !is_lost
    });
    lost
}
