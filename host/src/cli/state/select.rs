//! Which rules and which terms of a state a command is about.
//!
//! In: options, untrusted names in a state. Out: the prefixes of keys that are meant, in order, and
//! whether a term is one of those meant. It changes nothing.

use super::row::TermRow;
use crate::escape::escaped;
use crate::rules::load::rule_metas;
use crate::state::PrefixRecord;
use crate::state::admin::StateAdmin;
use anyhow::bail;
use clap::Args;
use firstseen_artifact::RuleMeta;
use firstseen_rule::alert::rfc3339;
use firstseen_rule::learn::{LEARN, is_learn_key};
use firstseen_rule::term::{Term, TermKind};
use firstseen_rule::window::duration;
use firstseen_value::{Glob, parse_time_ms};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// Which rules.
#[derive(Debug, Clone, Args)]
pub struct RuleChoice {
    /// Only this rule, by its id, its name (`*` stands for any characters) or its file; may be
    /// repeated
    #[arg(long = "rule", value_name = "RULE")]
    pub rules: Vec<String>,
    /// Only the rules of this tenant
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
}

/// Which term, by all of its values.
#[derive(Debug, Clone, Args)]
pub struct TermChoice {
    /// A value of the term, in the order of the rule's new-terms fields; or FIELD=VALUE in any order
    #[arg(long = "term", value_name = "VALUE")]
    pub term: Vec<String>,
}

/// Which terms.
#[derive(Debug, Clone, Args)]
pub struct TermFilter {
    /// The term with these values
    #[command(flatten)]
    pub term: TermChoice,
    /// Only terms with such a value in this field (`*` stands for any characters); may be repeated
    #[arg(long = "where", value_name = "FIELD=PATTERN", value_parser = pattern)]
    pub values: Vec<(String, Glob)>,
    /// Only terms whose last sighting is at this time or later
    ///
    /// A time is 2026-12-01T00:00:00Z, or a length such as 10d before the newest sighting that the
    /// state has.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub seen_since: Option<TimeArg>,
    /// Only terms whose last sighting is before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub seen_before: Option<TimeArg>,
}

/// A time, or a length before the newest sighting of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeArg {
    /// Milliseconds since 1970.
    At(i64),
    /// Milliseconds.
    Before(i64),
}

pub(super) fn time(text: &str) -> Result<TimeArg, String> {
    if let Ok(length) = duration(text) {
        return Ok(TimeArg::Before(length));
    }
    parse_time_ms(text)
        .map(TimeArg::At)
        .ok_or_else(|| "give an RFC 3339 time, 2026-12-01T00:00:00Z, or a length, 10d".to_owned())
}

fn pattern(text: &str) -> Result<(String, Glob), String> {
    let (field, pattern) =
        text.split_once('=').ok_or("give a field and a pattern: user.name=ci-*")?;
    Ok((field.to_owned(), Glob::parse(pattern)))
}

/// The keys of a rule that begin alike, and what the state says of the rule.
#[derive(Debug, Clone)]
pub(super) struct StatePrefix {
    /// `TENANT:RULE_ID:FINGERPRINT:`.
    pub(super) prefix: String,
    pub(super) record: Option<PrefixRecord>,
    /// Whether the rule was under another prefix last.
    pub(super) is_older: bool,
}

impl StatePrefix {
    pub(super) fn tenant(&self) -> &str {
        self.prefix.split(':').next().unwrap_or_default()
    }

    pub(super) fn rule_id(&self) -> &str {
        let rest = self.prefix.split_once(':').map_or("", |(_, rest)| rest);
        rest.trim_end_matches(':').rsplit_once(':').map_or("", |(id, _)| id)
    }

    pub(super) fn fingerprint(&self) -> &str {
        self.prefix.trim_end_matches(':').rsplit(':').next().unwrap_or_default()
    }

    /// The rule's name, or its id where the state does not know it.
    pub(super) fn name(&self) -> &str {
        let name = self.record.as_ref().and_then(|record| record.name.as_deref());
        name.filter(|name| !name.is_empty()).unwrap_or_else(|| self.rule_id())
    }

    pub(super) fn fields(&self) -> &[String] {
        self.record.as_ref().map_or(&[], |record| &record.fields)
    }

    /// `TENANT:RULE_ID:`, which its other prefixes begin with too.
    pub(super) fn of_rule(&self) -> &str {
        let end = self.prefix.len() - self.fingerprint().len() - 1;
        self.prefix.get(..end).unwrap_or_default()
    }

    /// The first key behind all that begin with the prefix.
    pub(super) fn end(&self) -> Vec<u8> {
        after(&self.prefix)
    }

    pub(super) fn of(record: PrefixRecord) -> Self {
        Self { prefix: record.prefix.clone(), record: Some(record), is_older: false }
    }

    /// The term with these values.
    ///
    /// # Errors
    /// No term of the rule can have them: it has other fields, or another number of them.
    pub(super) fn term_of(&self, given: &[String]) -> anyhow::Result<Term> {
        let fields = self.fields();
        let values: Vec<&str> = match in_order(fields, given) {
            Some(values) => values,
            // Older states do not say what the fields are; nearly all are text.
            None if fields.is_empty() => given.iter().map(String::as_str).collect(),
            // A misspelled name must not become a part of a value that nobody has.
            None if fields.len() == given.len() && !given.iter().any(|g| names_a_field(g)) => {
                given.iter().map(String::as_str).collect()
            }
            None => {
                let fields: Vec<_> = fields.iter().map(|field| escaped(field)).collect();
                let shown: Vec<_> = given.iter().map(|given| escaped(given)).collect();
                bail!(
                    "--term: a term of {} has {} values, {}; {} given: {}; give the values in this \
                     order, or FIELD=VALUE for each",
                    escaped(self.name()),
                    fields.len(),
                    fields.join(" and "),
                    given.len(),
                    shown.join(", ")
                )
            }
        };
        let kind = |at: usize| fields.get(at).map_or(TermKind::Text, |field| TermKind::of(field));
        Ok(Term::of_values(values.into_iter().enumerate().map(|(at, v)| (kind(at), v))))
    }
}

/// The values of `FIELD=VALUE`, in the order of the fields; nothing unless each field is named once.
fn in_order<'g>(fields: &[String], given: &'g [String]) -> Option<Vec<&'g str>> {
    let of = |field: &String| {
        let mut values = given.iter().filter_map(|given| match given.split_once('=')? {
            (name, value) if name == field => Some(value),
            _ => None,
        });
        values.next().filter(|_| values.next().is_none())
    };
    let values: Vec<&str> = fields.iter().map(of).collect::<Option<_>>()?;
    (!values.is_empty() && values.len() == given.len()).then_some(values)
}

/// Whether a value begins as `FIELD=VALUE` does, with a name of two parts or more as ECS has them. A
/// value that begins so itself can be given behind its field.
fn names_a_field(given: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@' | '-');
    given.split_once('=').is_some_and(|(field, _)| {
        field.contains('.') && !field.starts_with('.') && field.chars().all(is_of_name)
    })
}

/// The first key behind all that begin with this prefix, which ends in `:`.
pub(super) fn after(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

/// All prefixes of a state, in order: those that it keeps records of, and those of its keys.
pub(super) fn prefixes(state: &impl StateAdmin) -> anyhow::Result<Vec<StatePrefix>> {
    let mut found: BTreeMap<String, Option<PrefixRecord>> = BTreeMap::new();
    for record in state.records()? {
        found.insert(record.prefix.clone(), Some(record));
    }
    let mut from = Vec::new();
    loop {
        let mut next = None;
        state.each_term(&from, None, &mut |term| {
            next = Some(term.key.to_vec());
            ControlFlow::Break(())
        })?;
        let Some(key) = next else { break };
        let text = String::from_utf8_lossy(&key);
        match text.rsplit_once(':') {
            Some((prefix, _)) if std::str::from_utf8(&key).is_ok() => {
                let prefix = format!("{prefix}:");
                from = after(&prefix);
                found.entry(prefix).or_insert(None);
            }
            // No key of ours; `state verify` names it.
            _ => from = [&key[..], &[0]].concat(),
        }
    }
    let all = found.into_iter();
    let mut all: Vec<_> =
        all.map(|(prefix, record)| StatePrefix { prefix, record, is_older: false }).collect();
    let used = |prefix: &StatePrefix| prefix.record.as_ref().map(|record| record.used);
    let newest: BTreeMap<String, Option<u64>> = all.iter().fold(BTreeMap::new(), |mut all, p| {
        let newest = all.entry(p.of_rule().to_owned()).or_insert(None);
        *newest = used(p).max(*newest);
        all
    });
    for prefix in &mut all {
        let newest = newest.get(prefix.of_rule()).copied().flatten();
        prefix.is_older = newest.is_some() && used(prefix) != newest;
    }
    Ok(all)
}

impl RuleChoice {
    /// The prefixes that are meant.
    pub(super) fn choose(&self, all: Vec<StatePrefix>) -> anyhow::Result<Vec<StatePrefix>> {
        let mut wanted = Vec::new();
        for rule in &self.rules {
            let choice = RuleName::of(rule)?;
            if !all.iter().any(|prefix| choice.means(prefix)) {
                let known: Vec<_> = all.iter().map(|p| escaped(p.rule_id())).take(5).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                bail!("--rule {}: the state has no such rule; it has {known}", escaped(rule));
            }
            wanted.push(choice);
        }
        let is_meant = |prefix: &StatePrefix| {
            let of_tenant = self.tenant.as_ref().is_none_or(|name| name == prefix.tenant());
            of_tenant && (wanted.is_empty() || wanted.iter().any(|name| name.means(prefix)))
        };
        Ok(all.into_iter().filter(is_meant).collect())
    }
}

/// A rule as `--rule` names it.
pub(super) enum RuleName {
    /// The rules of a file.
    File(Vec<RuleMeta>),
    /// An id or a name.
    Pattern(Glob),
}

impl RuleName {
    pub(super) fn of(text: &str) -> anyhow::Result<Self> {
        let path = Path::new(text);
        if text.ends_with(".wasm") || text.ends_with(".toml") || path.is_file() {
            return Ok(Self::File(rule_metas(&[path.to_path_buf()])?));
        }
        Ok(Self::Pattern(Glob::parse(text)))
    }

    fn means(&self, prefix: &StatePrefix) -> bool {
        match self {
            Self::File(rules) => rules.iter().any(|rule| rule.id == prefix.rule_id()),
            Self::Pattern(glob) => glob.matches(prefix.rule_id()) || glob.matches(prefix.name()),
        }
    }
}

/// A filter whose times are known.
pub(super) struct TermTest<'f> {
    filter: &'f TermFilter,
    since_ms: Option<i64>,
    before_ms: Option<i64>,
}

impl TermFilter {
    /// Whether it leaves out any term.
    pub(super) fn is_any(&self) -> bool {
        !self.term.term.is_empty()
            || !self.values.is_empty()
            || self.seen_since.is_some()
            || self.seen_before.is_some()
    }

    /// The filter as it was given, for a log.
    pub(super) fn words(&self) -> String {
        let mut out = String::new();
        for (field, glob) in &self.values {
            out += &format!("--where {field}={} ", glob.pieces().join("*"));
        }
        for (option, time) in
            [("--seen-since", self.seen_since), ("--seen-before", self.seen_before)]
        {
            match time {
                Some(TimeArg::At(ms)) => out += &format!("{option} {} ", rfc3339(ms)),
                Some(TimeArg::Before(ms)) => out += &format!("{option} {ms}ms "),
                None => {}
            }
        }
        out
    }

    /// The filter for this state.
    pub(super) fn over(&self, state: &impl StateAdmin) -> anyhow::Result<TermTest<'_>> {
        let mut newest = None;
        let mut at = |time: Option<TimeArg>| -> anyhow::Result<Option<i64>> {
            Ok(match time {
                None => None,
                Some(TimeArg::At(ms)) => Some(ms),
                Some(TimeArg::Before(length)) => {
                    let found = match newest {
                        Some(found) => found,
                        None => newest_sighting(state, &[], None)?,
                    };
                    newest = Some(found);
                    Some(found.unwrap_or(0).saturating_sub(length))
                }
            })
        };
        let (since_ms, before_ms) = (at(self.seen_since)?, at(self.seen_before)?);
        Ok(TermTest { filter: self, since_ms, before_ms })
    }
}

impl TermTest<'_> {
    /// Calls with each term that is meant, in the order of keys.
    pub(super) fn each(
        &self,
        state: &impl StateAdmin,
        prefixes: &[StatePrefix],
        each: &mut dyn FnMut(&StatePrefix, TermRow) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        for (field, _) in &self.filter.values {
            if !prefixes.iter().any(|prefix| prefix.fields().contains(field)) {
                let known = prefixes.iter().flat_map(StatePrefix::fields).map(|f| escaped(f));
                let known: std::collections::BTreeSet<_> = known.collect();
                let known = known.into_iter().collect::<Vec<_>>().join(", ");
                bail!(
                    "--where {}: no rule here has this new-terms field; they have {}",
                    escaped(field),
                    if known.is_empty() { "none that the state knows" } else { &known }
                );
            }
        }
        let given = &self.filter.term.term;
        if !given.is_empty() {
            for (prefix, key) in keys_of(prefixes, given)? {
                if let Some((value, expires_ms)) = state.stored(key.as_bytes())? {
                    let row = TermRow::read(&key, &value, expires_ms);
                    if self.passes(prefix, &row) && each(prefix, row)?.is_break() {
                        return Ok(());
                    }
                }
            }
            return Ok(());
        }
        for prefix in prefixes {
            let (mut fault, mut ended) = (None, false);
            state.each_term(prefix.prefix.as_bytes(), Some(&prefix.end()), &mut |term| {
                let key = String::from_utf8_lossy(term.key);
                // The key of a rule whose id begins like this one's prefix, or no term's.
                if key
                    .get(prefix.prefix.len()..)
                    .is_none_or(|hash| hash.contains(':') || hash == LEARN)
                {
                    return ControlFlow::Continue(());
                }
                let row = TermRow::read(&key, term.value, term.expires_ms);
                if !self.passes(prefix, &row) {
                    return ControlFlow::Continue(());
                }
                match each(prefix, row) {
                    Ok(flow) => {
                        ended = flow.is_break();
                        flow
                    }
                    Err(error) => {
                        fault = Some(error);
                        ControlFlow::Break(())
                    }
                }
            })?;
            if let Some(error) = fault {
                return Err(error);
            }
            if ended {
                break;
            }
        }
        Ok(())
    }

    fn passes(&self, prefix: &StatePrefix, row: &TermRow) -> bool {
        let has = |(field, glob): &(String, Glob)| {
            let place = prefix.fields().iter().position(|known| known == field);
            place.and_then(|place| row.values.get(place)).is_some_and(|value| glob.matches(value))
        };
        let last = row.last_ms();
        self.filter.values.iter().all(has)
            && self.since_ms.is_none_or(|since| last.is_some_and(|last| last >= since))
            && self.before_ms.is_none_or(|before| last.is_some_and(|last| last < before))
    }
}

/// The keys that a term with these values has, under each prefix where it can be.
pub(super) fn keys_of<'p>(
    prefixes: &'p [StatePrefix],
    given: &[String],
) -> anyhow::Result<Vec<(&'p StatePrefix, String)>> {
    let (mut keys, mut fault) = (Vec::new(), None);
    for prefix in prefixes {
        match prefix.term_of(given) {
            Ok(term) => keys.push((prefix, term.key(&prefix.prefix))),
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    match fault {
        Some(error) if keys.is_empty() => Err(error),
        _ => Ok(keys),
    }
}

/// The time of the newest sighting under keys from one, up to another.
pub(super) fn newest_sighting(
    state: &impl StateAdmin,
    from: &[u8],
    to: Option<&[u8]>,
) -> anyhow::Result<Option<i64>> {
    let mut newest = None;
    state.each_term(from, to, &mut |term| {
        if !is_learn_key(term.key)
            && let Ok(state) = firstseen_rule::state::TermState::read(term.value)
        {
            newest = newest.max(state.episodes().last().map(|episode| episode.last_ms));
        }
        ControlFlow::Continue(())
    })?;
    Ok(newest)
}
