//! Whether an event can meet conditions, by search through their alternatives.
//!
//! In: parts of queries. Out: no only where no event can: a search that grows too large says yes. Of
//! a field that an event has once, one value has to meet all that is asked of it; of any other field
//! each thing that is asked for may be met by another value, and what is refused by all.

use super::empty::none_meets;
use firstseen_kql::{ValueTest, WrittenQuery, WrittenValue};
use std::collections::BTreeMap;

/// How many comparisons of conditions one rule is worth.
const STEPS: usize = 400_000;

/// Alternatives in alternatives: more than people write, and a small stack.
const DEPTH: usize = 64;

/// A condition at its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct GoalLeaf<'q> {
    pub(super) value: &'q WrittenValue,
    /// Which of the rule's queries it is in.
    pub(super) query: usize,
    /// Whether its field must have no such value.
    pub(super) is_refused: bool,
}

/// Conditions without `not`: that is in the leaves.
#[derive(Debug, Clone)]
pub(super) enum Goal<'q> {
    All(Vec<Goal<'q>>),
    /// Whether it is an `or` as somebody wrote it, and not what is left by the `not` of an `and`.
    Any(Vec<Goal<'q>>, bool),
    One(GoalLeaf<'q>),
}

impl<'q> Goal<'q> {
    /// Of a query, or of what is not it. Recursion follows brackets, which the parser bounds.
    pub(super) fn of(written: &'q WrittenQuery, query: usize, negated: bool) -> Self {
        let each = |items: &'q [WrittenQuery]| {
            items.iter().map(|item| Self::of(item, query, negated)).collect()
        };
        match (written, negated) {
            (WrittenQuery::Everything, false) => Self::All(Vec::new()),
            (WrittenQuery::Everything, true) => Self::Any(Vec::new(), false),
            (WrittenQuery::Not(item), _) => Self::of(item, query, !negated),
            (WrittenQuery::And(items), false) | (WrittenQuery::Or(items), true) => {
                Self::All(each(items))
            }
            (WrittenQuery::And(items), true) | (WrittenQuery::Or(items), false) => {
                Self::Any(each(items), !negated)
            }
            (WrittenQuery::Value(value), is_refused) => {
                Self::One(GoalLeaf { value, query, is_refused })
            }
        }
    }

    /// The opposite.
    pub(super) fn opposite(&self) -> Self {
        let each = |items: &[Self]| items.iter().map(Self::opposite).collect();
        match self {
            Self::All(items) => Self::Any(each(items), false),
            Self::Any(items, _) => Self::All(each(items)),
            Self::One(leaf) => Self::One(GoalLeaf { is_refused: !leaf.is_refused, ..*leaf }),
        }
    }

    /// Its leaves, in the order of the text.
    pub(super) fn leaves(&self) -> Vec<GoalLeaf<'q>> {
        let mut out = Vec::new();
        self.gather(&mut out);
        out
    }

    fn gather(&self, out: &mut Vec<GoalLeaf<'q>>) {
        match self {
            Self::All(items) | Self::Any(items, _) => {
                items.iter().for_each(|item| item.gather(out))
            }
            Self::One(leaf) => out.push(*leaf),
        }
    }

    /// What has to hold together, taken apart.
    pub(super) fn conjuncts<'p>(&'p self, out: &mut Vec<&'p Self>) {
        match self {
            Self::All(items) => items.iter().for_each(|item| item.conjuncts(out)),
            Self::Any(items, _) => match items.as_slice() {
                [only] => only.conjuncts(out),
                _ => out.push(self),
            },
            Self::One(_) => out.push(self),
        }
    }
}

/// A search, and how much work it may still be.
pub(super) struct GoalSearch<'q, 's> {
    /// Whether an event has a field once.
    is_once: &'s dyn Fn(&str) -> bool,
    steps: usize,
    /// What is assumed of an event.
    assumed: BTreeMap<&'q str, Vec<GoalLeaf<'q>>>,
    /// The fields, in the order in which something was assumed of them.
    order: Vec<&'q str>,
}

impl<'q, 's> GoalSearch<'q, 's> {
    pub(super) fn new(is_once: &'s dyn Fn(&str) -> bool) -> Self {
        Self { is_once, steps: STEPS, assumed: BTreeMap::new(), order: Vec::new() }
    }

    /// Whether an event may meet all of them, and nothing else is assumed.
    pub(super) fn may_meet_alone(&mut self, goals: &[&Goal<'q>]) -> bool {
        let before = (std::mem::take(&mut self.assumed), std::mem::take(&mut self.order));
        let found = self.may_meet(goals.to_vec(), 0);
        (self.assumed, self.order) = before;
        found
    }

    /// Whether an event of which all this is assumed may meet all of them.
    pub(super) fn may_meet(&mut self, mut goals: Vec<&Goal<'q>>, depth: usize) -> bool {
        let mark = self.mark();
        let mut alternatives = Vec::new();
        while let Some(goal) = goals.pop() {
            match goal {
                Goal::One(leaf) if !self.assume(*leaf) => {
                    self.back_to(mark);
                    return false;
                }
                Goal::One(_) => {}
                Goal::All(items) => goals.extend(items),
                Goal::Any(items, _) => match items.as_slice() {
                    [] => {
                        self.back_to(mark);
                        return false;
                    }
                    [only] => goals.push(only),
                    _ => alternatives.push((goal, items)),
                },
            }
        }
        // The fewest first: they end soonest.
        let fewest = alternatives.iter().enumerate().min_by_key(|(_, (_, items))| items.len());
        let found = match fewest.map(|(at, _)| at) {
            None => true,
            Some(_) if depth >= DEPTH || self.steps == 0 => true,
            Some(at) => {
                let (_, items) = alternatives.swap_remove(at);
                let others: Vec<&Goal<'q>> = alternatives.iter().map(|(goal, _)| *goal).collect();
                items.iter().any(|item| {
                    self.steps = self.steps.saturating_sub(others.len());
                    self.may_meet(others.iter().copied().chain([item]).collect(), depth + 1)
                })
            }
        };
        self.back_to(mark);
        found
    }

    /// Assumes one more; whether an event may still meet all that is assumed.
    pub(super) fn assume(&mut self, leaf: GoalLeaf<'q>) -> bool {
        let field = leaf.value.field.as_str();
        // Two conditions on fields of objects may be about two objects.
        if leaf.value.is_nested || self.steps == 0 {
            return true;
        }
        let known = self.assumed.entry(field).or_default();
        known.push(leaf);
        self.order.push(field);
        if known.iter().all(|leaf| leaf.is_refused) {
            return true;
        }
        self.steps = self.steps.saturating_sub(known.len());
        let tests = |refused: bool| -> Vec<&ValueTest> {
            let some = known.iter().filter(|leaf| leaf.is_refused == refused);
            some.map(|leaf| &leaf.value.test).collect()
        };
        let (asked, refused) = (tests(false), tests(true));
        if !leaf.value.is_pattern && (self.is_once)(field) {
            return !none_meets(&asked, &refused);
        }
        match leaf.is_refused {
            true => !asked.iter().any(|test| none_meets(&[*test], &refused)),
            false => !none_meets(&[&leaf.value.test], &refused),
        }
    }

    /// How much is assumed.
    pub(super) fn mark(&self) -> usize {
        self.order.len()
    }

    /// Assumes no more than at a mark.
    pub(super) fn back_to(&mut self, mark: usize) {
        for field in self.order.drain(mark..).rev() {
            self.assumed.get_mut(field).map(Vec::pop);
        }
    }
}
