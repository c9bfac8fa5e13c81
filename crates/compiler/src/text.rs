//! What goes into a build: a rule as text, and where the artifact comes from.

/// A rule's source and where it came from.
#[derive(Debug, Clone, Copy)]
pub struct RuleText<'a> {
    /// For error texts.
    pub name: &'a str,
    /// The TOML.
    pub text: &'a str,
}

/// Where the rules come from, as registries show it; nothing of it is guessed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// A URL, or nothing.
    pub source: String,
    /// Of which revision of that, or nothing.
    pub revision: String,
}
