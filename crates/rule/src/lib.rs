//! firstseen-rule
