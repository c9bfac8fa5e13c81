//! Which events are worth a call of `keys`, and for which artifacts.
//!
//! In: the required literals that the artifacts declare; then events. Out: whether an event may
//! match a rule, and of which artifacts. What is left out cannot match.

use firstseen_event::{BitSet, LiteralSearch, Prefilter, SearchHits};
use firstseen_runtime::Artifact;
use std::sync::Arc;

/// Up to so many literals of one artifact that are searched for in every line, searching for one after the other is
/// quickest, as that goes over many lines at once.
const FEW: usize = 8;

/// What the search for the literals of a run may cost. An event in which one is found is searched for others of the rule,
/// and one literal is looked for within another to build it. So what counts is the square of a rule's literals, and that of
/// the length of each. A thousand rules with ten literals take a hundredth of it, one rule with a thousand a
/// sixteenth.
const MAX_COST: u64 = 64 << 20;
/// What a pair of literals of a rule costs, in pairs of bytes of one.
const PAIR_COST: u64 = 4;

/// Of the rules of an artifact the clauses of literals.
type ArtifactLiterals = Vec<Vec<Vec<String>>>;

/// What the literals of a rule cost.
fn cost(rule: &[Vec<String>]) -> u64 {
    let square = |n: usize| (n as u64).saturating_mul(n as u64);
    let literals = rule.iter().flatten();
    let lengths = literals.clone().map(|text| square(text.len())).fold(0, u64::saturating_add);
    lengths.saturating_add(square(literals.count()).saturating_mul(PAIR_COST))
}

/// The literals of each artifact, as far as they may be searched for together; and the artifacts whose literals are left
/// out, as they are too many. A literal is a hint: without it every event is given to the artifact, which is slower
/// and gives the same alerts. To refuse the artifact would lose them.
fn within_cost(artifacts: &[Artifact]) -> (Vec<ArtifactLiterals>, Vec<usize>) {
    let (mut all, mut left_out, mut sum) = (Vec::new(), Vec::new(), 0_u64);
    for (number, artifact) in artifacts.iter().enumerate() {
        let rules = &artifact.meta.rules;
        let more = rules.iter().map(|rule| cost(&rule.literals)).fold(sum, u64::saturating_add);
        if more > MAX_COST {
            left_out.push(number);
            all.push(vec![Vec::new()]);
        } else {
            sum = more;
            all.push(rules.iter().map(|rule| rule.literals.clone()).collect());
        }
    }
    (all, left_out)
}

/// What is to be said of artifacts whose literals are too many.
#[must_use]
pub fn too_many_literals(artifacts: &[Artifact]) -> Vec<String> {
    let (_, left_out) = within_cost(artifacts);
    let named = left_out.into_iter().filter_map(|number| artifacts.get(number));
    let literals = |artifact: &Artifact| {
        artifact.meta.rules.iter().flat_map(|rule| &rule.literals).map(Vec::len).sum::<usize>()
    };
    let told = named.map(|artifact| {
        format!(
            "rule {}: the {} texts that its metadata names are too many or too long to search events for; all \
             events are given to it, which takes longer",
            artifact.name,
            literals(artifact)
        )
    });
    told.collect()
}

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
        Self::of(&within_cost(artifacts).0)
    }

    /// A prefilter for these literals: of each artifact, of each rule, its clauses.
    pub(crate) fn of(artifacts: &[ArtifactLiterals]) -> Self {
        let one = if let [rules] = artifacts { Some(Prefilter::new(rules)) } else { None };
        let search = match one.filter(|prefilter| prefilter.searched() <= FEW) {
            Some(prefilter) if prefilter.passes_all() => Kind::Everything,
            Some(prefilter) => Kind::Lines(Box::new(prefilter)),
            None => {
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
    fn a_search_costs_what_its_products_say() {
        let literals = |n: usize, length: usize| vec![vec!["a".repeat(length); n]];
        assert_eq!(cost(&literals(10, 20)), 10 * 400 + 100 * PAIR_COST);
        assert!(cost(&literals(1_000, 20)) < MAX_COST && cost(&literals(20_000, 5)) > MAX_COST);
        assert!(1_000 * cost(&literals(10, 20)) < MAX_COST / 10);
        assert!(cost(&literals(1, 10_000)) > MAX_COST);
        let two = [literals(3, 1), literals(4, 1)].concat();
        assert_eq!(cost(&two), 7 + 49 * PAIR_COST, "of all clauses together");
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
