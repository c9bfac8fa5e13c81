//! `state get`: all that is known of one term.
//!
//! In: a state, opened for reading, and the values of a term. Out: its sightings, the alerts that it
//! gave, its approval and when it may go; exit status 1 if it is not known.

use super::row::TermRow;
use super::select::{RuleChoice, StatePrefix, TermChoice, keys_of, prefixes};
use super::{ExitStatus, StateFormat, StatePage, open_to_read};
use crate::escape::escaped;
use crate::state::admin::StateAdmin;
use crate::terminal::message;
use crate::terminal::state::{fact, fact_of_time, time_span};
use crate::terminal::wrap::whole;
use anyhow::bail;
use clap::Args;
use std::path::PathBuf;
use unicode_width::UnicodeWidthStr;

/// The arguments of `state get`.
#[derive(Debug, Clone, Args)]
pub struct GetArgs {
    /// The state
    #[arg(value_name = "STATE")]
    pub state: PathBuf,
    /// Which term
    #[command(flatten)]
    pub term: TermChoice,
    /// Which rules
    #[command(flatten)]
    pub rules: RuleChoice,
    /// Output format
    #[arg(long, value_enum, default_value_t = StateFormat::Auto)]
    pub format: StateFormat,
}

/// Shows a term.
///
/// # Errors
/// When the state cannot be read, no rule has such terms, or the output failed.
pub(super) fn get(args: &GetArgs) -> anyhow::Result<ExitStatus> {
    let state = open_to_read(&args.state)?;
    let chosen = args.rules.choose(prefixes(&state)?)?;
    if args.term.term.is_empty() {
        bail!(
            "say which term: --term VALUE, once for each new-terms field of the rule, in its order"
        );
    }
    let mut page = StatePage::new(args.format);
    let mut found = false;
    for (prefix, key) in keys_of(&chosen, &args.term.term)? {
        let Some((value, expires_ms)) = state.stored(key.as_bytes())? else { continue };
        let row = TermRow::read(&key, &value, expires_ms);
        let text = if page.is_pretty {
            let gap = if found { "\n" } else { "" };
            format!("{gap}{}", paragraph(prefix, &row))
        } else {
            row.line(prefix).shown(prefix, &row).text()?
        };
        found = true;
        if !page.put(&text)? {
            break;
        }
    }
    let status = page.end()?;
    if !found {
        message::info("not known: an event with this term would be new");
        return Ok(ExitStatus::Unmet);
    }
    Ok(status)
}

fn paragraph(prefix: &StatePrefix, row: &TermRow) -> String {
    let older = if prefix.is_older { ", as the rule was before" } else { "" };
    let mut out = format!("{}{older}\n", escaped(prefix.name()));
    let fields = prefix.fields();
    let widest = fields.iter().map(|field| field.width()).max().unwrap_or(0);
    for (at, value) in row.values.iter().enumerate() {
        let field = fields.get(at).map_or("value", String::as_str);
        let cut = if row.is_cut && at + 1 == row.values.len() { "… (cut)" } else { "" };
        let field = format!("{field}{}", " ".repeat(widest.saturating_sub(field.width())));
        out += &fact(&field, &format!("{value}{cut}"));
    }
    match &row.state {
        Ok(state) => {
            for (at, episode) in state.episodes().iter().enumerate() {
                out += &fact("seen", &time_span(episode.first_ms, episode.last_ms));
                for id in row.alert_ids(prefix, at) {
                    out += &fact("alert", &id);
                }
            }
            if let Some(approval) = state.approval() {
                out += &fact_of_time("approved", "until ", approval.until_ms);
                out += &fact("reason", &approval.reason);
            }
        }
        Err(reason) => out += &fact("unread", reason),
    }
    out += &fact_of_time("kept", "until events of ", row.expires_ms);
    out + &whole(&escaped(&row.key), "  key       ")
}
