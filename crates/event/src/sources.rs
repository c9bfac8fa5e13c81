//! The table of raw sources. A new one is a folder beside `cloudtrail` and a row here.

use crate::cloudtrail;
use crate::raw::RawSource;

/// Every raw source. Where an object has the marks of two, the first one counts.
pub(crate) const SOURCES: &[&RawSource] = &[&cloudtrail::SOURCE];
