//! The clauses of a rule's query with their spans in the file, for coverage.
//!
//! In: the text of a rule.toml. Out: one entry for each truth that `explain` gives, in its order.
//! A plan holds no spans: they are only useful together with the file.

use super::diagnostic::Diagnostic;
use super::position;
use super::read::{ReadOptions, read};
use std::ops::Range;
use toml::de::DeTable;

/// A clause of a rule's query, or of its filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedClause {
    /// Its normalised text.
    pub text: String,
    /// Its span in bytes of the file. `None` for a clause of the rule's filters.
    pub span: Option<Range<usize>>,
}

/// The clauses of a rule, those of its filters last.
///
/// # Errors
/// As [`read`].
pub fn clauses(toml: &str) -> Result<Vec<PlacedClause>, Vec<Diagnostic>> {
    let rule = read(toml, &ReadOptions::default())?;
    let mut spans = spans(toml).unwrap_or_default().into_iter();
    let texts = rule.plan.query.clauses().into_iter();
    Ok(texts.map(|text| PlacedClause { text, span: spans.next().flatten() }).collect())
}

/// The spans of the query's own clauses; one is missing if the string of the parser cannot be traced
/// back to the file.
fn spans(toml: &str) -> Option<Vec<Option<Range<usize>>>> {
    let (document, _) = DeTable::parse_recoverable(toml);
    let query = document.get_ref().get("rule")?.get_ref().as_table()?.get("query")?;
    let value = query.get_ref().as_str()?;
    let place = |at| position::place(toml, &query.span(), value, at);
    let spans = firstseen_kql::spans(value).ok()?;
    Some(spans.into_iter().map(|span| Some(place(span.start)?..place(span.end)?)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(query: &str) -> String {
        format!(
            "[rule]\nrule_id = 'a'\nname = 'a'\ntype = 'new_terms'\nlanguage = 'kuery'\n\
             description = 'a'\nseverity = 'low'\nrisk_score = 1\nquery = {query}\n\
             [rule.new_terms]\nfield = 'new_terms_fields'\nvalue = ['user.name']\n\
             [[rule.new_terms.history_window_start]]\nfield = 'history_window_start'\n\
             value = 'now-7d'\n"
        )
    }

    #[test]
    fn a_clause_has_its_span_however_the_query_is_written() {
        for query in [
            "'''\nevent.action: (\"a b\" or c) and not user.name: d*\n'''",
            "\"\"\"event.action: (\\\"a b\\\" or \\\n   c) and\\tnot user.name: d*\"\"\"",
        ] {
            let toml = rule(query);
            let clauses = clauses(&toml).unwrap();
            let places = clauses.iter().map(|c| toml.get(c.span.clone().unwrap()).unwrap());
            let places: Vec<_> = places.map(|place| place.replace('\\', "")).collect();
            assert_eq!(places, ["\"a b\"", "c", "user.name: d*"], "{query}");
            assert_eq!(clauses[1].text, "event.action: c");
        }
    }

    #[test]
    fn filters_have_no_span() {
        let mut toml = rule("'a: b'");
        toml.push_str(
            "[[rule.filters]]\n[rule.filters.meta]\nnegate = true\n\
             [rule.filters.query.wildcard.c]\nvalue = 'd?'\n",
        );
        let clauses = clauses(&toml).unwrap();
        assert_eq!(clauses.len(), 2);
        assert!(clauses[0].span.is_some() && clauses[1].span.is_none());
        assert_eq!(clauses[1].text, "c: /d?/");
    }
}
