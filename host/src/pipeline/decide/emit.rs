//! Outcomes on their way out: counted, told, and alerts given to the sink.
//!
//! In: outcomes in the order of their matches. Out: counts and notices to the observer, alerts to the sink. It decides
//! nothing and asks no store.

use super::Decider;
use super::part::DecidedTerm;
use crate::observe::{Counter, Notice, RuleCounter};
use crate::pipeline::{Located, OutputStatus};
use crate::sink::{AlertSink, OutputError};
use anyhow::{anyhow, bail};
use firstseen_abi::OutcomeKind;
use firstseen_session::KEY_CLOSED;

/// An event of a batch cannot be read again where it alerts: what follows it is not decided, and the state has not
/// passed it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BatchTextLost(String);

impl Decider {
    /// Counts outcomes, and gives alerts to the sink.
    pub(super) fn emit(
        &mut self,
        decided: Vec<DecidedTerm>,
        sink: &mut dyn AlertSink,
        located: &mut Located<'_>,
    ) -> anyhow::Result<OutputStatus> {
        for DecidedTerm { at, rule, time_ms, kind, text, .. } in decided {
            let memory = self.memory_from.get(usize::from(rule.artifact));
            let memory = memory.and_then(|rules| rules.get(usize::from(rule.rule)));
            if kind == OutcomeKind::Alert && memory.is_some_and(|from| time_ms < *from) {
                located.observer.count(Counter::BeforeMemory, 1);
            }
            let (counter, of_rule, wanted) = match kind {
                OutcomeKind::Alert => (Counter::Alerts, RuleCounter::Alerts, true),
                OutcomeKind::Repeat => (Counter::Repeats, RuleCounter::Repeats, self.emit_repeats),
                OutcomeKind::LateBeyondMemory => {
                    (Counter::OlderThanState, RuleCounter::NotJudged, false)
                }
                OutcomeKind::Learned => {
                    self.has_learned = true;
                    located.observer.learned(rule, time_ms);
                    (Counter::Learned, RuleCounter::Learned, false)
                }
                OutcomeKind::Error if text == KEY_CLOSED => {
                    located.observer.count(Counter::AfterLostText, 1);
                    located.observer.count_of(rule, RuleCounter::NotJudged, 1);
                    continue;
                }
                OutcomeKind::Error | OutcomeKind::NeedsEvent => {
                    sink.not_judged(&at, &text);
                    located.observer.count_of(rule, RuleCounter::NotJudged, 1);
                    let location = located.location(&at);
                    if text.starts_with("text_lost: ") {
                        located.observer.count(Counter::LostTexts, 1);
                        // The position does not pass it.
                        if self.batch.is_some() {
                            bail!(BatchTextLost(format!("{location}: {text}")));
                        }
                    }
                    let notice = Notice::NotDecided { at: &location, text: &text };
                    located.observer.notice(&notice)?;
                    continue;
                }
            };
            located.observer.count(counter, 1);
            located.observer.count_of(rule, of_rule, 1);
            if wanted {
                self.alert_bytes += text.len();
                let given = match kind {
                    OutcomeKind::Repeat => sink.repeat(&at, &text),
                    _ => sink.alert(&at, &text),
                };
                match given {
                    Ok(()) => {}
                    Err(OutputError::Closed) => return Ok(OutputStatus::Closed),
                    Err(e) => return Err(anyhow!(e)),
                }
            }
        }
        Ok(OutputStatus::Open)
    }
}
