//! Conditions that no event meets together.
//!
//! In: a rule's query, its filters and exceptions. Out: a warning where no event meets the query, or
//! one alternative of an `or`, or where one is always true, as `not f: A or not f: B`; and where an
//! exception leaves out nothing, or all. It says no only of what [`super::search`] proves.

use super::search::{Goal, GoalLeaf, GoalSearch};
use super::{LintInput, once};
use crate::source::diagnostic::{Diagnostics, short};
use crate::source::table::At;
use crate::source::written::{PartKind, WrittenPart};
use firstseen_kql::{Comparison, ValueForm, WrittenQuery, WrittenValue};
use std::ops::Range;

/// Contradictions in the same conditions that are told; further ones show when these are mended.
const TOLD: usize = 4;

/// What a warning says of the conditions together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// No event meets the whole.
    NeverMatches,
    /// No event meets one alternative.
    DeadBranch,
    /// Every event meets alternatives whose opposites these are.
    AlwaysTrue,
    /// No event of the rule meets the exception.
    NothingExcepted,
    /// Every event of the rule meets the exception.
    AllExcepted,
    /// Every event of the rule meets this exception or one before it.
    RestExcepted,
    /// No event of the rule has the new-terms field.
    NoTerm,
}

/// Conditions that no event meets together, as few as show it.
struct Conflict<'q> {
    /// None where the outcome says all.
    goals: Vec<Goal<'q>>,
    /// Which of them is shown; without them which part of the rule, or which new-terms field.
    at: usize,
    outcome: Outcome,
    /// How many alternatives beside this one match nothing either.
    others: usize,
}

/// Warns.
pub(super) fn check(input: &LintInput<'_>, is_cloudtrail: bool, faults: &mut Diagnostics) {
    let is_once = |field: &str| once::is_once(field, is_cloudtrail);
    let terms: Vec<WrittenQuery> = input.new_terms.iter().filter_map(is_there).collect();
    for conflict in conflicts(input.parts, &terms, &is_once) {
        let part = input.parts.get(conflict.at).map_or(0..0, |part| part.span.clone());
        let term = input.new_terms.get(conflict.at);
        let (message, help, place) = match (conflict.goals.get(conflict.at), conflict.outcome) {
            (Some(goal), _) => {
                let (message, help) = words(input, &conflict, &is_once);
                (message, help, place(input, goal))
            }
            (None, Outcome::AllExcepted) => (
                "every event that can alert meets this exception".to_owned(),
                "let the exception say which of them are harmless".to_owned(),
                part,
            ),
            (None, Outcome::RestExcepted) => (
                "every event that can alert meets this exception or one before it".to_owned(),
                "let the exceptions say which of them are harmless".to_owned(),
                part,
            ),
            (None, Outcome::NoTerm) => (
                format!(
                    "no event that the rule matches has `{}`",
                    term.map_or("", |term| term.value)
                ),
                "a term has a value in each new-terms field: see which condition leaves it out"
                    .to_owned(),
                term.map_or(0..0, |term| term.span.clone()),
            ),
            (None, _) => (
                "the `not` is over every event".to_owned(),
                "remove the `not`, or say what it is about".to_owned(),
                part,
            ),
        };
        let label = match (conflict.outcome, conflict.others) {
            (Outcome::NeverMatches, _) => "so the rule matches no event".to_owned(),
            (Outcome::DeadBranch, 0) => "so this alternative matches no event".to_owned(),
            (Outcome::DeadBranch, more) => {
                format!("so this alternative matches no event, nor do {more} beside it")
            }
            // The message says so.
            (Outcome::AlwaysTrue, _) => String::new(),
            (Outcome::NothingExcepted, _) => "so the exception leaves out no event".to_owned(),
            (Outcome::AllExcepted | Outcome::RestExcepted | Outcome::NoTerm, _) => {
                "so the rule never alerts".to_owned()
            }
        };
        faults.warn("contradiction", &place, message).label(label).help(help);
    }
}

/// That an event has a new-terms field.
fn is_there(field: &At<&str>) -> Option<WrittenQuery> {
    let clause = firstseen_kql::exists(field.value);
    let place = [field.span.clone(), field.span.clone()];
    WrittenValue::of_clause(&clause, "*".to_owned(), ValueForm::Exists, place)
        .map(WrittenQuery::Value)
}

/// All that is told.
fn conflicts<'q>(
    parts: &'q [WrittenPart],
    terms: &'q [WrittenQuery],
    is_once: &dyn Fn(&str) -> bool,
) -> Vec<Conflict<'q>> {
    let mut of_rule = Vec::new();
    let mut exceptions = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        match part.kind {
            PartKind::Query => of_rule.push(Goal::of(&part.written, at, false)),
            PartKind::Filter { negated } => of_rule.push(Goal::of(&part.written, at, negated)),
            PartKind::Exception { ends } => {
                exceptions.push((at, ends, Goal::of(&part.written, at, false)));
            }
        }
    }
    let mut walk = Walk { search: GoalSearch::new(is_once), out: Vec::new() };
    let rule = Goal::All(of_rule);
    if !walk.search.may_meet_alone(&[&rule]) {
        let mut conjuncts = Vec::new();
        rule.conjuncts(&mut conjuncts);
        walk.tell(conjuncts, None, Outcome::NeverMatches);
        if walk.out.is_empty() {
            // `not *`: nothing to show but the query.
            walk.out.push(Conflict {
                goals: Vec::new(),
                at: 0,
                outcome: Outcome::NeverMatches,
                others: 0,
            });
        }
        return walk.out;
    }
    walk.branches(&rule, &mut Vec::new(), &mut Vec::new());
    walk.tautologies(&rule);
    for (at, term) in terms.iter().enumerate() {
        if !walk.search.may_meet_alone(&[&Goal::of(term, 0, false), &rule]) {
            walk.out.push(Conflict { goals: Vec::new(), at, outcome: Outcome::NoTerm, others: 0 });
        }
    }
    // What can alert: a match with its terms.
    let of_terms: Vec<_> = terms.iter().map(|term| Goal::of(term, 0, false)).collect();
    let alerting: Vec<&Goal<'_>> = of_terms.iter().chain([&rule]).collect();
    let can_alert = walk.search.may_meet_alone(&alerting);
    let mut left_in: Vec<Goal<'_>> = Vec::new();
    for (at, ends, exception) in &exceptions {
        if !ends && can_alert {
            let opposite = exception.opposite();
            let mut goals: Vec<&Goal<'_>> = alerting.iter().copied().chain([&opposite]).collect();
            let mut outcome = None;
            if !walk.search.may_meet_alone(&goals) {
                outcome = Some(Outcome::AllExcepted);
            } else {
                goals.extend(&left_in);
                if !walk.search.may_meet_alone(&goals) {
                    outcome = Some(Outcome::RestExcepted);
                }
            }
            match outcome {
                None => left_in.push(opposite),
                Some(outcome) => {
                    walk.out.push(Conflict { goals: Vec::new(), at: *at, outcome, others: 0 });
                }
            }
        }
        if !walk.search.may_meet_alone(&[exception, &rule]) {
            let mut conjuncts = Vec::new();
            rule.conjuncts(&mut conjuncts);
            exception.conjuncts(&mut conjuncts);
            walk.tell(conjuncts, Some(exception), Outcome::NothingExcepted);
        }
    }
    walk.out
}

/// A walk over a rule's conditions.
struct Walk<'q, 's> {
    search: GoalSearch<'q, 's>,
    out: Vec<Conflict<'q>>,
}

impl<'q> Walk<'q, '_> {
    /// Tells of alternatives that no event meets beside what is around them: `leaves` is assumed,
    /// `open` are other alternatives.
    fn branches<'p>(
        &mut self,
        goal: &'p Goal<'q>,
        leaves: &mut Vec<&'p Goal<'q>>,
        open: &mut Vec<&'p Goal<'q>>,
    ) {
        let (mark, before, opened) = (self.search.mark(), leaves.len(), open.len());
        let mut conjuncts = Vec::new();
        goal.conjuncts(&mut conjuncts);
        let (single, several): (Vec<_>, Vec<_>) =
            conjuncts.into_iter().partition(|goal| matches!(goal, Goal::One(_)));
        for one in single {
            leaves.push(one);
            if let Goal::One(leaf) = one {
                self.search.assume(*leaf);
            }
        }
        for (at, any) in several.iter().enumerate() {
            let Goal::Any(items, is_written) = any else { continue };
            let others = several.iter().enumerate().filter(|(other, _)| *other != at);
            open.extend(others.map(|(_, goal)| *goal));
            let mut told = None;
            for item in items {
                let goals = open.iter().copied().chain([item]).collect();
                if self.search.may_meet(goals, 0) {
                    self.branches(item, leaves, open);
                } else if !is_written {
                    // `A and not (A and B)`: what is beside it makes a part of the `not` needless, no more.
                } else if let Some(told) = told {
                    let conflict: Option<&mut Conflict<'_>> = self.out.get_mut(told);
                    conflict.into_iter().for_each(|conflict| conflict.others += 1);
                } else {
                    told = Some(self.out.len());
                    let mut conjuncts: Vec<_> = leaves.iter().chain(&*open).copied().collect();
                    item.conjuncts(&mut conjuncts);
                    self.tell(conjuncts, Some(item), Outcome::DeadBranch);
                }
            }
            open.truncate(opened);
        }
        leaves.truncate(before);
        self.search.back_to(mark);
    }

    /// Tells of alternatives of which every event meets one.
    fn tautologies(&mut self, goal: &Goal<'q>) {
        match goal {
            Goal::One(_) => {}
            Goal::All(items) => items.iter().for_each(|item| self.tautologies(item)),
            Goal::Any(items, _) => {
                let opposite = goal.opposite();
                if items.len() > 1 && !self.search.may_meet_alone(&[&opposite]) {
                    let mut conjuncts = Vec::new();
                    opposite.conjuncts(&mut conjuncts);
                    self.tell(conjuncts, None, Outcome::AlwaysTrue);
                } else {
                    items.iter().for_each(|item| self.tautologies(item));
                }
            }
        }
    }

    /// Keeps what shows the conflict. The place is in `within`, if that is a part of it.
    fn tell(&mut self, mut all: Vec<&Goal<'q>>, within: Option<&Goal<'q>>, outcome: Outcome) {
        for _ in 0..TOLD {
            if all.is_empty() || self.search.may_meet_alone(&all) {
                break;
            }
            let mut core = self.core(&all);
            all.retain(|goal| !core.iter().any(|one| std::ptr::eq(*one, *goal)));
            // In the order of the text.
            core.sort_by_key(|goal| first(goal));
            let inside = |goal: &Goal<'q>| {
                let places = within.map(Goal::leaves).unwrap_or_default();
                let own = goal.leaves();
                own.iter().any(|leaf| places.iter().any(|other| same(leaf, other)))
            };
            let last = core.len().saturating_sub(1);
            let at = core.iter().rposition(|goal| inside(goal)).unwrap_or(last);
            if core.iter().any(|goal| !goal.leaves().is_empty()) {
                let goals = core.into_iter().cloned().collect();
                self.out.push(Conflict { goals, at, outcome, others: 0 });
            }
        }
    }

    /// As few of them as no event meets.
    fn core<'p>(&mut self, all: &[&'p Goal<'q>]) -> Vec<&'p Goal<'q>> {
        // Mostly it is about one field.
        let mut core = all.to_vec();
        for goal in all {
            let Goal::One(leaf) = goal else { continue };
            let same = |goal: &&&Goal<'_>| matches!(goal, Goal::One(one) if one.value.field == leaf.value.field);
            let some: Vec<_> = all.iter().filter(same).copied().collect();
            if some.len() < core.len() && !self.search.may_meet_alone(&some) {
                core = some;
                break;
            }
        }
        for at in (0..core.len()).rev() {
            let mut fewer = core.clone();
            fewer.remove(at);
            if !self.search.may_meet_alone(&fewer) {
                core = fewer;
            }
        }
        core
    }
}

/// Where a condition begins.
fn first(goal: &Goal<'_>) -> (usize, usize) {
    goal.leaves().first().map_or((0, 0), |leaf| (leaf.query, leaf.value.span.start))
}

fn same(one: &GoalLeaf<'_>, other: &GoalLeaf<'_>) -> bool {
    std::ptr::eq(one.value, other.value)
}

/// The place of a condition: its values, from the first to the last.
fn place(input: &LintInput<'_>, goal: &Goal<'_>) -> Range<usize> {
    let leaves = goal.leaves();
    let (Some(first), Some(last)) = (leaves.first(), leaves.last()) else { return 0..0 };
    let Some(part) = input.parts.get(first.query) else { return 0..0 };
    let (begin, end) =
        (part.place(input.text, &first.value.span), part.place(input.text, &last.value.span));
    begin.start..end.end.max(begin.end)
}

/// A condition as it is written.
fn written<'i>(input: &'i LintInput<'_>, goal: &Goal<'i>) -> String {
    let leaves = goal.leaves();
    if let [leaf] = leaves.as_slice()
        && let Some(part) = input.parts.get(leaf.query)
    {
        let symbol = leaf.value.test.comparison().map(|comparison| match comparison {
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::Greater => ">",
            Comparison::AtLeast => ">=",
        });
        let source = part.source(leaf.value);
        return symbol.map_or_else(|| source.to_owned(), |symbol| format!("{symbol} {source}"));
    }
    let text = input.text.get(place(input, goal)).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The message and the help.
fn words(
    input: &LintInput<'_>,
    conflict: &Conflict<'_>,
    is_once: &dyn Fn(&str) -> bool,
) -> (String, String) {
    let shown: Vec<String> =
        conflict.goals.iter().map(|goal| short(&written(input, goal))).collect();
    let leaves: Vec<GoalLeaf<'_>> = conflict.goals.iter().flat_map(Goal::leaves).collect();
    let field = leaves.first().map(|leaf| leaf.value.field.as_str()).unwrap_or_default();
    let one_field = leaves.iter().all(|leaf| leaf.value.field == field);
    let single = conflict.goals.iter().all(|goal| matches!(goal, Goal::One(_)));
    let is_refused = |at: usize| leaves.get(at).is_some_and(|leaf| leaf.is_refused);
    let always = conflict.outcome == Outcome::AlwaysTrue;
    match (shown.as_slice(), single) {
        ([one], true) if !is_refused(0) => (
            format!("no value of a field is `{one}`"),
            format!("events without the field are `not {}: *`", short(field)),
        ),
        ([one, other], true) if !is_refused(0) && !is_refused(1) && always => (
            format!("no event has both `{one}` and `{other}`: one `not` is always true"),
            format!("write `not {}: ({one} or {other})`", short(field)),
        ),
        ([one, other], true) if !is_refused(0) && !is_refused(1) && is_once(field) => (
            format!("no event has both `{one}` and `{other}`"),
            format!("`{}` has one value: write `or` between them", short(field)),
        ),
        ([one, other], true) if is_refused(0) != is_refused(1) => {
            let (asked, refused) = if is_refused(0) { (other, one) } else { (one, other) };
            let message = if always {
                format!("this is true of every event: it has `{refused}`, or it has not `{asked}`")
            } else {
                format!("`not {refused}` leaves out all that `{asked}` finds")
            };
            (message, format!("both are about `{}`: remove one of them", short(field)))
        }
        _ => {
            let all = shown.iter().take(4).map(|text| format!("`{text}`")).collect::<Vec<_>>();
            let all = all.join(", ");
            let message = if always {
                format!("this is true of every event: none fails all of it, {all}")
            } else {
                format!("no event meets all of these: {all}")
            };
            let help = if one_field && is_once(field) {
                format!("`{}` has one value, and none meets them", short(field))
            } else {
                "remove one of them, or join them with `or`".to_owned()
            };
            (message, help)
        }
    }
}

#[cfg(test)]
mod tests;
