//! `scan FILE WORD`: reads a file in blocks and searches them for a word: the bound for whatever looks at every byte.
//!
//! In: a file, a word. Out: how often the word is in a block, on standard output. It knows no lines; a word across two
//! blocks is not found, which a search that has to be right would pay for.

use memchr::memmem::Finder;
use std::fs::File;
use std::io::{self, Read};
use std::process::ExitCode;

/// As firstseen reads files.
const BLOCK: usize = 128 << 10;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(path), Some(word), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("usage: scan FILE WORD");
        return ExitCode::from(2);
    };
    match File::open(&path).and_then(|file| count(file, word.as_encoded_bytes())) {
        Ok(found) => {
            println!("{found}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("scan: {}: {error}", path.display());
            ExitCode::from(2)
        }
    }
}

fn count(mut input: impl Read, word: &[u8]) -> io::Result<usize> {
    let (finder, mut block, mut found) = (Finder::new(word), vec![0; BLOCK], 0);
    loop {
        match input.read(&mut block) {
            Ok(0) => return Ok(found),
            Ok(read) => found += finder.find_iter(&block[..read]).count(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted() {
        assert_eq!(
            count(&b"CreateStack, CreateStac; CreateStackSet"[..], b"CreateStack").unwrap(),
            2
        );
        assert_eq!(count(&b""[..], b"CreateStack").unwrap(), 0);
    }
}
