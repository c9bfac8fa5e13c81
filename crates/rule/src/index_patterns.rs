//! Which indices a rule is about, by its index patterns.
//!
//! In: the patterns, and the index that a document names. Out: whether they cover it. It reads no
//! document; one that names no index is not for it.

use alloc::string::String;
use alloc::vec::Vec;
use firstseen_event::{IndexName, StatedIndex};
use firstseen_value::Glob;

/// The index patterns of a rule, in order.
#[derive(Debug, Default)]
pub struct IndexPatterns(Vec<IndexPattern>);

#[derive(Debug)]
struct IndexPattern {
    /// Takes out what the patterns before it cover.
    excludes: bool,
    /// Of `CLUSTER:NAME`.
    cluster: Option<Glob>,
    name: Glob,
}

impl IndexPatterns {
    /// Reads patterns: `NAME`, `-NAME`, `CLUSTER:NAME`, in which `*` stands for any characters. As in
    /// Elasticsearch a `-` excludes only behind a pattern with a star; before it is part of a name.
    #[must_use]
    pub fn new(patterns: &[String]) -> Self {
        let mut has_star = false;
        let one = |text: &String| {
            let (cluster, name) = match text.split_once(':') {
                Some((cluster, name)) => (Some(cluster), name),
                None => (None, text.as_str()),
            };
            let mut excludes = false;
            let mut glob = |text: &str| match text.strip_prefix('-').filter(|_| has_star) {
                Some(rest) => {
                    excludes = true;
                    Glob::parse(rest)
                }
                None => Glob::parse(text),
            };
            let (cluster, name) = (cluster.map(&mut glob), glob(name));
            has_star |= text.contains('*');
            IndexPattern { excludes, cluster, name }
        };
        Self(patterns.iter().map(one).collect())
    }

    /// Whether there are none, so that all indices are covered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an index is covered: the last pattern that matches its name says so.
    #[must_use]
    pub fn cover(&self, index: &StatedIndex) -> bool {
        let name = IndexName::of(&index.name);
        let last = self.0.iter().rfind(|pattern| pattern.matches(&name, index.is_stream));
        last.is_some_and(|pattern| !pattern.excludes)
    }
}

impl IndexPattern {
    fn matches(&self, name: &IndexName<'_>, is_stream: bool) -> bool {
        let in_cluster = match (&self.cluster, name.cluster) {
            (None, _) => true,
            (Some(pattern), Some(cluster)) => pattern.matches(cluster),
            // Where the cluster is not known, nothing is left out for it.
            (Some(_), None) => is_stream && !self.excludes,
        };
        in_cluster && (self.name.matches(name.bare) || self.name.matches(name.full))
    }
}

#[cfg(test)]
mod tests;
