//! What to do with warnings about rules, for `build` and `test` alike.
//!
//! In: arguments, the diagnostics of a rule. Out: those that are shown, as errors where warnings are
//! denied. It prints nothing.

use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use firstseen_rule::source::{Diagnostic, Severity, WARNING_CODES};

/// The arguments about warnings.
#[derive(Debug, Clone, clap::Args)]
pub struct WarningArgs {
    /// What to do with a rule that has warnings
    #[arg(long, value_enum, default_value_t = Warnings::Allow)]
    pub warnings: Warnings,
    /// Leave out this kind of warning (docs/rules.md lists them); may be repeated
    #[arg(long = "allow", value_name = "CODE", hide_possible_values = true, value_parser = PossibleValuesParser::new(WARNING_CODES.iter().copied()))]
    pub allowed: Vec<String>,
}

/// What to do with a rule that has warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Warnings {
    /// Show them, and use the rule
    Allow,
    /// They are errors
    Deny,
}

impl WarningArgs {
    /// The diagnostics that are shown.
    #[must_use]
    pub fn judge(&self, mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let is_warning = |one: &Diagnostic| one.severity == Severity::Warning;
        diagnostics
            .retain(|one| !(is_warning(one) && self.allowed.iter().any(|code| code == one.code)));
        if self.warnings == Warnings::Deny {
            diagnostics.iter_mut().for_each(|one| one.severity = Severity::Error);
        }
        diagnostics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowed_warning_is_left_out_and_the_others_become_errors() {
        let one = |code, severity| Diagnostic {
            code,
            severity,
            message: String::new(),
            span: None,
            label: String::new(),
            help: None,
        };
        let all = vec![
            one("not_done", Severity::Warning),
            one("unknown_field", Severity::Warning),
            one("unclosed", Severity::Error),
        ];
        let shown = |warnings, allowed: &[&str]| {
            let allowed = allowed.iter().map(|code| (*code).to_owned()).collect();
            let shown = WarningArgs { warnings, allowed }.judge(all.clone());
            shown.into_iter().map(|one| (one.code, one.severity)).collect::<Vec<_>>()
        };
        let (warning, error) = (Severity::Warning, Severity::Error);
        let everything = [("not_done", warning), ("unknown_field", warning), ("unclosed", error)];
        assert_eq!(shown(Warnings::Allow, &[]), everything);
        let denied = [("unknown_field", error), ("unclosed", error)];
        assert_eq!(shown(Warnings::Deny, &["not_done"]), denied);
    }
}
