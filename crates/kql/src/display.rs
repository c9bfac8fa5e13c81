//! A compiled query as normalised text.
//!
//! In: a query. Out: KQL that parses to the same query (a long list of values to one that is not
//! sorted, and means the same). The one exception are wildcards of the Elasticsearch DSL, which KQL
//! cannot express; they are shown between slashes. It never writes more brackets than the grammar needs.

use alloc::string::{String, ToString};
use core::fmt::{self, Write};

use crate::condition::{Bound, Condition};
use crate::field::FieldRef;
use crate::lexer::{is_space, is_special, strip_keyword};
use crate::query::{Query, QueryNode, children};
use crate::syntax::Comparison;
use firstseen_value::{Wildcard, WildcardUnit, address_text};

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tree(f, &self.nodes, &self.fields, Binding::Or)
    }
}

/// The text of one clause, with `not` before it if `negated`.
pub(crate) fn clause_text(nodes: &[QueryNode], fields: &[FieldRef], negated: bool) -> String {
    let mut text = String::from(if negated { "not " } else { "" });
    // Writing to a string does not fail.
    let _ = tree(&mut text, nodes, fields, Binding::Not);
    text
}

/// How tightly the surroundings bind: what binds more loosely needs brackets.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Binding {
    Or,
    And,
    Not,
}

fn tree(
    out: &mut dyn Write,
    nodes: &[QueryNode],
    fields: &[FieldRef],
    around: Binding,
) -> fmt::Result {
    let Some((node, below)) = nodes.split_first() else { return Ok(()) };
    let own = match node {
        QueryNode::Or { .. } => Binding::Or,
        QueryNode::And { .. } => Binding::And,
        // `not not x` is not KQL.
        QueryNode::Not { .. } if around == Binding::Not => Binding::And,
        _ => Binding::Not,
    };
    if own < around {
        out.write_char('(')?;
        tree(out, nodes, fields, Binding::Or)?;
        return out.write_char(')');
    }
    match node {
        QueryNode::Everything => out.write_char('*'),
        QueryNode::And { .. } | QueryNode::Or { .. } => {
            let (word, inside) = match own {
                Binding::Or => (" or ", Binding::And),
                _ => (" and ", Binding::Not),
            };
            for (index, child) in children(below, node).enumerate() {
                if index > 0 {
                    out.write_str(word)?;
                }
                // `not x` needs no brackets as a part of `and`, only under another `not`.
                let is_not = matches!(child.first(), Some(QueryNode::Not { .. }));
                tree(out, child, fields, if is_not { Binding::And } else { inside })?;
            }
            Ok(())
        }
        QueryNode::Not { .. } => {
            out.write_str("not ")?;
            tree(out, below, fields, Binding::Not)
        }
        QueryNode::Is { field, conditions } => {
            field_name(out, fields.get(*field as usize))?;
            match conditions.as_slice() {
                [Condition::Range(comparison, bound)] => range(out, *comparison, bound),
                [one] if !matches!(one, Condition::OneOf(_)) => {
                    out.write_str(": ")?;
                    condition(out, one)
                }
                many => {
                    out.write_str(": (")?;
                    for (index, one) in many.iter().enumerate() {
                        out.write_str(if index > 0 { " or " } else { "" })?;
                        condition(out, one)?;
                    }
                    out.write_char(')')
                }
            }
        }
        QueryNode::Nested { field, .. } => {
            let Some(FieldRef::Nested { path, inner }) = fields.get(*field as usize) else {
                return Ok(());
            };
            text(out, path)?;
            out.write_str(": { ")?;
            tree(out, below, inner, Binding::Or)?;
            out.write_str(" }")
        }
    }
}

fn field_name(out: &mut dyn Write, field: Option<&FieldRef>) -> fmt::Result {
    match field {
        Some(FieldRef::Name(name)) => text(out, name),
        Some(FieldRef::Pattern(pattern)) => pieces(out, pattern.split('*')),
        _ => Ok(()),
    }
}

fn condition(out: &mut dyn Write, condition: &Condition) -> fmt::Result {
    match condition {
        Condition::Exists => out.write_char('*'),
        Condition::Null => out.write_str("null"),
        Condition::Exact(value) | Condition::Words(value) | Condition::Number(value) => {
            text(out, value)
        }
        Condition::Glob(glob) | Condition::WordGlob(glob, _) => {
            pieces(out, glob.pieces().iter().map(String::as_str))
        }
        Condition::Wildcard(wildcard) => dsl_wildcard(out, wildcard),
        Condition::Bool(value) => write!(out, "{value}"),
        Condition::Network(network) => text(out, &network.to_string()),
        Condition::Date(date) => text(out, &date.text),
        Condition::Range(comparison, bound) => range(out, *comparison, bound),
        // In the brackets of the clause.
        Condition::OneOf(sorted) => {
            for (index, one) in sorted.iter().enumerate() {
                out.write_str(if index > 0 { " or " } else { "" })?;
                text(out, one)?;
            }
            Ok(())
        }
    }
}

fn range(out: &mut dyn Write, comparison: Comparison, bound: &Bound) -> fmt::Result {
    out.write_str(match comparison {
        Comparison::Less => " < ",
        Comparison::AtMost => " <= ",
        Comparison::Greater => " > ",
        Comparison::AtLeast => " >= ",
    })?;
    match bound {
        Bound::Number(value) | Bound::Text(value) => text(out, value),
        Bound::Date(date) => text(out, &date.text),
        Bound::Address(bits) => text(out, &address_text(*bits)),
    }
}

/// Literal text: bare if it is one harmless word, quoted otherwise.
fn text(out: &mut dyn Write, value: &str) -> fmt::Result {
    let harmless = |c: char| c.is_alphanumeric() || (c.is_ascii_graphic() && !is_special(c));
    let reads_otherwise = ["and", "or", "true", "false", "null"].contains(&value)
        || value.to_ascii_lowercase().ends_with("not");
    if !value.is_empty() && value.chars().all(harmless) && !reads_otherwise {
        return out.write_str(value);
    }
    out.write_char('"')?;
    for c in value.chars() {
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            c => plain_or_control(out, c)?,
        }
    }
    out.write_char('"')
}

/// The pieces of a wildcard with stars between them.
fn pieces<'p>(out: &mut dyn Write, pieces: impl Iterator<Item = &'p str>) -> fmt::Result {
    for (index, piece) in pieces.enumerate() {
        out.write_str(if index > 0 { "*" } else { "" })?;
        let mut after_space = false;
        for (at, c) in piece.char_indices() {
            let here = piece.get(at..).unwrap_or("");
            // At the end of a piece white space may follow as well, as in `* or < 1`.
            let is_keyword = |keyword| {
                let tail = strip_keyword(here, keyword);
                tail.is_some_and(|tail| tail.chars().next().is_none_or(is_space))
            };
            let joins = is_keyword("or") || is_keyword("and");
            if is_keyword("not") || (joins && after_space) || is_special(c) {
                out.write_char('\\')?;
            }
            match c {
                // `\n` before `ot` would read as an escaped `not`.
                '\n' => out.write_str("\\u000a")?,
                c => plain_or_control(out, c)?,
            }
            after_space = is_space(c);
        }
    }
    Ok(())
}

/// A character, as an escape where it would not show.
fn plain_or_control(out: &mut dyn Write, c: char) -> fmt::Result {
    match c {
        '\t' => out.write_str("\\t"),
        '\r' => out.write_str("\\r"),
        '\n' => out.write_str("\\n"),
        c if c.is_control() => write!(out, "\\u{:04x}", u32::from(c)),
        c => out.write_char(c),
    }
}

/// A wildcard that KQL cannot express: `/pattern/`, with an `i` where case is ignored.
fn dsl_wildcard(out: &mut dyn Write, wildcard: &Wildcard) -> fmt::Result {
    out.write_char('/')?;
    for (index, piece) in wildcard.pieces().iter().enumerate() {
        out.write_str(if index > 0 { "*" } else { "" })?;
        for unit in piece {
            match unit {
                WildcardUnit::Any => out.write_char('?')?,
                WildcardUnit::Is(c @ ('*' | '?' | '\\')) => write!(out, "\\{c}")?,
                WildcardUnit::Is(c) => plain_or_control(out, *c)?,
            }
        }
    }
    out.write_str(if wildcard.ignores_case() { "/i" } else { "/" })
}
