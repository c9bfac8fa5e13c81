//! Whether a rule is about CloudTrail's events.
//!
//! In: its index patterns, integration and query. Out: yes or no. What is nearest to the query
//! counts: a clause on the dataset, then the index patterns, then the integration; and where none
//! of them names anything, whether ECS or CloudTrail has all of its fields.

use super::forms::{DATASET, DATASETS, is_nearly_cloudtrail};
use super::known::KnownFields;
use super::pattern::matches;
use crate::source::facts::Facts;
use firstseen_kql::{ValueForm, WrittenQuery, WrittenValue};

/// A data stream as Elastic's agent names it.
const STREAM: &str = "logs-aws.cloudtrail-default";

/// What a part of a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    CloudTrail,
    Other,
    Nothing,
}

/// Whether the rule is CloudTrail's.
pub(super) fn is_cloudtrail<'q>(
    facts: &Facts,
    query: &WrittenQuery,
    mut fields: impl Iterator<Item = &'q str>,
    known: &KnownFields<'_>,
) -> bool {
    let integrations = facts.integration.iter().map(|name| match name.as_str() {
        "aws" | DATASET => Says::CloudTrail,
        _ => Says::Other,
    });
    let says = [
        all(datasets(query, false).into_iter()),
        all(facts.index.iter().map(|pattern| index(pattern))),
        all(integrations),
    ];
    match says.into_iter().find(|says| *says != Says::Nothing) {
        Some(says) => says == Says::CloudTrail,
        None => fields.all(|name| known.is_of_tables(name)),
    }
}

/// What several say together.
fn all(each: impl Iterator<Item = Says>) -> Says {
    each.filter(|says| *says != Says::Nothing).fold(Says::Nothing, |before, says| {
        if before == Says::Nothing || before == says { says } else { Says::Other }
    })
}

/// The clauses on the dataset that are not negated.
fn datasets(query: &WrittenQuery, negated: bool) -> Vec<Says> {
    match query {
        WrittenQuery::Everything => Vec::new(),
        WrittenQuery::Not(item) => datasets(item, !negated),
        WrittenQuery::And(items) | WrittenQuery::Or(items) => {
            items.iter().flat_map(|item| datasets(item, negated)).collect()
        }
        WrittenQuery::Value(_) if negated => Vec::new(),
        WrittenQuery::Value(leaf) => vec![dataset(leaf)],
    }
}

fn dataset(leaf: &WrittenValue) -> Says {
    let named = DATASETS.contains(&leaf.field.as_str());
    let is_pattern = leaf.form == ValueForm::Wildcard;
    match leaf.form {
        // Misspelled, which is told.
        _ if named && is_nearly_cloudtrail(&leaf.value, is_pattern) => Says::CloudTrail,
        ValueForm::Plain | ValueForm::Quoted if named && leaf.value == DATASET => Says::CloudTrail,
        ValueForm::Plain | ValueForm::Quoted if named => Says::Other,
        ValueForm::Wildcard if named && !matches(&leaf.value, DATASET) => Says::Other,
        _ => Says::Nothing,
    }
}

fn index(pattern: &str) -> Says {
    if pattern.contains("cloudtrail") {
        Says::CloudTrail
    } else if matches(pattern, STREAM) || pattern.starts_with("filebeat-") {
        Says::Nothing
    } else {
        Says::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(index: &[&str], integration: &[&str], query: &str) -> bool {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let facts =
            Facts { index: texts(index), integration: texts(integration), ..Facts::default() };
        let query = firstseen_kql::written(query).unwrap();
        let leaves = query.leaves();
        let fields = leaves.iter().map(|leaf| leaf.field.as_str());
        is_cloudtrail(&facts, &query, fields, &KnownFields { own: &[] })
    }

    #[test]
    fn dataset_then_index_then_integration_then_fields() {
        let any = "event.action: x";
        assert!(is(&[], &[], "event.dataset: aws.cloudtrail and okta.a: b"));
        assert!(is(&["logs-*"], &["okta"], "data_stream.dataset: \"aws.cloudtrail\""));
        assert!(!is(&["logs-aws.cloudtrail-*"], &["aws"], "event.dataset: aws.vpcflow"));
        assert!(!is(&[], &[], "event.dataset: (aws.cloudtrail or okta.system)"));
        assert!(is(&["filebeat-*", "logs-aws.cloudtrail-*"], &[], any));
        assert!(is(&["logs-aws.cloudtrail-*"], &[], "not event.dataset: aws.vpcflow"));
        assert!(!is(&["logs-aws.cloudtrail-*", "logs-okta*"], &["aws"], any));
        assert!(!is(&["logs-endpoint.events.*"], &[], any));
        assert!(is(&["logs-*", "filebeat-*"], &["aws"], any));
        assert!(!is(&["logs-*"], &["endpoint"], any));
        assert!(!is(&["logs-*"], &["aws", "okta"], any));
        assert!(is(&["logs-*"], &[], "event.action: x and process.name: y"));
        assert!(!is(&["logs-*"], &[], "event.action: x and company.field: y"));
        assert!(is(&["logs-aws*"], &[], "event.dataset: aws.*"));
        assert!(is(&["logs-*"], &["okta"], "event.dataset: AWS.CloudTrail and okta.a: b"));
    }
}
