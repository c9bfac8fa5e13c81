//! What is wrong with a rule's file, and where.
//!
//! In: a code, a position, a message. Out: diagnostics in the order of the file. It never prints:
//! the caller has the file's name and the terminal.

use std::fmt;
use std::ops::Range;

/// Every code, in the order of docs/rules.md.
pub const CODES: &[&str] = &[
    "toml_syntax",
    "missing_key",
    "wrong_type",
    "bad_value",
    "unknown_key",
    "not_new_terms",
    "not_kuery",
    "other_type",
    "bad_fields",
    "bad_window",
    "bad_date_math",
    "bad_duration",
    "no_timestamp_override",
    "bad_filter",
    "bad_exception",
    // Of a file of exceptions.
    "json_syntax",
    // Of a query.
    "unexpected",
    "unclosed",
    "unterminated",
    "bad_escape",
    "bad_field",
    "bad_range",
    "bad_network",
    "free_text",
    "other_language",
    "two_fields",
    "misplaced_not",
    "too_deep",
    "too_long",
    // Warnings.
    "ignored_key",
    "not_done",
    "unknown_field",
    "not_in_raw_cloudtrail",
    "foreign_value",
    "action_case",
    "action_spelling",
    "quoted_wildcard",
    "impossible_value",
    "contradiction",
];

/// Those of them that are warnings: the last ones.
pub const WARNING_CODES: &[&str] = &[
    "ignored_key",
    "not_done",
    "unknown_field",
    "not_in_raw_cloudtrail",
    "foreign_value",
    "action_case",
    "action_spelling",
    "quoted_wildcard",
    "impossible_value",
    "contradiction",
];

/// Whether a rule can be built all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but a part of it has no effect.
    Warning,
}

/// One fault of a rule's file, or of a file of exceptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable name for the kind of fault; docs/rules.md lists them.
    pub code: &'static str,
    /// Whether the rule can be built all the same.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the file's text; `None` for a fault of the file as a whole.
    pub span: Option<Range<usize>>,
    /// A few words shown under the position; may be empty.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Line and column of the position, both from 1, the column in characters.
    #[must_use]
    pub fn position(&self, text: &str) -> Option<(usize, usize)> {
        let before = text.get(..self.span.as_ref()?.start)?;
        let line = before.rsplit('\n').next().unwrap_or(before);
        let newlines = before.bytes().filter(|b| *b == b'\n').count();
        Some((newlines.saturating_add(1), line.chars().count().saturating_add(1)))
    }
}

impl fmt::Display for Diagnostic {
    /// On one line, for logs: severity, code, message, help.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}[{}]: {}", self.code, self.message)?;
        if !self.label.is_empty() {
            write!(f, " ({})", self.label)?;
        }
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}

/// Further faults are counted and not kept: such a file is not a rule at all.
const MAX_FAULTS: usize = 200;

/// Diagnostics found so far.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    kept: Vec<Diagnostic>,
    more: usize,
    fatal: bool,
    /// A fault that is not kept: the caller still adds its label and help.
    unkept: Option<Diagnostic>,
}

impl Diagnostics {
    /// Adds an error.
    pub(super) fn error(
        &mut self,
        code: &'static str,
        span: &Range<usize>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(Severity::Error, code, span, message)
    }

    /// Adds a warning.
    pub(super) fn warn(
        &mut self,
        code: &'static str,
        span: &Range<usize>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(Severity::Warning, code, span, message)
    }

    /// Whether there is an error.
    #[cfg(feature = "lint")]
    pub(super) fn is_fatal(&self) -> bool {
        self.fatal
    }

    /// Whether further faults are only counted.
    #[cfg(feature = "lint")]
    pub(super) fn is_full(&self) -> bool {
        self.kept.len() >= MAX_FAULTS
    }

    /// Drops all before: another fault makes them pointless.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        span: &Range<usize>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.fatal |= severity == Severity::Error;
        let (message, span) = (message.into(), Some(span.clone()));
        let fault = Diagnostic { code, severity, message, span, label: String::new(), help: None };
        if self.kept.len() < MAX_FAULTS {
            return self.kept.push_mut(fault);
        }
        self.more = self.more.saturating_add(1);
        self.unkept.insert(fault)
    }

    /// All of them in the order of the file; whether one of them is an error.
    pub(super) fn finish(mut self) -> (Vec<Diagnostic>, bool) {
        self.kept.sort_by_key(|d| d.span.as_ref().map_or(0, |span| span.start));
        if let (Some(last), true) = (self.kept.last_mut(), self.more > 0) {
            last.help(format!("{} more faults", self.more));
        }
        (self.kept, self.fatal)
    }
}

impl Diagnostic {
    /// Sets what to do.
    pub(super) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Sets the words at the position.
    pub(super) fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = label.into();
        self
    }
}

/// A value as messages quote it: on one line and at most 40 characters.
pub(super) fn short(value: &str) -> String {
    cut(value, 40)
}

/// The same of a name that somebody has to look for.
#[cfg(feature = "lint")]
pub(super) fn whole(name: &str) -> String {
    cut(name, 160)
}

fn cut(value: &str, most: usize) -> String {
    let tame = |c: char| if c.is_control() { ' ' } else { c };
    let mut out: String = value.chars().take(most).map(tame).collect();
    if value.chars().nth(most).is_some() {
        out.push('…');
    }
    out
}
