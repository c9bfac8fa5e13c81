//! The prefilter: the lines that may match, found by searching for text that every match contains.
//!
//! In: the required literals of rules, lines. Out: the lines that hold them. Nothing is parsed.
//!
//! Sound, not exact: a line that does not pass cannot match. JSON can spell a character in other
//! ways than itself, so a line with an escaped ASCII character (`\u00..`, under any number of
//! backslashes) always passes, and `\/` passes where a literal holds a slash. Literals that JSON
//! must or may escape otherwise (quotes, backslashes, control and non-ASCII characters) are of no
//! use: their clause is dropped.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use memchr::memmem::Finder;

/// Required literals: a line passes if for one of the rules each clause has one of its literals
/// in the line.
#[derive(Clone, Debug)]
pub struct Prefilter {
    /// The clauses of each rule, the one that fewest lines should hold first.
    rules: Vec<Vec<LiteralClause>>,
    /// Spellings that hide a literal: a line that holds one of them passes.
    escaped_spellings: Vec<Finder<'static>>,
    passes_all: bool,
}

#[derive(Clone, Debug)]
struct LiteralClause(Vec<Finder<'static>>);

/// The first search of [`Prefilter::next`] goes this far; each further one twice as far. So a
/// literal that is rare is searched in long runs, and one that is in every line does not make the
/// other literals' searches run far ahead in vain.
const FIRST_STRETCH: usize = 4096;

impl Prefilter {
    /// OR over rules of AND over clauses of OR over literals. A rule without (usable) clauses lets
    /// everything pass; without rules nothing passes.
    #[must_use]
    pub fn new(rules: &[Vec<Vec<String>>]) -> Self {
        let rules: Vec<Vec<LiteralClause>> = rules
            .iter()
            .map(|clauses| {
                // The rarest first. They are few: a place for each is quickly found.
                let mut usable: Vec<&Vec<String>> = Vec::new();
                for clause in clauses.iter().filter(|clause| is_usable(clause)) {
                    let rarity_of_this = rarity(clause);
                    let at = usable.partition_point(|known| rarity(known) >= rarity_of_this);
                    usable.insert(at, clause);
                }
                usable.into_iter().map(|clause| LiteralClause::new(clause)).collect()
            })
            .collect();
        let mut finders = rules.iter().flatten().flat_map(|clause| &clause.0);
        let has_slash = finders.any(|finder| finder.needle().contains(&b'/'));
        let mut escaped_spellings = vec![Finder::new(br"\u00").into_owned()];
        if has_slash {
            escaped_spellings.push(Finder::new(br"\/").into_owned());
        }
        let passes_all = rules.iter().any(Vec::is_empty);
        Self { rules, escaped_spellings, passes_all }
    }

    /// How many literals are searched for in every line: of each rule those of its rarest clause. The other clauses are
    /// only looked at where one of these is found.
    #[must_use]
    pub fn searched(&self) -> usize {
        self.rules.iter().filter_map(|clauses| clauses.first()).map(|clause| clause.0.len()).sum()
    }

    /// Whether there is nothing to search for, so that everything passes.
    #[must_use]
    pub fn passes_all(&self) -> bool {
        self.passes_all
    }

    /// Whether a literal holds a slash, which JSON may write as `\/`.
    #[must_use]
    pub fn has_slash(&self) -> bool {
        self.escaped_spellings.len() > 1
    }

    /// Whether an event may match.
    #[must_use]
    pub fn passes(&self, event: &[u8]) -> bool {
        self.passes_all
            || self.rules.iter().any(|clauses| clauses.iter().all(|clause| clause.is_in(event)))
            || self.escaped_spellings.iter().any(|finder| finder.find(event).is_some())
    }

    /// The next line, without its newline, that passes; `from` is the start of a line. Blank lines
    /// are left out. The buffer is searched as a whole, not line by line.
    #[must_use]
    pub fn next(&self, lines: &[u8], from: usize) -> Option<Range<usize>> {
        self.search(lines, from, false)
    }

    /// The same without the search for escaped spellings, for callers who also hand each line that holds a
    /// backslash to [`passes`](Self::passes): few lines do.
    #[must_use]
    pub fn next_plain(&self, lines: &[u8], from: usize) -> Option<Range<usize>> {
        self.search(lines, from, true)
    }

    fn search(&self, lines: &[u8], mut from: usize, plain: bool) -> Option<Range<usize>> {
        let mut stretch = FIRST_STRETCH;
        while from < lines.len() {
            if self.passes_all {
                let line = from..line_end(lines, from);
                if !is_blank(part(lines, &line)) {
                    return Some(line);
                }
                from = line.end + 1;
                continue;
            }
            let until = line_end(lines, lines.len().min(from.saturating_add(stretch)));
            let Some(hit) = self.first_hit(part(lines, &(from..until)), plain) else {
                from = until + 1;
                stretch = stretch.saturating_mul(2);
                continue;
            };
            let hit = from + hit;
            let before = part(lines, &(from..hit));
            let start = memchr::memrchr(b'\n', before).map_or(from, |newline| from + newline + 1);
            let line = start..line_end(lines, hit);
            if self.passes(part(lines, &line)) {
                return Some(line);
            }
            from = line.end + 1;
            stretch = FIRST_STRETCH;
        }
        None
    }

    /// The first place of an escaped spelling, or of a literal of any rule's rarest clause.
    fn first_hit(&self, stretch: &[u8], plain: bool) -> Option<usize> {
        let rarest = self.rules.iter().filter_map(|clauses| clauses.first());
        let escaped_spellings = if plain { &[][..] } else { &self.escaped_spellings };
        let finders = rarest.flat_map(|clause| &clause.0).chain(escaped_spellings);
        let mut nearest = None;
        for finder in finders {
            // Once there is a hit, only one that begins earlier counts.
            let reach = nearest.map_or(stretch.len(), |hit| hit + finder.needle().len() - 1);
            let searched = part(stretch, &(0..reach.min(stretch.len())));
            nearest = finder.find(searched).or(nearest);
        }
        nearest
    }
}

impl LiteralClause {
    fn new(literals: &[String]) -> Self {
        let owned = |literal: &String| Finder::new(literal.as_bytes()).into_owned();
        Self(literals.iter().map(owned).collect())
    }

    fn is_in(&self, event: &[u8]) -> bool {
        self.0.iter().any(|finder| finder.find(event).is_some())
    }
}

/// Whether a line holds every literal unchanged, or in one of the known escaped spellings.
pub(crate) fn is_usable(clause: &[String]) -> bool {
    let plain = |byte: u8| (b' '..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
    let useful = |literal: &String| !literal.is_empty() && literal.bytes().all(plain);
    !clause.is_empty() && clause.iter().all(useful)
}

/// How rare a clause is among lines, guessed: by the length of its shortest literal. A dot halves
/// it, since hosts and dotted names (`cloudformation.amazonaws.com`) occur in every event of a
/// service and in many others' addresses, an action's name only in that action's.
pub(crate) fn rarity(clause: &[String]) -> usize {
    let worth = |literal: &String| {
        let bare = literal.strip_suffix(".amazonaws.com").unwrap_or(literal);
        if literal.contains('.') { bare.len() / 2 } else { bare.len() }
    };
    clause.iter().map(worth).min().unwrap_or(0)
}

fn part<'b>(bytes: &'b [u8], range: &Range<usize>) -> &'b [u8] {
    bytes.get(range.clone()).unwrap_or_default()
}

/// The end of the line that the place belongs to: its newline, or the end of the buffer.
fn line_end(lines: &[u8], at: usize) -> usize {
    let rest = lines.get(at..).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(lines.len(), |newline| at + newline)
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// Traits of a buffer's bytes, found in one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteTraits {
    /// All of it is ASCII, and so it is UTF-8.
    pub ascii: bool,
    /// It holds a backslash.
    pub backslash: bool,
}

impl ByteTraits {
    /// Looks at every byte once.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut high = [0u8; 64];
        let mut slash = [0u8; 64];
        // Lane by lane, so that it becomes vector code on every machine.
        let (blocks, rest) = bytes.as_chunks::<64>();
        for block in blocks {
            for ((high, slash), byte) in high.iter_mut().zip(&mut slash).zip(block) {
                *high |= byte;
                *slash |= u8::from(*byte == b'\\');
            }
        }
        let ascii = rest.is_ascii() && high.iter().all(u8::is_ascii);
        let backslash = rest.contains(&b'\\') || slash.iter().any(|lane| *lane != 0);
        Self { ascii, backslash }
    }
}

/// A cheap check of a line that nobody will parse: whether it begins and ends like a JSON object.
/// Blank lines pass.
#[must_use]
pub fn looks_whole(line: &[u8]) -> bool {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let mut ahead = line.iter().skip_while(|byte| space(byte));
    let mut behind = line.iter().rev().skip_while(|byte| space(byte));
    match (ahead.next(), behind.next()) {
        (None, _) => true,
        (Some(b'{'), Some(b'}')) => {
            let inside = ahead.find(|byte| !space(byte));
            let last = behind.find(|byte| !space(byte));
            matches!(
                (inside, last),
                (Some(b'}'), Some(b'{'))
                    | (Some(b'"'), Some(b'"' | b'}' | b']' | b'0'..=b'9' | b'e' | b'l'))
            )
        }
        _ => false,
    }
}
