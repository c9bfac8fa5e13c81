//! Which events are worth a call of `keys`, and for which artifacts.
//!
//! In: the required literals that the artifacts declare; then events. Out: whether an event may
//! match a rule, and of which artifacts. What is left out cannot match.

use firstseen_event::{BitSet, LiteralSearch, Prefilter, SearchHits};
use firstseen_runtime::Artifact;
use std::sync::Arc;

/// Up to so many literals of one artifact, searching for one after the other is quickest, as that
/// goes over many lines at once.
const FEW: usize = 8;

/// The search, chosen for the artifacts of a run.
pub struct Prefiltering {
    search: Arc<Kind>,
    artifact_count: usize,
    found: SearchHits,
}

enum Kind {
    /// There is nothing to search for.
    Everything,
    /// One artifact, few literals.
    Lines(Box<Prefilter>),
    /// All artifacts at once, event by event.
    Events(Box<LiteralSearch>),
}

impl Prefiltering {
    /// A prefilter for these artifacts.
    #[must_use]
    pub fn new(artifacts: &[Artifact]) -> Self {
        let of_artifact = |artifact: &Artifact| -> Vec<_> {
            artifact.meta.rules.iter().map(|rule| rule.literals.clone()).collect()
        };
        Self::of(&artifacts.iter().map(of_artifact).collect::<Vec<_>>())
    }

    /// A prefilter for these literals: of each artifact, of each rule, its clauses.
    pub(crate) fn of(artifacts: &[Vec<Vec<Vec<String>>>]) -> Self {
        let count = |rules: &[Vec<Vec<String>>]| rules.iter().flatten().flatten().count();
        let search = match artifacts {
            [rules] if count(rules) <= FEW => {
                let prefilter = Prefilter::new(rules);
                if prefilter.passes_all() {
                    Kind::Everything
                } else {
                    Kind::Lines(Box::new(prefilter))
                }
            }
            _ => {
                let search = LiteralSearch::new(artifacts);
                if search.passes_all() { Kind::Everything } else { Kind::Events(Box::new(search)) }
            }
        };
        Self::with(Arc::new(search), artifacts.len())
    }

    fn with(search: Arc<Kind>, artifact_count: usize) -> Self {
        let mut found = SearchHits::default();
        (0..artifact_count).for_each(|artifact| _ = found.artifacts.insert(artifact));
        Self { search, artifact_count, found }
    }

    /// One that searches for the same, in another thread.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self::with(Arc::clone(&self.search), self.artifact_count)
    }

    /// Whether every event may match a rule of every artifact.
    #[must_use]
    pub fn passes_all(&self) -> bool {
        matches!(*self.search, Kind::Everything)
    }

    /// Whether `\/` may hide a literal, as one holds a slash.
    #[must_use]
    pub fn has_slash(&self) -> bool {
        match &*self.search {
            Kind::Everything => false,
            Kind::Lines(prefilter) => prefilter.has_slash(),
            Kind::Events(search) => search.has_slash(),
        }
    }

    /// The search that goes over many lines at once, where that is the way.
    #[must_use]
    pub fn over_lines(&self) -> Option<&Prefilter> {
        if let Kind::Lines(prefilter) = &*self.search { Some(prefilter) } else { None }
    }

    /// Whether an event may match; `backslash` says whether one is in it.
    pub fn passes(&mut self, event: &[u8], backslash: bool) -> bool {
        match &*self.search {
            Kind::Everything => true,
            Kind::Lines(prefilter) => prefilter.passes(event),
            Kind::Events(search) => search.find(event, backslash, &mut self.found),
        }
    }

    /// The artifacts that the event may matter to which passed last.
    #[must_use]
    pub fn artifacts(&self) -> &BitSet {
        &self.found.artifacts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefilter(artifacts: &[&[&[&str]]]) -> Prefiltering {
        let clause = |clause: &&[&str]| clause.iter().map(|text| (*text).to_owned()).collect();
        let artifact = |rules: &&[&[&str]]| rules.iter().map(|rule| vec![clause(rule)]).collect();
        Prefiltering::of(&artifacts.iter().map(artifact).collect::<Vec<_>>())
    }

    fn artifacts(prefilter: &mut Prefiltering, event: &str) -> Vec<usize> {
        let passes = prefilter.passes(event.as_bytes(), event.contains('\\'));
        if passes { prefilter.artifacts().iter().collect() } else { Vec::new() }
    }

    #[test]
    fn each_event_goes_where_it_may_matter() {
        let few = &mut prefilter(&[&[&["a1", "b1"]]]);
        assert!(few.over_lines().is_some() && !few.passes_all());
        assert_eq!(artifacts(few, "x b1"), [0]);
        assert!(artifacts(few, "x").is_empty());

        let many: &[&str] = &["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"];
        let many = &mut prefilter(&[&[many]]);
        assert!(many.over_lines().is_none() && !many.passes_all());
        assert_eq!(artifacts(many, "x a9"), [0]);
        assert!(artifacts(many, "x").is_empty());

        let two = &mut prefilter(&[&[&["a1"]], &[&["b1"], &["c1"]]]);
        assert!(two.over_lines().is_none() && !two.passes_all());
        assert_eq!(artifacts(two, "a1"), [0]);
        assert_eq!(artifacts(two, "c1"), [1]);
        assert_eq!(artifacts(two, "c1 a1"), [0, 1]);
        assert_eq!(artifacts(two, r"\u0041"), [0, 1]);
        assert!(artifacts(two, "x").is_empty());

        let one_of_two = &mut prefilter(&[&[&["a1"]], &[&[]]]);
        assert!(!one_of_two.passes_all());
        assert_eq!(artifacts(one_of_two, "x"), [1]);
        assert_eq!(artifacts(one_of_two, "a1"), [0, 1]);

        let all = &mut prefilter(&[&[&[]], &[&[]]]);
        assert!(all.passes_all());
        assert_eq!(artifacts(all, "x"), [0, 1]);
        assert!(prefilter(&[&[&[]]]).passes_all());
    }
}
