//! Text fields: a sequence of words, ignoring case.
//!
//! In: the words of a query's value, and a text. Out: whether the text contains them, whole and in
//! this order. A word is a run of letters and digits. It never allocates.

/// Whether `text` contains the words of `wanted`. No words match nothing, as upstream.
pub(crate) fn contains(text: &str, wanted: &str) -> bool {
    if words(wanted).next().is_none() {
        return false;
    }
    let mut from = words(text);
    loop {
        if starts_with(from.clone(), wanted) {
            return true;
        }
        if from.next().is_none() {
            return false;
        }
    }
}

/// The words of a text.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

fn starts_with<'a>(mut here: impl Iterator<Item = &'a str>, wanted: &str) -> bool {
    words(wanted).all(|word| here.next().is_some_and(|other| same(word, other)))
}

fn same(left: &str, right: &str) -> bool {
    left.chars().flat_map(char::to_lowercase).eq(right.chars().flat_map(char::to_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_in_order_whatever_the_case() {
        let cases = [
            ("Failed password for root", "failed PASSWORD", true),
            ("Failed password for root", "password failed", false),
            ("Failed password for root", "fail", false),
            ("failed: failed-password", "failed password", true),
            ("ÜBER alles", "über", true),
            ("", "x", false),
            ("x", "", false),
            ("...", "...", false),
            ("a a a b", "a a b", true),
        ];
        for (text, wanted, expected) in cases {
            assert_eq!(contains(text, wanted), expected, "{text:?} {wanted:?}");
        }
    }
}
