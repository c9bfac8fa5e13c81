//! The words that depend on the data: who acted, and on what.
//!
//! In: an `event.dataset`. Out: the fields of its alerts that a person wants to see, with their
//! labels. This table and `missing.rs` are the only places of the host that know a dataset; a new one is
//! a new row.

/// What a person is shown of a dataset's alerts, beside the fields that every dataset has.
#[derive(Debug)]
pub(crate) struct Wording {
    dataset: &'static str,
    /// What kind of user it is; beside the name.
    pub(crate) user_kind: Option<&'static str>,
    /// The full name of who acted; below the name.
    pub(crate) user_full: Option<&'static str>,
    /// What stands in that full name before `role/session`.
    pub(crate) session_after: Option<&'static str>,
    /// What was acted on. The rows of the first field that an alert has are shown.
    pub(crate) objects: &'static [ObjectWording],
}

/// One kind of thing that was acted on.
#[derive(Debug)]
pub(crate) struct ObjectWording {
    /// A label and the field with its name.
    pub(crate) name: (&'static str, &'static str),
    /// More rows: a label, a field, and what is shown where the alert does not have it.
    pub(crate) rows: &'static [(&'static str, &'static str, Option<&'static str>)],
}

const NONE: Wording =
    Wording { dataset: "", user_kind: None, user_full: None, session_after: None, objects: &[] };

macro_rules! request {
    ($name:literal) => {
        concat!("aws.cloudtrail.flattened.request_parameters.", $name)
    };
}

/// CloudTrail keeps the address of a template, but not the text of one that was sent along.
const STACK_ROWS: &[(&str, &str, Option<&str>)] = &[
    ("template", request!("templateURL"), Some("inline, its text is not in the event")),
    ("role", request!("roleARN"), None),
    ("allows", request!("capabilities"), None),
];

const TABLE: &[Wording] = &[Wording {
    dataset: "aws.cloudtrail",
    user_kind: Some("aws.cloudtrail.user_identity.type"),
    user_full: Some("aws.cloudtrail.user_identity.arn"),
    // A role's name is not the person's; its session often is.
    session_after: Some(":assumed-role/"),
    objects: &[
        ObjectWording { name: ("stack", request!("stackName")), rows: STACK_ROWS },
        ObjectWording { name: ("stack set", request!("stackSetName")), rows: STACK_ROWS },
    ],
}];

/// The words for a dataset; none of its own where it is not in the table.
#[must_use]
pub(crate) fn of(dataset: Option<&str>) -> &'static Wording {
    TABLE.iter().find(|wording| Some(wording.dataset) == dataset).unwrap_or(&NONE)
}

/// The dataset of index patterns in the form of data streams, `logs-DATASET-*`, where all that name
/// one name the same. `patterns` are those of all rules of a run.
#[must_use]
pub fn shared_dataset<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Option<&'p str> {
    let dataset = |pattern: &'p str| {
        let (dataset, _) = pattern.strip_prefix("logs-")?.split_once('-')?;
        (!dataset.contains('*')).then_some(dataset)
    };
    let mut all = patterns.into_iter().filter_map(dataset);
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_is_known_where_all_patterns_agree() {
        for (patterns, dataset) in [
            (&["filebeat-*", "logs-aws.cloudtrail-*"][..], Some("aws.cloudtrail")),
            (&["logs-aws.cloudtrail-*", "logs-aws.cloudtrail-prod"], Some("aws.cloudtrail")),
            (&["logs-aws.cloudtrail-*", "logs-okta.system-*"], None),
            (&["logs-*", "logs-a*-x", "filebeat-*"], None),
            (&[], None),
        ] {
            assert_eq!(shared_dataset(patterns.iter().copied()), dataset, "{patterns:?}");
        }
    }

    #[test]
    fn a_dataset_that_is_not_in_the_table_has_no_words_of_its_own() {
        assert!(!of(Some("aws.cloudtrail")).objects.is_empty());
        for dataset in [None, Some(""), Some("okta.system")] {
            assert!(of(dataset).objects.is_empty());
        }
    }
}
