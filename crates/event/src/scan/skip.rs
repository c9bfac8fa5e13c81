//! Skips values that nobody asked for.
//!
//! In: a position before a value. Out: the position behind it; every rule of the grammar is checked on the way.

use super::{MAX_DEPTH, Scan};
use crate::error::EventError;

impl Scan<'_> {
    /// Skips one value, `depth` containers deep already, with all that is in it.
    #[inline(always)]
    pub(crate) fn skip(&mut self, depth: usize) -> Result<(), EventError> {
        self.at = self.skipped(depth)?;
        Ok(())
    }

    #[inline(never)]
    fn skipped(mut self, mut depth: usize) -> Result<usize, EventError> {
        // One bit a level, the innermost lowest: 1 for an object, 0 for an array.
        let mut objects: u128 = 0;
        let mut open = 0_usize;
        let mut at_key = false;
        'value: loop {
            let is_done = at_key && self.skip_members()?;
            if !is_done {
                match self.token() {
                    b'"' => {
                        self.string()?;
                    }
                    opening @ (b'{' | b'[') => {
                        depth += 1;
                        if depth > MAX_DEPTH {
                            return Err(self.too_deep());
                        }
                        open += 1;
                        objects = objects << 1 | u128::from(opening == b'{');
                        self.at += 1;
                        // `{` and `}` differ by 2, so do `[` and `]`.
                        if self.token() != opening + 2 {
                            at_key = opening == b'{';
                            continue 'value;
                        }
                    }
                    _ => {
                        self.unquoted()?;
                    }
                }
            }
            // Behind a value, or before the closing bracket of an empty container.
            loop {
                if open == 0 {
                    return Ok(self.at);
                }
                let in_object = objects & 1 == 1;
                match (self.token(), in_object) {
                    (b',', _) => {
                        self.at += 1;
                        at_key = in_object;
                        if in_object {
                            self.token();
                        }
                        continue 'value;
                    }
                    (b'}', true) | (b']', false) => {
                        self.at += 1;
                        objects >>= 1;
                        open -= 1;
                        depth -= 1;
                    }
                    _ => return Err(self.wrong_after_value(in_object)),
                }
            }
        }
    }

    /// Skips the key that is next, and members that are written as machines do; whether the position is behind a
    /// value, not before one.
    #[inline(always)]
    fn skip_members(&mut self) -> Result<bool, EventError> {
        if self.is_at_quote() {
            while let Some((end, opening)) = self.compact_key() {
                self.at = end + 2;
                if opening != b'"' {
                    return Ok(false);
                }
                self.string()?;
                if !self.is_before_key() {
                    return Ok(true);
                }
                self.at += 1;
            }
        }
        self.at = self.behind_key()?;
        Ok(false)
    }

    #[inline(never)]
    fn behind_key(mut self) -> Result<usize, EventError> {
        self.key()?;
        Ok(self.at)
    }
}
