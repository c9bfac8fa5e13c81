//! The literals of many rules searched at once: an event in, the artifacts that it may matter to
//! out.
//!
//! It answers what a [`Prefilter`](crate::Prefilter) for each artifact would answer, at a cost that
//! hardly grows with their number: of each rule the rarest clause is searched for, all of these
//! together in one pass over the event, and a rule's other clauses only where that one is found. It
//! is native code's: a module has no instructions that would make it quick.
//!
//! ```text
//!   rule                      key             event: .."DeleteTrail".."iam.amazonaws.com"..
//!   0  DeleteTrail, cloudtrail   DeleteTrail     found -> rule 0 -> `cloudtrail`? no
//!   1  PutUserPolicy, iam        Policy          not found: rules 1 and 2 were never looked at
//!   2  Policy, success
//! ```

use crate::bits::BitSet;
use crate::prefilter::{is_usable, rarity};
use aho_corasick::{AhoCorasick, Input, packed};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use memchr::memmem::Finder;

/// Keys that one vector search takes. It compares by the first bytes of its patterns, so that fewer
/// and similar ones make it quicker: 64 of them 5 GB/s, 114 of them 1.8.
const GROUP: usize = 64;
/// Beyond so many groups one automaton is as quick (0.4 GB/s), however many keys it has.
const MAX_GROUPS: usize = 8;

/// The required literals of all rules of all artifacts.
#[derive(Debug)]
pub struct LiteralSearch {
    artifacts: usize,
    /// Artifacts with a rule that promises no literal: every event may matter to them.
    always: BitSet,
    /// Artifacts with a literal that holds a slash, which JSON may write as `\/`.
    slashed: BitSet,
    groups: Vec<KeyGroup>,
    /// The rules that each key leads to.
    keys: Vec<Vec<Suspect>>,
    /// Clauses that are looked for where a key is found: of each, its literals.
    clauses: Vec<Vec<usize>>,
    /// What is looked for where a key is found, each once.
    literals: Vec<Finder<'static>>,
    escaped_spelling: Finder<'static>,
    slash: Finder<'static>,
}

/// Some keys, the first of which has this number.
#[derive(Debug)]
struct KeyGroup {
    first: usize,
    searcher: Searcher,
}

#[derive(Debug)]
enum Searcher {
    Vector(Box<packed::Searcher>),
    Automaton(AhoCorasick),
}

/// A rule of which a key was found.
#[derive(Debug, PartialEq, Eq)]
struct Suspect {
    artifact: usize,
    /// The clauses that are still to be found, in the table of all: of each, one of the literals.
    clauses: Vec<usize>,
}

/// What was found in one event, and working memory; reused from event to event.
#[derive(Debug, Default)]
pub struct SearchHits {
    /// The artifacts that the event may matter to.
    pub artifacts: BitSet,
    keys: BitSet,
    looked: BitSet,
    held: BitSet,
}

impl LiteralSearch {
    /// For each artifact its rules, for each rule its clauses, for each clause its literals. An
    /// event may matter to an artifact if of one of its rules all clauses have a literal in it.
    #[must_use]
    pub fn new(artifacts: &[Vec<Vec<Vec<String>>>]) -> Self {
        let (mut always, mut slashed) = (BitSet::default(), BitSet::default());
        let mut rules: Vec<(usize, Vec<&Vec<String>>)> = Vec::new();
        for (artifact, of_artifact) in artifacts.iter().enumerate() {
            for clauses in of_artifact {
                let mut usable: Vec<_> =
                    clauses.iter().filter(|clause| is_usable(clause)).collect();
                usable.sort_by_key(|clause| core::cmp::Reverse(rarity(clause)));
                if usable.iter().copied().flatten().any(|literal| literal.contains('/')) {
                    slashed.insert(artifact);
                }
                if usable.is_empty() {
                    always.insert(artifact);
                }
                rules.push((artifact, usable));
            }
        }
        // An event that goes to an artifact anyway need not be searched for it.
        rules.retain(|(artifact, _)| !always.has(*artifact));
        let keys = keys(rules.iter().filter_map(|(_, clauses)| clauses.first().copied()).flatten());
        let mut literals = Numbered::default();
        let mut suspects: Vec<Vec<Suspect>> = keys.texts.iter().map(|_| Vec::new()).collect();
        let mut table: Vec<Vec<usize>> = Vec::new();
        for (artifact, clauses) in &rules {
            let Some((key, others)) = clauses.split_first() else { continue };
            let others: Vec<usize> =
                others.iter().map(|clause| literals.place(clause, &mut table)).collect();
            // Each clause is in the table once, however many literals lead to it.
            let mut of_key = None;
            for literal in *key {
                let Some(number) = keys.number_of(literal) else { continue };
                // A key that is only a part of the literal does not prove it.
                let whole = keys.texts.get(number) == Some(&literal.as_str());
                let mut place = || *of_key.get_or_insert_with(|| literals.place(key, &mut table));
                let key = (!whole).then(&mut place);
                let clauses: Vec<usize> = key.into_iter().chain(others.iter().copied()).collect();
                let suspect = Suspect { artifact: *artifact, clauses };
                if let Some(suspects) = suspects.get_mut(number)
                    && suspects.last() != Some(&suspect)
                {
                    suspects.push(suspect);
                }
            }
        }
        let finder = |text: &&str| Finder::new(text.as_bytes()).into_owned();
        Self {
            artifacts: artifacts.len(),
            always,
            slashed,
            groups: groups(&keys.texts),
            keys: suspects,
            clauses: table,
            literals: literals.texts.iter().map(finder).collect(),
            escaped_spelling: Finder::new(br"\u00").into_owned(),
            slash: Finder::new(br"\/").into_owned(),
        }
    }

    /// Whether every event goes to every artifact.
    #[must_use]
    pub fn passes_all(&self) -> bool {
        (0..self.artifacts).all(|artifact| self.always.has(artifact))
    }

    /// Whether a literal holds a slash, which JSON may write as `\/`.
    #[must_use]
    pub fn has_slash(&self) -> bool {
        !self.slashed.is_empty()
    }

    /// Finds the artifacts that an event may matter to; whether there are any. `backslash` says
    /// whether one is in the event: it can hide a literal.
    pub fn find(&self, event: &[u8], backslash: bool, found: &mut SearchHits) -> bool {
        found.artifacts.copy(&self.always);
        if backslash && self.escaped_spelling.find(event).is_some() {
            (0..self.artifacts).for_each(|artifact| _ = found.artifacts.insert(artifact));
            return self.artifacts > 0;
        }
        if backslash && !self.slashed.is_empty() && self.slash.find(event).is_some() {
            found.artifacts.add_all(&self.slashed);
        }
        found.keys.clear();
        found.looked.clear();
        found.held.clear();
        for group in &self.groups {
            let mut from = 0;
            // From the next byte on, not from the end of the key: keys may overlap.
            while let Some((key, start)) = group.next(event, from) {
                from = start + 1;
                if found.keys.insert(key) && self.confirm(event, key, found) {
                    return true;
                }
            }
        }
        !found.artifacts.is_empty()
    }

    /// Looks for the rest of the rules that a key leads to; whether there is no more to find.
    fn confirm(&self, event: &[u8], key: usize, found: &mut SearchHits) -> bool {
        for suspect in self.keys.get(key).into_iter().flatten() {
            if found.artifacts.has(suspect.artifact) {
                continue;
            }
            let holds =
                |literal: &usize, found: &mut SearchHits| self.holds(event, *literal, found);
            let mut clauses = suspect.clauses.iter().filter_map(|at| self.clauses.get(*at));
            if clauses.all(|clause| clause.iter().any(|literal| holds(literal, found))) {
                found.artifacts.insert(suspect.artifact);
                if self.artifacts == 1 {
                    return true;
                }
            }
        }
        false
    }

    /// Whether a literal is in the event, which is searched for it once.
    fn holds(&self, event: &[u8], literal: usize, found: &mut SearchHits) -> bool {
        if found.looked.insert(literal) {
            let finder = self.literals.get(literal);
            if finder.is_some_and(|finder| finder.find(event).is_some()) {
                found.held.insert(literal);
            }
        }
        found.held.has(literal)
    }
}

impl KeyGroup {
    /// The first key that begins at or after a place, and where.
    #[inline]
    fn next(&self, event: &[u8], from: usize) -> Option<(usize, usize)> {
        let (pattern, start) = match &self.searcher {
            Searcher::Vector(searcher) => {
                let found = searcher.find_in(event, (from..event.len()).into())?;
                (found.pattern(), found.start())
            }
            Searcher::Automaton(automaton) => {
                let found = automaton.find(Input::new(event).range(from..))?;
                (found.pattern(), found.start())
            }
        };
        Some((self.first + pattern.as_usize(), start))
    }
}

/// Texts, each with a number.
#[derive(Default)]
struct Numbered<'l> {
    texts: Vec<&'l str>,
    numbers: BTreeMap<&'l str, usize>,
}

impl<'l> Numbered<'l> {
    fn of(&mut self, clause: &'l [String]) -> Vec<usize> {
        clause.iter().map(|literal| self.add(literal)).collect()
    }

    /// Puts a clause into a table of all; its place.
    fn place(&mut self, clause: &'l [String], table: &mut Vec<Vec<usize>>) -> usize {
        table.push(self.of(clause));
        table.len().saturating_sub(1)
    }

    fn add(&mut self, text: &'l str) -> usize {
        *self.numbers.entry(text).or_insert_with(|| {
            self.texts.push(text);
            self.texts.len() - 1
        })
    }

    fn number_of(&self, text: &str) -> Option<usize> {
        self.numbers.get(text).copied()
    }
}

/// The keys for these literals: in order, and none that holds another one, so that no two of them
/// begin at one place. A literal goes by the number of the shortest key that it holds.
fn keys<'l>(literals: impl Iterator<Item = &'l String>) -> Numbered<'l> {
    let mut all: Vec<&str> = literals.map(String::as_str).collect();
    all.sort_unstable();
    all.dedup();
    let shortest: Vec<&str> = match AhoCorasick::new(&all) {
        Ok(automaton) => {
            let within = |text: &&'l str| {
                let inner = automaton.find_overlapping_iter(*text);
                let inner = inner.filter_map(|found| all.get(found.pattern().as_usize()).copied());
                inner.min_by_key(|inner| inner.len()).unwrap_or(text)
            };
            all.iter().map(within).collect()
        }
        // Too many to search for at once: each is looked for by itself.
        Err(_) => all.clone(),
    };
    let mut keys = Numbered::default();
    for (text, shortest) in all.iter().zip(&shortest) {
        if text == shortest {
            keys.add(text);
        }
    }
    for (text, shortest) in all.into_iter().zip(shortest) {
        if let Some(number) = keys.number_of(shortest) {
            keys.numbers.insert(text, number);
        }
    }
    keys
}

fn groups(keys: &[&str]) -> Vec<KeyGroup> {
    if keys.is_empty() {
        return Vec::new();
    }
    if keys.len() <= GROUP * MAX_GROUPS {
        let vector = |(number, part): (usize, &[&str])| {
            let searcher = packed::Config::new()
                .heuristic_pattern_limits(false)
                .builder()
                .extend(part.iter().map(|key| key.as_bytes()))
                .build()?;
            Some(KeyGroup { first: number * GROUP, searcher: Searcher::Vector(Box::new(searcher)) })
        };
        // None on a machine without the instructions.
        if let Some(groups) = keys.chunks(GROUP).enumerate().map(vector).collect() {
            return groups;
        }
    }
    AhoCorasick::new(keys)
        .map(|automaton| KeyGroup { first: 0, searcher: Searcher::Automaton(automaton) })
        .into_iter()
        .collect()
}
