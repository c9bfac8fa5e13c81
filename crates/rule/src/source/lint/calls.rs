//! The names of AWS's calls, and what a name that is none of them was meant to be.
//!
//! In: `data/cloudtrail-actions.txt` and `data/api-words.txt`, and a name. Out: the known name that
//! differs only in case, or in one slip of the keyboard. The list is not all of AWS: a name that may be
//! another call's is left alone.

use super::pattern::matches;
use super::tables::lines;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Shorter names are too alike.
const SHORTEST: usize = 8;

/// Patterns with fewer letters may be meant for anything.
const SHORTEST_PATTERN: usize = 3;

/// What is known of calls.
struct CallNames {
    /// The names by their lower case; a few differ in nothing else.
    by_lower: BTreeMap<String, Vec<&'static str>>,
    /// The words of which the names of all calls of AWS are made, also of those that are not listed.
    words: BTreeSet<&'static str>,
}

fn known() -> &'static CallNames {
    const NAMES: &str = include_str!("../../../data/cloudtrail-actions.txt");
    const WORDS: &str = include_str!("../../../data/api-words.txt");
    static READ: LazyLock<CallNames> = LazyLock::new(|| {
        let mut known =
            CallNames { by_lower: BTreeMap::new(), words: lines(WORDS).flatten().collect() };
        for mut line in lines(NAMES) {
            let Some(verb) = line.next() else { continue };
            for rest in line {
                let name = if rest == "-" { verb.to_owned() } else { format!("{verb}{rest}") };
                let lower = name.to_ascii_lowercase();
                // A few thousand names for the life of the process.
                let name: &'static str = String::leak(name);
                known.words.extend(words(name));
                known.by_lower.entry(lower).or_default().push(name);
            }
        }
        known
    });
    &READ
}

/// The call of which this is another spelling: the same but for the case of letters.
pub(super) fn in_another_case(name: &str) -> Option<&'static str> {
    let same = known().by_lower.get(&name.to_ascii_lowercase())?;
    if same.contains(&name) { None } else { same.first().copied() }
}

/// The pattern in the case of a call that it would match, if it matches none as it is written.
pub(super) fn pattern_in_another_case(pattern: &str) -> Option<String> {
    if pattern.chars().filter(char::is_ascii_alphabetic).count() < SHORTEST_PATTERN {
        return None;
    }
    let known = known();
    if known.by_lower.values().flatten().any(|name| matches(pattern, name)) {
        return None;
    }
    let lower = pattern.to_ascii_lowercase();
    let (found, names) = known.by_lower.iter().find(|(name, _)| matches(&lower, name))?;
    let name = names.first()?;
    // Each piece as the call has it.
    let pieces: Vec<&str> = lower.split('*').collect();
    let (mut at, mut out) = (0, String::new());
    for (index, piece) in pieces.iter().enumerate() {
        let is_last = index + 1 == pieces.len();
        let begin = match index {
            _ if is_last => name.len().checked_sub(piece.len())?,
            0 => 0,
            _ => at + found.get(at..)?.find(piece)?,
        };
        at = begin + piece.len();
        out.push_str(name.get(begin..at)?);
        if !is_last {
            out.push('*');
        }
    }
    Some(out)
}

/// The call that was meant, where one letter is missing, too many, wrong or swapped with the next, and
/// a word came of it that no call of AWS has in its name.
pub(super) fn misspelled(name: &str) -> Option<&'static str> {
    let known = known();
    let all = || known.by_lower.values().flatten().copied();
    let listed = known.by_lower.get(&name.to_ascii_lowercase());
    if name.len() < SHORTEST
        || listed.is_some_and(|same| same.contains(&name))
        || words(name).all(|word| known.words.contains(word))
    {
        return None;
    }
    all().find(|call| is_slip(name.as_bytes(), call.as_bytes()))
}

/// Whether one text is the other but for one edit that is no plural and no other version.
fn is_slip(one: &[u8], other: &[u8]) -> bool {
    let (long, short) = if one.len() < other.len() { (other, one) } else { (one, other) };
    if long.len() - short.len() > 1 {
        return false;
    }
    let at = long.iter().zip(short).take_while(|(a, b)| a == b).count();
    let rest = |text: &'_ [u8], skipped: usize| text.get(at + skipped..).map(<[u8]>::to_vec);
    let (Some(&letter), more) = (long.get(at), long.len() > short.len()) else { return false };
    let same = if more {
        rest(long, 1) == rest(short, 0)
    } else {
        let swapped = long.get(at + 1) == short.get(at) && short.get(at + 1) == Some(&letter);
        rest(long, 1) == rest(short, 1) || swapped && rest(long, 2) == rest(short, 2)
    };
    let is_digit = letter.is_ascii_digit() || short.get(at).is_some_and(u8::is_ascii_digit);
    let before = at.checked_sub(1).and_then(|at| long.get(at));
    let ends_word = long.get(at + 1).is_none_or(u8::is_ascii_uppercase);
    let is_plural = more && letter == b's' && before != Some(&b's') && ends_word;
    same && !is_digit && !is_plural
}

/// The words of a name: `DB`, `Cluster` of `DBCluster`. What is between words, such as digits, is left
/// out.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let bytes = name.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let run = |from: usize, is: fn(&u8) -> bool| {
            bytes.get(from..).unwrap_or_default().iter().take_while(|byte| is(byte)).count()
        };
        at += run(at, |byte| !byte.is_ascii_alphabetic());
        let upper = run(at, u8::is_ascii_uppercase);
        let lower = run(at + upper, u8::is_ascii_lowercase);
        // The last capital before small letters is theirs.
        let end = match (upper, lower) {
            (0, 0) => return None,
            (0 | 1, _) => at + upper + lower,
            (_, 0) => at + upper,
            _ => at + upper - 1,
        };
        let word = name.get(at..end);
        at = end;
        word
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_known_in_its_own_case() {
        assert_eq!(in_another_case("createstack"), Some("CreateStack"));
        assert_eq!(in_another_case("CreateStack"), None);
        assert_eq!(in_another_case("DeleteSSHPublicKey"), None);
        assert_eq!(in_another_case("DeleteSshPublicKey"), None);
        assert_eq!(in_another_case("consolelogin"), Some("ConsoleLogin"));
        assert_eq!(in_another_case("NoSuchCall"), None);
    }

    #[test]
    fn a_pattern_is_known_in_the_case_of_calls() {
        for (pattern, meant) in [
            ("create*", Some("Create*")),
            ("*accesskey", Some("*AccessKey")),
            ("put*policy", Some("Put*Policy")),
            ("*bucketpolicy*", Some("*BucketPolicy*")),
            ("Create*", None),
            ("*User*", None),
            ("a*", None),
            ("nosuchverb*", None),
        ] {
            assert_eq!(pattern_in_another_case(pattern).as_deref(), meant, "{pattern}");
        }
    }

    #[test]
    fn names_are_made_of_words() {
        for (name, expected) in [
            ("CreateDBCluster", &["Create", "DB", "Cluster"][..]),
            ("AddPermission20150331v2", &["Add", "Permission", "v"]),
            ("GetMFA", &["Get", "MFA"]),
            ("a é-B", &["a", "B"]),
            ("", &[]),
        ] {
            assert_eq!(words(name).collect::<Vec<_>>(), expected, "{name}");
        }
    }

    #[test]
    fn a_slip_of_the_keyboard_is_found() {
        for (name, call) in [
            ("CreateAccesKey", "CreateAccessKey"),
            ("CreateAccesssKey", "CreateAccessKey"),
            ("CraeteUser", "CreateUser"),
            ("CreateStacj", "CreateStack"),
            ("ConsoleLogn", "ConsoleLogin"),
            ("PutBuckettPolicy", "PutBucketPolicy"),
            ("GetSecretVlaue", "GetSecretValue"),
        ] {
            assert_eq!(misspelled(name), Some(call), "{name}");
        }
    }

    #[test]
    fn what_may_be_another_call_is_no_slip() {
        for name in [
            "CreateStack",
            // Words of other calls: another verb, a plural, an object of a service that is not listed.
            "PutUser",
            "SetUser",
            "CreateUsers",
            "ListRooms",
            "ListTrials",
            "GetContractInformation",
            "SendMessages",
            // Another version, and a plural of a word that no call has.
            "CreateFunction20150332",
            "Invoke20150331",
            "DescribeHsms",
            // Too short, too far, no name of a call.
            "GetUsr",
            "CreateXxStack",
            "Microsoft.Compute/virtualMachines/write",
            "CreateStück",
            "",
        ] {
            assert_eq!(misspelled(name), None, "{name}");
        }
    }

    /// The list is not all of AWS: without any one of its names, and without the words that only that
    /// one has, that name is not taken for a misspelled other one.
    #[test]
    fn no_listed_call_would_be_a_slip_if_it_were_not_listed() {
        let known = known();
        let all: Vec<&str> = known.by_lower.values().flatten().copied().collect();
        let mut uses: BTreeMap<&str, u32> = BTreeMap::new();
        for word in all.iter().flat_map(|name| words(name).collect::<BTreeSet<_>>()) {
            *uses.entry(word).or_default() += 1;
        }
        let flagged: Vec<(&str, &str)> = all
            .iter()
            .filter(|name| words(name).any(|word| uses[word] < 2))
            .flat_map(|name| all.iter().map(move |other| (*name, *other)))
            .filter(|(name, other)| name != other && is_slip(name.as_bytes(), other.as_bytes()))
            .collect();
        assert!(all.len() > 4000);
        assert_eq!(flagged, []);
    }
}
