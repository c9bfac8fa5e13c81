//! What is damaged in a state, in words that whoever restores it understands.
//!
//! In: what the database says, which are places in it. Out: what that means.

/// What the database says, in part, and what it means.
const MEANINGS: [(&str, &str); 7] = [
    ("2-phase commit", "the record of its last commit does not fit what was written"),
    ("truncated", "it is shorter than what was written to it"),
    ("end of file", "it ends before it should"),
    ("page size", "its header is damaged"),
    ("magic number", "its header is damaged"),
    ("table", "one of the database's own tables is damaged"),
    ("Unable to open", "one of the database's own tables is damaged"),
];

/// What it means.
pub(super) fn told(said: &str) -> String {
    let lower = said.to_lowercase();
    let known = MEANINGS.iter().find(|(part, _)| lower.contains(&part.to_lowercase()));
    known.map_or("a part of it cannot be read", |(_, meaning)| meaning).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_database_are_not_the_users() {
        for (said, meaning) in [
            ("Primary is corrupted despite 2-phase commit", "last commit"),
            ("File truncated below stored layout: file_len=1, layout_len=2", "shorter"),
            ("Unexpected TableError: allocator_state has key type x", "own tables"),
            ("Unable to open system_pages_unreachable", "own tables"),
            ("Database page size 1 does not match expected 2", "header"),
            ("btree.rs:12: page 7 has no parent", "a part of it"),
        ] {
            let told = told(said);
            assert!(told.contains(meaning) && !told.contains(['_', ':']), "{told}");
        }
    }
}
